"""Write the sentences of scenarios: templates filled with names that occur in one split only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import Scenario
from hvpkit.types import SPLITS, Span, Split

TRAIN_FRACTION, DEV_FRACTION = 0.6, 0.2  # of the names; the others are for test


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
    lexicon = load_lexicon()
    names = Random(f"{seed} names").sample(lexicon.names, len(lexicon.names))
    train = round(TRAIN_FRACTION * len(names))
    dev = train + round(DEV_FRACTION * len(names))
    return dict(zip(SPLITS, (tuple(names[:train]), tuple(names[train:dev]), tuple(names[dev:])), strict=True))


def entity_sentence(scenario: Scenario, names: Sequence[str], rng: Random) -> GeneratedSentence:
    """Write the tweet of an MNER scenario."""
    name, second = rng.sample(names, 2)
    clauses = [_fill(rng.choice(_entity_templates(scenario)), {"{}": ("name", name)})]
    if scenario.second is not None:
        templates = load_lexicon().second_clause[scenario.second]
        clauses.append(_fill(rng.choice(templates), {"{}": ("second", second)}))
    rng.shuffle(clauses)
    return _decorate(clauses, rng)


def pair_sentence(scenario: Scenario, names: Sequence[str], rng: Random) -> GeneratedSentence:
    """Write the tweet of an MRE scenario."""
    head, tail = rng.sample(names, 2)
    lexicon = load_lexicon()
    templates = lexicon.ambiguous_pairs if scenario.is_ambiguous else lexicon.unambiguous_pairs[scenario.labels[0]]
    return _decorate([_fill(rng.choice(templates), {"{h}": ("head", head), "{t}": ("tail", tail)})], rng)


def _entity_templates(scenario: Scenario) -> tuple[str, ...]:
    lexicon = load_lexicon()
    if scenario.labels == ("none",):
        return lexicon.without_entity
    if len(scenario.labels) == 2:
        return lexicon.ambiguous[scenario.labels[0], scenario.labels[1]]
    return lexicon.unambiguous[scenario.labels[0]]


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
    lexicon = load_lexicon()
    opening: list[str] = []
    if rng.random() < 0.2:
        opening += ["RT", f"@{rng.choice(lexicon.handles)}", ":"]
    elif rng.random() < 0.15:
        opening += [f"@{rng.choice(lexicon.handles)}"]
    if rng.random() < 0.35:
        opening += rng.choice(lexicon.openers).split()
    closing: list[str] = []
    if rng.random() < 0.4:
        closing += [rng.choice(lexicon.closers)]
    if rng.random() < 0.4:
        closing += [f"#{tag}" for tag in rng.sample(lexicon.hashtags, rng.randint(1, 2))]
    if rng.random() < 0.3:
        closing += [rng.choice(lexicon.emoji)] * rng.randint(1, 2)
    words, spans = list(opening), {}
    for number, clause in enumerate(clauses):
        words += [","] if number else []
        spans.update(
            {slot: Span(len(words) + span.start, len(words) + span.end) for slot, span in clause.spans.items()}
        )
        words += clause.words
    return GeneratedSentence((*words, *closing), spans)
