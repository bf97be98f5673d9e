"""What to look for in an image: named extractors of phrases from an example's words; they add up (no torch)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from hvpkit.detection.noun_phrases import clean, noun_phrases
from hvpkit.errors import ComponentError, InputError, did_you_mean
from hvpkit.types import Example, Task

if TYPE_CHECKING:
    from spacy.language import Language

TYPES = ("person", "location", "organization", "miscellaneous")
SPACY = "spacy"  # or spacy:PIPELINE
PIPELINE = "en_core_web_sm"
MOST = 16  # phrases of one example
LONGEST = 8  # words of a phrase

Extractor = Callable[[Example], Sequence[str]]


def build_phrase_extractor(names: Sequence[str]) -> Extractor:
    """Give the phrases of all the named extractors, each phrase once whatever its case, at most `MOST`.

    Names: `rules`, `spacy` (or `spacy:PIPELINE`), `types`, `mentions`. Raises InputError for another name, ComponentError for a pipeline
    that is not there.
    """
    parts = [_one(name) for name in names]
    return lambda example: tuple(_distinct(phrase for part in parts for phrase in part(example)))[:MOST]


def default_phrases(task: Task) -> list[str]:
    """Name what is looked for unless the user says: both entities of a pair, or what looks like a name or a thing in a text."""
    return ["mentions"] if task == "mre" else ["rules"]


def check_phrases(names: Sequence[str], task: Task) -> None:
    """Raise InputError for a name that is not one, and for `mentions` where examples have none."""
    for name in names:
        _check_kind(name)
        if name == "mentions" and task == "mner":
            raise InputError("mentions-need-pairs")


def _check_kind(name: str) -> None:
    kind, colon, _ = name.partition(":")
    if kind != SPACY and (colon or kind not in EXTRACTORS):
        raise InputError("unknown-phrases", name=name, hint=did_you_mean(name, [*EXTRACTORS, SPACY]))


def _one(name: str) -> Extractor:
    _check_kind(name)
    kind, _, pipeline = name.partition(":")
    return _spacy(pipeline or PIPELINE) if kind == SPACY else EXTRACTORS[kind]


def _rules(example: Example) -> list[str]:
    return noun_phrases(example.words)


def _types(example: Example) -> Sequence[str]:
    return TYPES


def _mentions(example: Example) -> list[str]:
    spans = [span for span in (example.head, example.tail) if span is not None]
    said = [" ".join(word for part in example.words[span.start : span.end] for word in clean(part)) for span in spans]
    return [text or " ".join(example.words[span.start : span.end]) for text, span in zip(said, spans, strict=True)]


EXTRACTORS: dict[str, Extractor] = {"rules": _rules, "types": _types, "mentions": _mentions}


def _spacy(pipeline: str) -> Extractor:
    language = _pipeline(pipeline)

    @lru_cache(maxsize=256)  # an example is asked for to look it up, to look, and to show what was looked for
    def chunks(text: str) -> tuple[str, ...]:
        return tuple(_chunks(language, text))

    return lambda example: chunks(" ".join(word for token in example.words for word in clean(token)))


@lru_cache(maxsize=2)
def _pipeline(name: str) -> Language:
    try:
        import spacy
    except ImportError as error:
        raise ComponentError("spacy-not-installed") from error
    try:
        language = spacy.load(name, exclude=["ner", "lemmatizer"])
    except Exception as error:  # a stranger's pipeline raises anything at all
        reason = str(error).partition("\n")[0]
        raise ComponentError("spacy-pipeline-unopenable", pipeline=name, reason=reason, default=PIPELINE) from error
    if "parser" not in language.pipe_names:
        raise ComponentError("spacy-pipeline-without-parser", pipeline=name)
    return language


def _chunks(language: Language, text: str) -> Iterator[str]:
    for chunk in language(text).noun_chunks:
        words = [token.text for token in chunk if token.pos_ not in ("DET", "PRON", "PUNCT")]
        if any(re.search(r"\w", word) for word in words):
            yield " ".join(words[-LONGEST:])


def _distinct(phrases: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for phrase in phrases:
        if (key := " ".join(phrase.split()).casefold()) and key not in seen:
            seen.add(key)
            yield " ".join(phrase.split())
