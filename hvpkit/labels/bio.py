"""BIO tags and the entities they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hvpkit.types import Entity


@dataclass(frozen=True)
class Run:
    """An entity of a tag sequence: words [start, end) of one type."""

    start: int
    end: int
    type: str


def runs(tags: Sequence[str]) -> list[Run]:
    """Read entities from BIO tags as conlleval and seqeval do: an I- that continues nothing begins an entity."""
    found: list[Run] = []
    for i, tag in enumerate(tags):
        position, _, kind = tag.partition("-")
        if position == "I" and found and found[-1].end == i and found[-1].type == kind:
            found[-1] = Run(found[-1].start, i + 1, kind)
        elif position in ("B", "I"):
            found.append(Run(i, i + 1, kind))
    return found


def to_tags(entities: Iterable[Entity | Run], length: int) -> list[str]:
    """Write non-overlapping entities as BIO tags of `length` words."""
    tags = ["O"] * length
    for entity in entities:
        tags[entity.start : entity.end] = [f"B-{entity.type}"] + [f"I-{entity.type}"] * (entity.end - entity.start - 1)
    return tags
