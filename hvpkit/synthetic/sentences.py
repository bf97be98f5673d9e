"""Write the sentences of scenarios: templates filled with names that occur in one split only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hvpkit.synthetic import lexicon
from hvpkit.synthetic.scenarios import Scenario
from hvpkit.types import SPLITS, Span, Split


@dataclass(frozen=True)
class GeneratedSentence:
    """Words and entities of a generated tweet.

    Attributes:
        words: Words of the tweet.
        spans: Entities by slot: "name" and "second" for MNER, "head" and "tail" for MRE.
    """

    words: tuple[str, ...]
    spans: dict[str, Span]


def split_names(seed: int) -> dict[Split, tuple[str, ...]]:
    """Divide the names among the splits."""
    names = Random(f"{seed} names").sample(lexicon.NAMES, len(lexicon.NAMES))
    train = round(lexicon.TRAIN_FRACTION * len(names))
    dev = train + round(lexicon.DEV_FRACTION * len(names))
    return dict(zip(SPLITS, (tuple(names[:train]), tuple(names[train:dev]), tuple(names[dev:])), strict=True))


def entity_sentence(scenario: Scenario, names: Sequence[str], rng: Random) -> GeneratedSentence:
    """Write the tweet of an MNER scenario."""
    name, second = rng.sample(names, 2)
    clauses = [_fill(rng.choice(_entity_templates(scenario)), {"{}": ("name", name)})]
    if scenario.second is not None:
        clauses.append(_fill(rng.choice(lexicon.lines(lexicon.SECOND[scenario.second])), {"{}": ("second", second)}))
    rng.shuffle(clauses)
    return _decorate(clauses, rng)


def pair_sentence(scenario: Scenario, names: Sequence[str], rng: Random) -> GeneratedSentence:
    """Write the tweet of an MRE scenario."""
    head, tail = rng.sample(names, 2)
    block = lexicon.AMBIGUOUS_PAIRS if scenario.is_ambiguous else lexicon.UNAMBIGUOUS_PAIRS[scenario.labels[0]]
    template = rng.choice(lexicon.lines(block))
    return _decorate([_fill(template, {"{h}": ("head", head), "{t}": ("tail", tail)})], rng)


def _entity_templates(scenario: Scenario) -> tuple[str, ...]:
    if scenario.labels == ("none",):
        return lexicon.lines(lexicon.EMPTY)
    if len(scenario.labels) == 2:
        return lexicon.lines(lexicon.AMBIGUOUS[scenario.labels[0], scenario.labels[1]])
    return lexicon.lines(lexicon.UNAMBIGUOUS[scenario.labels[0]])


def _fill(template: str, names: dict[str, tuple[str, str]]) -> GeneratedSentence:
    """Fill the slots of a template with names."""
    words: list[str] = []
    spans: dict[str, Span] = {}
    for word in template.split():
        if word in names:
            slot, name = names[word]
            parts = name.split()
            spans[slot] = Span(len(words), len(words) + len(parts))
            words += parts
        else:
            words.append(word)
    return GeneratedSentence(tuple(words), spans)


def _decorate(clauses: list[GeneratedSentence], rng: Random) -> GeneratedSentence:
    """Join clauses and add handles, hashtags and emoji, independently of the labels."""
    opening: list[str] = []
    if rng.random() < 0.2:
        opening += ["RT", rng.choice(lexicon.HANDLES), ":"]
    elif rng.random() < 0.15:
        opening += [rng.choice(lexicon.HANDLES)]
    if rng.random() < 0.35:
        opening += rng.choice(lexicon.OPENERS).split()
    closing: list[str] = []
    if rng.random() < 0.4:
        closing += [rng.choice(lexicon.CLOSERS)]
    if rng.random() < 0.4:
        closing += rng.sample(lexicon.HASHTAGS, rng.randint(1, 2))
    if rng.random() < 0.3:
        closing += [rng.choice(lexicon.EMOJI)] * rng.randint(1, 2)
    words, spans = list(opening), {}
    for number, clause in enumerate(clauses):
        words += [","] if number else []
        spans.update(
            {slot: Span(len(words) + span.start, len(words) + span.end) for slot, span in clause.spans.items()}
        )
        words += clause.words
    return GeneratedSentence((*words, *closing), spans)
