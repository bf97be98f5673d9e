"""Parse words, tags and spans of a user's record, counted in words or in characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvpkit.errors import did_you_mean
from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.spans import drop_blank_tokens, parse_span
from hvpkit.records.tag_schemes import parse_tags
from hvpkit.types import Span, TextSpan

KEYS = ("id", "tokens", "tags", "text", "entities", "head", "tail", "relation", "image", "objects")


@dataclass(frozen=True)
class ParsedSentence:
    """Words of a record, and the mapping from its positions to words.

    Attributes:
        words: Words of the sentence.
        source: Context that receives issues.
        line: Line of the record, from 1.
        boundaries: For records with tokens: word boundary of each token boundary, [number of tokens + 1].
        text: For records with text: the text.
        text_words: For records with text: its words with character offsets.
    """

    words: tuple[str, ...]
    source: ReadingContext
    line: int
    boundaries: tuple[int, ...] = ()
    text: str = ""
    text_words: tuple[TextSpan, ...] = ()

    def tags(self, record: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Parse `tags`, or `entities` in characters, to legal BIO tags; None if the record has neither.

        Raises:
            RecordError: "tags-without-tokens", "tag-count-mismatch", "tags-not-list", "tag-not-bio",
                "entities-without-text", "entities-not-list", "entity-type-missing", "entities-overlap", or codes of
                `span`.
        """
        if record.get("tags") is not None:
            return self._parse_tags(record["tags"])
        return None if record.get("entities") is None else self._parse_entities(record["entities"])

    def span(self, value: object, name: str) -> Span:
        """Parse {"start", "end"}, in characters if the record has a text, else in words.

        Args:
            value: Value of the record.
            name: Name of the span in messages.

        Raises:
            RecordError: "span-missing", "span-text-mismatch", "span-blank", or codes of `parse_span`.
        """
        if not isinstance(value, Mapping) or not {"start", "end"} <= set(value):
            raise RecordError("span-missing", name=name, expected='{"start": ..., "end": ...}', found=value)
        if not self.text_words:
            return parse_span(value["start"], value["end"], name, self.boundaries)
        start, end = value["start"], value["end"]
        characters = parse_span(start, end, name, range(len(self.text) + 1), "characters")
        expected, actual = value.get("text"), self.text[start:end]
        if isinstance(expected, str) and expected != actual:
            raise RecordError("span-text-mismatch", name=name, expected=expected, found=actual, start=start, end=end)
        return self._to_words(characters, name)

    def _to_words(self, characters: Span, name: str) -> Span:
        touched = [
            i for i, word in enumerate(self.text_words) if word.start < characters.end and characters.start < word.end
        ]
        if not touched:
            raise RecordError("span-blank", name=name, start=characters.start, end=characters.end)
        first, last = self.text_words[touched[0]], self.text_words[touched[-1]]
        if first.start < characters.start or characters.end < last.end:
            text, widened = self.text[characters.start : characters.end], self.text[first.start : last.end]
            self.source.warn(Message("span-inside-word", name=name, text=text, widened=widened), self.line)
        return Span(touched[0], touched[-1] + 1)

    def _parse_tags(self, raw: object) -> tuple[str, ...]:
        if self.text_words:
            raise RecordError("tags-without-tokens")
        if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != len(self.boundaries) - 1:
            tokens = len(self.boundaries) - 1
            if isinstance(raw, (list, tuple)):
                raise RecordError("tag-count-mismatch", expected=tokens, found=len(raw))
            raise RecordError("tags-not-list", expected=tokens, found=raw)
        if (other := next((tag for tag in raw if not isinstance(tag, str)), "")) != "":
            raise RecordError("tag-not-bio", tag=str(other))
        tags = [tag.strip() for tag in raw]
        kept = [tag for i, tag in enumerate(tags) if self.boundaries[i] < self.boundaries[i + 1]]
        return parse_tags(kept, self.words, lambda note, _: self.source.warn(note, self.line))

    def _parse_entities(self, raw: object) -> tuple[str, ...]:
        if not self.text_words:
            raise RecordError("entities-without-text")
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise RecordError("entities-not-list", found=raw)
        tags = ["O"] * len(self.words)
        for number, entity in enumerate(raw, 1):
            span, entity_type = self.span(entity, f"entity {number}"), entity.get("type")
            if not isinstance(entity_type, str) or not entity_type.strip():
                raise RecordError("entity-type-missing", number=number, type=entity_type)
            entity_type = entity_type.strip()
            if any(tag != "O" for tag in tags[span.start : span.end]):
                raise RecordError("entities-overlap", number=number, text=" ".join(self.words[span.start : span.end]))
            if entity_type[:2] in ("B-", "I-"):
                self.source.warn(Message("entity-type-like-tag", number=number, type=entity_type), self.line)
            tags[span.start : span.end] = [f"B-{entity_type}", *[f"I-{entity_type}"] * (span.end - span.start - 1)]
        return tuple(tags)


def parse_sentence(record: Mapping[str, Any], source: ReadingContext, line: int) -> ParsedSentence:
    """Parse the words of a record from `tokens` or `text`.

    Args:
        record: Record of a user's file.
        source: Context that receives issues.
        line: Line of the record, from 1.

    Raises:
        RecordError: "no-tokens-or-text", "tokens-and-text", "text-without-words", or codes of `drop_blank_tokens`.
    """
    tokens, text = record.get("tokens"), record.get("text")
    if tokens is None and text is None:
        raise RecordError("no-tokens-or-text", found=describe_keys(record))
    if tokens is not None and text is not None:
        raise RecordError("tokens-and-text")
    if tokens is not None:
        words, boundaries = drop_blank_tokens(tokens, source, line)
        return ParsedSentence(words, source, line, boundaries=tuple(boundaries))
    text_words = tuple(tokenize(text)) if isinstance(text, str) else ()
    if not text_words:
        raise RecordError("text-without-words", text=text)
    words = tuple(word.text for word in text_words)
    return ParsedSentence(words, source, line, text=str(text), text_words=text_words)


def describe_keys(record: Mapping[str, Any]) -> Message:
    """List the keys of a record for messages, with a suggestion for the first unknown key."""
    unknown = next((key for key in record if key not in KEYS), None)
    if unknown:
        return Message("record-keys-unknown", keys=list(record), key=unknown, hint=did_you_mean(unknown, KEYS))
    return Message("record-keys", keys=list(record)) if record else Message("record-empty")
