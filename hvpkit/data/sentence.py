"""The words, tags and spans of one record of a user's own data, counted in words or in characters (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvpkit.data.problems import BadRecord, Source
from hvpkit.data.spans import read_span, strip_words
from hvpkit.data.tags import REPAIRED, read_tag, repair
from hvpkit.errors import choices
from hvpkit.text.words import split_words
from hvpkit.types import Span, TextSpan

KEYS = ("id", "tokens", "tags", "text", "entities", "head", "tail", "relation", "image", "objects")
TAG_AS_TYPE = "entity type that looks like a tag"
MOVED = "span that begins or ends inside a word, widened to it"


@dataclass(frozen=True)
class Sentence:
    """Words, and how the record's own counting maps to them.

    From tokens: `places` maps boundaries of the given tokens to boundaries of `words`. From text: `found` are its words with their places.
    """

    words: tuple[str, ...]
    source: Source
    line: int
    places: tuple[int, ...] = ()
    text: str = ""
    found: tuple[TextSpan, ...] = ()

    def tags(self, record: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Read `tags`, or `entities` in characters, as legal BIO tags; None when the record has neither; raises BadRecord."""
        if record.get("tags") is not None:
            return self._repaired(record["tags"])
        return None if record.get("entities") is None else self._from_entities(record["entities"])

    def span(self, value: object, name: str) -> Span:
        """Read {"start", "end"} in words, or in characters where the record has a text; raises BadRecord."""
        if not isinstance(value, Mapping) or not {"start", "end"} <= set(value):
            raise BadRecord("entity without a place", f'{name} must be {{"start": ..., "end": ...}}, got {value!r:.80}')
        if not self.found:
            return read_span(value["start"], value["end"], name, self.places)
        start, end = value["start"], value["end"]
        characters = read_span(start, end, name, range(len(self.text) + 1), "characters")
        said, stands = value.get("text"), self.text[start:end]
        if isinstance(said, str) and said != stands:
            raise BadRecord(
                "span does not fit its text", f"{name} should be {said!r}, characters [{start}, {end}) are {stands!r}; count code points"
            )
        return self._in_words(characters, name)

    def _in_words(self, characters: Span, name: str) -> Span:
        touched = [i for i, word in enumerate(self.found) if word.start < characters.end and characters.start < word.end]
        if not touched:
            raise BadRecord("empty span", f"{name} is [{characters.start}, {characters.end}), where there are only blanks")
        first, last = self.found[touched[0]], self.found[touched[-1]]
        if first.start < characters.start or characters.end < last.end:
            said, now = self.text[characters.start : characters.end], self.text[first.start : last.end]
            self.source.note(MOVED, self.line, f"{name} {said!r} is now {now!r}")
        return Span(touched[0], touched[-1] + 1)

    def _repaired(self, raw: object) -> tuple[str, ...]:
        if self.found:
            raise BadRecord("tags without tokens", '"tags" belong to "tokens"; a "text" has "entities"')
        if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != len(self.places) - 1:
            count = f"{len(raw)} tags" if isinstance(raw, (list, tuple)) else repr(raw)[:60]
            raise BadRecord("tags and tokens differ in number", f"{len(self.places) - 1} tokens have {count}")
        read = [read_tag(str(tag).strip()) for tag in raw]
        kept = [tag for i, tag in enumerate(read) if self.places[i] < self.places[i + 1]]
        legal, changed = repair(kept)
        for i in changed:
            self.source.note(REPAIRED, self.line, f"{kept[i]} of {self.words[i]!r} after {kept[i - 1] if i else 'the beginning'}")
        return legal

    def _from_entities(self, raw: object) -> tuple[str, ...]:
        if not self.found:
            raise BadRecord("entities without a text", '"entities" count the characters of a "text"; "tokens" have "tags"')
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise BadRecord("entities are not a list", f"got {raw!r:.80}")
        tags = ["O"] * len(self.words)
        for number, entity in enumerate(raw, 1):
            span, kind = self.span(entity, f"entity {number}"), entity.get("type")
            if not isinstance(kind, str) or not kind.strip():
                raise BadRecord("entity without a type", f"entity {number} has the type {kind!r}")
            if any(tag != "O" for tag in tags[span.start : span.end]):
                raise BadRecord(
                    "overlapping entities", f"entity {number}, {' '.join(self.words[span.start : span.end])!r}, shares words with another"
                )
            if kind.strip()[:2] in ("B-", "I-"):
                self.source.note(TAG_AS_TYPE, self.line, f"entity {number} has the type {kind.strip()!r}, which stays as it is")
            tags[span.start : span.end] = [f"B-{kind.strip()}", *[f"I-{kind.strip()}"] * (span.end - span.start - 1)]
        return tuple(tags)


def read_sentence(record: Mapping[str, Any], source: Source, line: int) -> Sentence:
    """Read the words of a record, from `tokens` or from `text`; raises BadRecord."""
    tokens, text = record.get("tokens"), record.get("text")
    if (tokens is None) == (text is None):
        both = 'give "tokens" or "text", not both: spans count words in the one and characters in the other'
        raise BadRecord(
            "neither tokens nor text" if text is None else "both tokens and text", what_it_has(record) if text is None else both
        )
    if tokens is not None:
        words, places = strip_words(tokens, source, line)
        return Sentence(words, source, line, places=tuple(places))
    found = tuple(split_words(text)) if isinstance(text, str) else ()
    if not found:
        raise BadRecord("no words", f"the text is {text!r:.60}")
    return Sentence(tuple(word.text for word in found), source, line, text=str(text), found=found)


def what_it_has(record: Mapping[str, Any]) -> str:
    """List a record's keys, for messages, with the likeliest meaning of one that is unknown."""
    unknown = next((key for key in record if key not in KEYS), None)
    return f"it has {', '.join(record) or 'nothing'}" + (f"; {unknown!r} is unknown{choices(unknown, KEYS)}" if unknown else "")
