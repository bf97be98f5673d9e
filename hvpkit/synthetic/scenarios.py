"""Plan the labels, clues and informative images of a demo dataset.

Each ambiguous sentence becomes one example for each of its possible labels, with identical words and another image. No
text-only model can distinguish these examples, even after memorizing them; uninformative images are identical too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

from hvpkit.errors import InputError
from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.types import Split, Task

Clue = Literal["texture", "shape", "small", "scene"]
CLUES: tuple[Clue, ...] = ("texture", "shape", "small", "scene")
MIN_EXAMPLES = 24  # of a split, so that every label occurs
NO_ENTITY_FRACTION = 0.08  # MNER: fraction of tweets without an entity
SECOND_ENTITY_FRACTION = 0.2  # MNER: fraction of tweets with a second entity, which is unambiguous

T = TypeVar("T")


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings of a demo dataset.

    Attributes:
        task: Task of the labels.
        size: Number of training examples.
        seed: Seed of all random choices.
        uninformative: Fraction of uninformative images.
        ambiguous: Fraction of entities (MNER) or pairs (MRE) whose label the text does not reveal.
        test_uninformative: Fraction of uninformative images of the test split, None for `uninformative`.

    Raises:
        InputError: "demo-task-unknown", "demo-fraction-invalid", "demo-seed-negative" or "demo-too-small".
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
        fractions = {
            "uninformative": self.uninformative,
            "ambiguous": self.ambiguous,
            "test-uninformative": self.test_uninformative,
        }
        for name, fraction in fractions.items():
            if fraction is not None and not 0 <= fraction <= 1:
                raise InputError("demo-fraction-invalid", option=name, value=fraction)
        if self.seed < 0:
            raise InputError("demo-seed-negative", seed=self.seed)
        if self.size < MIN_EXAMPLES:
            what = "type" if self.task == "mner" else "relation"
            raise InputError("demo-too-small", size=self.size, what=what, minimum=MIN_EXAMPLES)

    def examples(self, split: Split) -> int:
        """Return the number of examples: `size` for train, a quarter (at least `MIN_EXAMPLES`) for dev and test."""
        return self.size if split == "train" else max(MIN_EXAMPLES, self.size // 4)

    def uninformative_fraction(self, split: Split) -> float:
        """Return the fraction of uninformative images of a split."""
        if split == "test" and self.test_uninformative is not None:
            return self.test_uninformative
        return self.uninformative


@dataclass(frozen=True)
class Scenario:
    """Plan of one sentence, which becomes one example for each of its labels.

    Attributes:
        number: Number of the scenario in its split, from 0.
        labels: Types (MNER) or relations (MRE), several if the sentence is ambiguous; ("none",) without an entity.
        shown_labels: Label that the image of each example shows, in the order of `labels`.
        clue: Kind of visual clue that shows them.
        is_informative: Whether the images are informative.
        second: Type of a second entity, None if there is none.
    """

    number: int
    labels: tuple[str, ...]
    shown_labels: tuple[str, ...]
    clue: Clue
    is_informative: bool
    second: str | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Return whether the text does not reveal the label."""
        return len(self.labels) > 1


def plan_scenarios(settings: SyntheticSettings, split: Split) -> list[Scenario]:
    """Plan the scenarios of a split.

    Texts and labels do not depend on the fraction of uninformative images.
    """
    counts = _counts(settings.task, settings.examples(split), settings.ambiguous)
    rng = Random(f"{settings.seed} {settings.task} {split} plan")
    uninformative = settings.uninformative_fraction(split)
    scenarios: list[Scenario] = []
    for label_sets, count in _label_sets(settings.task, counts):
        pairs = assign(label_sets, CLUES, count, rng)
        # The first ones are uninformative: labels and clues stay balanced, a larger fraction contains a smaller one.
        num_uninformative = round(uninformative * count)
        seconds = _seconds(count, counts.second, rng) if label_sets != _NO_ENTITY else [None] * count
        for i, ((labels, clue), second) in enumerate(zip(pairs, seconds, strict=True)):
            shown_labels = labels if labels != ("none",) else (rng.choice(load_lexicon().entity_types),)
            scenarios.append(Scenario(len(scenarios), labels, shown_labels, clue, i >= num_uninformative, second))
    return scenarios


def assign(items: Sequence[T], clues: Sequence[Clue], count: int, rng: Random) -> list[tuple[T, Clue]]:
    """Pair items with clues so that both are balanced in any contiguous part of the `count` pairs.

    Each combination occurs once before any is repeated.
    """
    items, clues = rng.sample(items, len(items)), rng.sample(clues, len(clues))
    num_items = len(items)
    return [(items[i % num_items], clues[(i % num_items + i // num_items) % len(clues)]) for i in range(count)]


@dataclass(frozen=True)
class _Counts:
    """Numbers of ambiguous, unambiguous and entity-free scenarios, and the fraction with a second entity."""

    ambiguous: int
    unambiguous: int
    without_entity: int = 0
    second: float = 0.0


_NO_ENTITY: list[tuple[str, ...]] = [("none",)]


def _counts(task: Task, examples: int, ambiguous: float) -> _Counts:
    """Divide the examples of a split; unless all are ambiguous, each label has an unambiguous example."""
    lexicon = load_lexicon()
    if task == "mre":
        group_size, reserved = len(lexicon.ambiguous_relations), 0 if ambiguous == 1 else len(lexicon.relations)
        groups = _groups(ambiguous * examples, group_size, examples, reserved)
        return _Counts(groups, examples - groups * group_size)
    without_entity = round(NO_ENTITY_FRACTION * examples)
    named = examples - without_entity
    second = min(SECOND_ENTITY_FRACTION, (1 - ambiguous) / ambiguous) if ambiguous else SECOND_ENTITY_FRACTION
    groups = _groups(ambiguous * named * (1 + second), 2, named, 0 if ambiguous == 1 else len(lexicon.entity_types))
    return _Counts(groups, named - 2 * groups, without_entity, second)


def _groups(target: float, group_size: int, available: int, reserved: int) -> int:
    """Return the number of groups that comes closest to `target` examples and leaves `reserved` examples."""
    return max(min(round(target / group_size), (available - reserved) // group_size), 1 if target else 0)


def _label_sets(task: Task, counts: _Counts) -> list[tuple[list[tuple[str, ...]], int]]:
    lexicon = load_lexicon()
    if task == "mre":
        return [
            ([lexicon.ambiguous_relations], counts.ambiguous),
            ([(relation,) for relation in lexicon.relations], counts.unambiguous),
        ]
    return [
        (list(lexicon.ambiguous), counts.ambiguous),
        ([(type_,) for type_ in lexicon.entity_types], counts.unambiguous),
        (_NO_ENTITY, counts.without_entity),
    ]


def _seconds(count: int, fraction: float, rng: Random) -> list[str | None]:
    chosen = set(rng.sample(range(count), round(fraction * count)))
    return [rng.choice(load_lexicon().entity_types) if i in chosen else None for i in range(count)]
