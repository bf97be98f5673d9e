"""BIO tags as files have them, made legal (no torch)."""

from __future__ import annotations

from collections.abc import Sequence

from hvpkit.errors import did_you_mean
from hvpkit.messages import Message
from hvpkit.records.issues import RecordError

REPAIRED = "tag-repaired"


def parse_tag(raw: str, types: Sequence[str] | None = None) -> str:
    """Give a tag, its type among `types` where those are known; raises RecordError for any other."""
    position, _, kind = raw.partition("-")
    if raw == "O" or (position in ("B", "I") and kind and (types is None or kind in types)):
        return raw
    if types is None:
        raise RecordError("tag-not-bio", tag=raw)
    raise RecordError("unknown-tag", tag=raw, hint=did_you_mean(raw, ["O", *(f"{p}-{t}" for t in types for p in "BI")]))


def repair_bio(tags: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Turn every I- that does not continue an entity of its type into B-; give the tags and the positions that changed."""
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
    """Say which tag was repaired: that of word `i`, among the tags as they were."""
    return Message("tag-repaired", tag=tags[i], word=words[i], previous=tags[i - 1] if i else "the beginning")
