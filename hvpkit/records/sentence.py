"""The words, tags and spans of one record of a user's own data, counted in words or in characters (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvpkit.errors import did_you_mean
from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.messages import Message
from hvpkit.records.bio_repair import parse_tag, repair_bio, repaired
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.spans import drop_blank_tokens, parse_span
from hvpkit.types import Span, TextSpan

KEYS = ("id", "tokens", "tags", "text", "entities", "head", "tail", "relation", "image", "objects")


@dataclass(frozen=True)
class ParsedSentence:
    """Words, and how the record's own counting maps to them.

    From tokens: `places` maps boundaries of the given tokens to boundaries of `words`. From text: `found` are its words with their places.
    """

    words: tuple[str, ...]
    source: ReadingContext
    line: int
    places: tuple[int, ...] = ()
    text: str = ""
    found: tuple[TextSpan, ...] = ()

    def tags(self, record: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Read `tags`, or `entities` in characters, as legal BIO tags; None when the record has neither; raises RecordError."""
        if record.get("tags") is not None:
            return self._repaired(record["tags"])
        return None if record.get("entities") is None else self._from_entities(record["entities"])

    def span(self, value: object, name: str) -> Span:
        """Read {"start", "end"} in words, or in characters where the record has a text; raises RecordError."""
        if not isinstance(value, Mapping) or not {"start", "end"} <= set(value):
            raise RecordError("span-missing", name=name, expected='{"start": ..., "end": ...}', found=value)
        if not self.found:
            return parse_span(value["start"], value["end"], name, self.places)
        start, end = value["start"], value["end"]
        characters = parse_span(start, end, name, range(len(self.text) + 1), "characters")
        said, stands = value.get("text"), self.text[start:end]
        if isinstance(said, str) and said != stands:
            raise RecordError("span-text-mismatch", name=name, expected=said, found=stands, start=start, end=end)
        return self._in_words(characters, name)

    def _in_words(self, characters: Span, name: str) -> Span:
        touched = [i for i, word in enumerate(self.found) if word.start < characters.end and characters.start < word.end]
        if not touched:
            raise RecordError("span-blank", name=name, start=characters.start, end=characters.end)
        first, last = self.found[touched[0]], self.found[touched[-1]]
        if first.start < characters.start or characters.end < last.end:
            said, now = self.text[characters.start : characters.end], self.text[first.start : last.end]
            self.source.warn(Message("span-inside-word", name=name, text=said, widened=now), self.line)
        return Span(touched[0], touched[-1] + 1)

    def _repaired(self, raw: object) -> tuple[str, ...]:
        if self.found:
            raise RecordError("tags-without-tokens")
        if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != len(self.places) - 1:
            tokens = len(self.places) - 1
            if isinstance(raw, (list, tuple)):
                raise RecordError("tag-count-mismatch", expected=tokens, found=len(raw))
            raise RecordError("tags-not-list", expected=tokens, found=raw)
        read = [parse_tag(str(tag).strip()) for tag in raw]
        kept = [tag for i, tag in enumerate(read) if self.places[i] < self.places[i + 1]]
        legal, changed = repair_bio(kept)
        for i in changed:
            self.source.warn(repaired(kept, self.words, i), self.line)
        return legal

    def _from_entities(self, raw: object) -> tuple[str, ...]:
        if not self.found:
            raise RecordError("entities-without-text")
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise RecordError("entities-not-list", found=raw)
        tags = ["O"] * len(self.words)
        for number, entity in enumerate(raw, 1):
            span, kind = self.span(entity, f"entity {number}"), entity.get("type")
            if not isinstance(kind, str) or not kind.strip():
                raise RecordError("entity-type-missing", number=number, type=kind)
            if any(tag != "O" for tag in tags[span.start : span.end]):
                raise RecordError("entities-overlap", number=number, text=" ".join(self.words[span.start : span.end]))
            if kind.strip()[:2] in ("B-", "I-"):
                self.source.warn(Message("entity-type-like-tag", number=number, type=kind.strip()), self.line)
            tags[span.start : span.end] = [f"B-{kind.strip()}", *[f"I-{kind.strip()}"] * (span.end - span.start - 1)]
        return tuple(tags)


def parse_sentence(record: Mapping[str, Any], source: ReadingContext, line: int) -> ParsedSentence:
    """Read the words of a record, from `tokens` or from `text`; raises RecordError."""
    tokens, text = record.get("tokens"), record.get("text")
    if tokens is None and text is None:
        raise RecordError("no-tokens-or-text", found=describe_keys(record))
    if tokens is not None and text is not None:
        raise RecordError("tokens-and-text")
    if tokens is not None:
        words, places = drop_blank_tokens(tokens, source, line)
        return ParsedSentence(words, source, line, places=tuple(places))
    found = tuple(tokenize(text)) if isinstance(text, str) else ()
    if not found:
        raise RecordError("text-without-words", text=text)
    return ParsedSentence(tuple(word.text for word in found), source, line, text=str(text), found=found)


def describe_keys(record: Mapping[str, Any]) -> Message:
    """List a record's keys, for messages, with the likeliest meaning of one that is unknown."""
    unknown = next((key for key in record if key not in KEYS), None)
    if unknown:
        return Message("record-keys-unknown", keys=list(record), key=unknown, hint=did_you_mean(unknown, KEYS))
    return Message("record-keys", keys=list(record)) if record else Message("record-empty")
