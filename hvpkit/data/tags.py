"""BIO tags as files have them, made legal (no torch)."""

from __future__ import annotations

from collections.abc import Sequence

from hvpkit.data.problems import BadRecord
from hvpkit.errors import choices

REPAIRED = "I- tag that continues nothing, made B-"


def read_tag(raw: str, types: Sequence[str] | None = None) -> str:
    """Give a tag, its type among `types` where those are known; raises BadRecord for any other."""
    position, _, kind = raw.partition("-")
    if raw == "O" or (position in ("B", "I") and kind and (types is None or kind in types)):
        return raw
    known = ["O", *(f"{p}-{t}" for t in types for p in "BI")] if types else ["O", "B-PER", "I-PER"]
    expected = choices(raw, known) if types else "; expected O, B-TYPE or I-TYPE"
    raise BadRecord("unknown tag", f"tag {raw!r} is unknown{expected}")


def repair(tags: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
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
