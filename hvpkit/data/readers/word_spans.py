"""Convert entities over words to BIO tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hvpkit.records.issues import RecordError


def tags_from_spans(words: Sequence[object], spans: Iterable[tuple[object, object, object]]) -> list[str]:
    """Return the BIO tags of entities.

    Args:
        words: Words of the sentence.
        spans: First word, first word after the entity, and type of each entity.

    Raises:
        RecordError: "span-not-integers", "span-outside", "span-empty", "entity-type-missing", or "entities-overlap" for
            nested and overlapping entities.
    """
    tags = ["O"] * len(words)
    for number, (start, end, kind) in enumerate(spans, 1):
        name = f"entity {number}"
        if not (type(start) is int and type(end) is int):
            raise RecordError("span-not-integers", name=name, start=start, end=end)
        if not (0 <= start <= len(words) and 0 <= end <= len(words)):
            raise RecordError("span-outside", name=name, start=start, end=end, length=len(words), unit="words")
        if start >= end:
            raise RecordError("span-empty", name=name, start=start, end=end)
        if not isinstance(kind, str) or not kind.strip():
            raise RecordError("entity-type-missing", number=number, type=kind)
        if any(tag != "O" for tag in tags[start:end]):
            raise RecordError("entities-overlap", number=number, text=" ".join(map(str, words[start:end])))
        tags[start:end] = [f"B-{kind.strip()}", *[f"I-{kind.strip()}"] * (end - start - 1)]
    return tags
