"""Parse BIO tags of files and repair illegal sequences."""

from __future__ import annotations

from collections.abc import Sequence

from hvpkit.errors import did_you_mean
from hvpkit.messages import Message
from hvpkit.records.issues import RecordError

REPAIRED = "tag-repaired"


def parse_tag(raw: str, types: Sequence[str] | None = None) -> str:
    """Parse a BIO tag.

    Args:
        raw: Tag of a file.
        types: Valid entity types, None if every type is valid.

    Raises:
        RecordError: "tag-not-bio", or "unknown-tag" if `types` is given.
    """
    prefix, _, entity_type = raw.partition("-")
    if raw == "O" or (prefix in ("B", "I") and entity_type and (types is None or entity_type in types)):
        return raw
    if types is None:
        raise RecordError("tag-not-bio", tag=raw)
    raise RecordError("unknown-tag", tag=raw, hint=did_you_mean(raw, ["O", *(f"{p}-{t}" for t in types for p in "BI")]))


def repair_bio(tags: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Replace every I- tag that does not continue an entity of its type by B-.

    Returns:
        The legal tags and the positions that changed.
    """
    legal: list[str] = []
    changed: list[int] = []
    for i, tag in enumerate(tags):
        before = legal[-1] if legal else "O"
        if tag[0] == "I" and before[1:] != tag[1:]:
            changed.append(i)
            tag = f"B{tag[1:]}"
        legal.append(tag)
    return tuple(legal), changed


def repaired(tags: Sequence[str], words: Sequence[str], i: int) -> Message:
    """Return the note on a repaired tag.

    Args:
        tags: Original tags.
        words: Words of the sentence.
        i: Position of the repaired tag.
    """
    return Message("tag-repaired", tag=tags[i], word=words[i], previous=tags[i - 1] if i else "the beginning")
