"""Phrase extractors: what a detector searches for in the image of an example."""

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
MAX_PHRASES = 16  # of an example
MAX_WORDS = 8  # of a phrase

Extractor = Callable[[Example], Sequence[str]]


def build_phrase_extractor(names: Sequence[str]) -> Extractor:
    """Build an extractor that joins the phrases of the named extractors.

    Duplicates, regardless of case, are removed; at most `MAX_PHRASES` phrases are returned.

    Args:
        names: Any of `rules`, `spacy` (or `spacy:PIPELINE`), `types`, `mentions`.

    Raises:
        InputError: "unknown-phrases" for another name.
        ComponentError: "spacy-not-installed", "spacy-pipeline-unopenable" or "spacy-pipeline-without-parser".
    """
    extractors = [_extractor(name) for name in names]
    return lambda example: tuple(_unique(phrase for extract in extractors for phrase in extract(example)))[:MAX_PHRASES]


def default_phrases(task: Task) -> list[str]:
    """Return the default extractors of a task: head and tail for MRE, rule-based noun phrases for MNER."""
    return ["mentions"] if task == "mre" else ["rules"]


def check_phrases(names: Sequence[str], task: Task) -> None:
    """Check the names of extractors.

    Raises:
        InputError: "unknown-phrases", or "mentions-need-pairs" if examples of the task have no head and tail.
    """
    for name in names:
        _check_name(name)
        if name == "mentions" and task == "mner":
            raise InputError("mentions-need-pairs")


def _check_name(name: str) -> None:
    kind, colon, _ = name.partition(":")
    if kind != SPACY and (colon or kind not in EXTRACTORS):
        raise InputError("unknown-phrases", name=name, hint=did_you_mean(name, [*EXTRACTORS, SPACY]))


def _extractor(name: str) -> Extractor:
    _check_name(name)
    kind, _, pipeline = name.partition(":")
    return _spacy(pipeline or PIPELINE) if kind == SPACY else EXTRACTORS[kind]


def _rules(example: Example) -> list[str]:
    return noun_phrases(example.words)


def _types(example: Example) -> Sequence[str]:
    return TYPES


def _mentions(example: Example) -> list[str]:
    spans = [span for span in (example.head, example.tail) if span is not None]
    mentions = [example.words[span.start : span.end] for span in spans]
    return [" ".join(word for token in tokens for word in clean(token)) or " ".join(tokens) for tokens in mentions]


EXTRACTORS: dict[str, Extractor] = {"rules": _rules, "types": _types, "mentions": _mentions}


def _spacy(pipeline: str) -> Extractor:
    language = _load_pipeline(pipeline)

    @lru_cache(maxsize=256)  # the same example is needed for the cache key, detection and the contact sheet
    def chunks(text: str) -> tuple[str, ...]:
        return tuple(_chunks(language, text))

    return lambda example: chunks(" ".join(word for token in example.words for word in clean(token)))


@lru_cache(maxsize=2)
def _load_pipeline(name: str) -> Language:
    try:
        import spacy
    except ImportError as error:
        raise ComponentError("spacy-not-installed") from error
    try:
        language = spacy.load(name, exclude=["ner", "lemmatizer"])
    except Exception as error:  # third-party pipelines may raise any exception
        reason = str(error).partition("\n")[0]
        raise ComponentError("spacy-pipeline-unopenable", pipeline=name, reason=reason, default=PIPELINE) from error
    if "parser" not in language.pipe_names:
        raise ComponentError("spacy-pipeline-without-parser", pipeline=name)
    return language


def _chunks(language: Language, text: str) -> Iterator[str]:
    for chunk in language(text).noun_chunks:
        words = [token.text for token in chunk if token.pos_ not in ("DET", "PRON", "PUNCT")]
        if any(re.search(r"\w", word) for word in words):
            yield " ".join(words[-MAX_WORDS:])


def _unique(phrases: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for phrase in phrases:
        if (key := " ".join(phrase.split()).casefold()) and key not in seen:
            seen.add(key)
            yield " ".join(phrase.split())
