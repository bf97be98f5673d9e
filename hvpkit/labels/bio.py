"""BIO tags and the entities they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hvpkit.types import Entity


@dataclass(frozen=True)
class TaggedSpan:
    """An entity of a tag sequence: words [start, end) of one type."""

    start: int
    end: int
    type: str


def decode_bio(tags: Sequence[str]) -> list[TaggedSpan]:
    """Read entities from BIO tags as conlleval and seqeval do: an I- that continues nothing begins an entity."""
    found: list[TaggedSpan] = []
    for i, tag in enumerate(tags):
        position, _, kind = tag.partition("-")
        if position == "I" and found and found[-1].end == i and found[-1].type == kind:
            found[-1] = TaggedSpan(found[-1].start, i + 1, kind)
        elif position in ("B", "I"):
            found.append(TaggedSpan(i, i + 1, kind))
    return found


def encode_bio(entities: Iterable[Entity | TaggedSpan], length: int) -> list[str]:
    """Write non-overlapping entities as BIO tags of `length` words."""
    tags = ["O"] * length
    for entity in entities:
        tags[entity.start : entity.end] = [f"B-{entity.type}"] + [f"I-{entity.type}"] * (entity.end - entity.start - 1)
    return tags
