"""What is true of a demo dataset before a word is written or an image drawn (our own; no torch).

Each open sentence is told once for every answer that it leaves open, word for word the same, with an image for each. So nothing in the
text, learnt by heart or not, can tell those examples apart; and where the image is uninformative they share that image too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

from hvpkit.errors import InputError
from hvpkit.synthetic.lexicon import OPEN, OPEN_ANSWERS, SETTLED, SETTLED_PAIRS
from hvpkit.types import Split, Task

Clue = Literal["texture", "shape", "small", "scene"]
CLUES: tuple[Clue, ...] = ("texture", "shape", "small", "scene")
SMALLEST = 24  # examples a split, so that it holds every answer
EMPTY_SHARE = 0.08  # MNER: tweets without a name
SECOND_SHARE = 0.2  # MNER: tweets with a second name, whose type the text settles

T = TypeVar("T")


@dataclass(frozen=True)
class SyntheticSettings:
    """What a user may choose; raises InputError for a share outside 0..1 or a size that cannot hold every answer.

    `size`: training examples; `uninformative`: share of images that say nothing; `test_uninformative`: the same of the test split
    (None: as the others); `ambiguity`: share of names (MNER) or pairs (MRE) that the sentence leaves open.
    """

    task: Task = "mner"
    size: int = 2000
    seed: int = 0
    uninformative: float = 0.3
    ambiguous: float = 0.6
    test_uninformative: float | None = None

    def __post_init__(self) -> None:
        if self.task not in ("mner", "mre"):
            raise InputError("demo-task-unknown", task=self.task)
        shares = {"uninformative": self.uninformative, "ambiguous": self.ambiguous, "test-uninformative": self.test_uninformative}
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                raise InputError("demo-fraction-invalid", option=name, value=share)
        if self.seed < 0:
            raise InputError("demo-seed-negative", seed=self.seed)
        if self.size < SMALLEST:
            what = "type" if self.task == "mner" else "relation"
            raise InputError("demo-too-small", size=self.size, what=what, minimum=SMALLEST)

    def examples(self, split: Split) -> int:
        """Give how many examples a split has: `size` for train, a quarter of it (`SMALLEST` at least) for dev and for test."""
        return self.size if split == "train" else max(SMALLEST, self.size // 4)

    def uninformative_fraction(self, split: Split) -> float:
        """Give the share of a split's images that say nothing."""
        return self.uninformative if split != "test" or self.test_uninformative is None else self.test_uninformative


@dataclass(frozen=True)
class Scenario:
    """One sentence to be, and the answers it is told with: one example each.

    `answers` are types (MNER) or relations (MRE), or the one answer "none" of a tweet without a name; more than one where the sentence
    is open. `shown` are the answers that the images show, if `relevant`, through a kind of `clue`; `second` is the type of a second name.
    """

    number: int
    answers: tuple[str, ...]
    shown: tuple[str, ...]
    clue: Clue
    relevant: bool
    second: str | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether the sentence leaves the answer open."""
        return len(self.answers) > 1


def plan_scenarios(settings: SyntheticSettings, split: Split) -> list[Scenario]:
    """Give the stories of a split; its texts and truths do not depend on the shares of uninformative images."""
    counts = _counts(settings.task, settings.examples(split), settings.ambiguous)
    rng = Random(f"{settings.seed} {settings.task} {split} plan")
    uninformative = settings.uninformative_fraction(split)
    stories: list[Scenario] = []
    for answers, count in _kinds(settings.task, counts):
        cells = assign(answers, CLUES, count, rng)
        mute = round(uninformative * count)  # the first ones: every answer and clue has its part, and a larger share only adds to them
        seconds = _seconds(count, counts.second, rng) if answers != _NOTHING else [None] * count
        for place, ((said, clue), second) in enumerate(zip(cells, seconds, strict=True)):
            shown = said if said != ("none",) else (rng.choice(list(SETTLED)),)
            stories.append(Scenario(len(stories), said, shown, clue, place >= mute, second))
    return stories


def assign(answers: Sequence[T], clues: Sequence[Clue], count: int, rng: Random) -> list[tuple[T, Clue]]:
    """Give `count` pairs of which any run holds every answer and every clue about equally often, each pair once a round."""
    a, c = rng.sample(answers, len(answers)), rng.sample(clues, len(clues))
    return [(a[i % len(a)], c[(i % len(a) + i // len(a)) % len(c)]) for i in range(count)]


# ------------------------------------------------------------------------------------------------------------------ counting
@dataclass(frozen=True)
class _Counts:
    """How many stories of a split are open, settled and without a name, and the share of them with a second name."""

    open: int
    settled: int
    empty: int = 0
    second: float = 0.0


_NOTHING: list[tuple[str, ...]] = [("none",)]


def _counts(task: Task, examples: int, ambiguous: float) -> _Counts:
    """Share out a split's examples; as long as anything is to be settled, every answer is settled at least once."""
    if task == "mre":
        groups = _groups(ambiguous * examples, len(OPEN_ANSWERS), examples, 0 if ambiguous == 1 else len(SETTLED_PAIRS))
        return _Counts(groups, examples - groups * len(OPEN_ANSWERS))
    empty = round(EMPTY_SHARE * examples)
    named = examples - empty
    second = min(SECOND_SHARE, (1 - ambiguous) / ambiguous) if ambiguous else SECOND_SHARE
    groups = _groups(ambiguous * named * (1 + second), 2, named, 0 if ambiguous == 1 else len(SETTLED))
    return _Counts(groups, named - 2 * groups, empty, second)


def _groups(wanted: float, told: int, room: int, kept: int) -> int:
    """Give how many open stories, told `told` times each, come nearest to `wanted` examples and leave `kept` of the `room`."""
    return max(min(round(wanted / told), (room - kept) // told), 1 if wanted else 0)


def _kinds(task: Task, counts: _Counts) -> list[tuple[list[tuple[str, ...]], int]]:
    if task == "mre":
        return [([OPEN_ANSWERS], counts.open), ([(relation,) for relation in SETTLED_PAIRS], counts.settled)]
    return [(list(OPEN), counts.open), ([(type_,) for type_ in SETTLED], counts.settled), (_NOTHING, counts.empty)]


def _seconds(count: int, share: float, rng: Random) -> list[str | None]:
    having = set(rng.sample(range(count), round(share * count)))
    return [rng.choice(list(SETTLED)) if place in having else None for place in range(count)]
