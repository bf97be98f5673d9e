"""Convert between BIO tags and typed spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hvpkit.types import Entity


@dataclass(frozen=True)
class TaggedSpan:
    """Entity in a tag sequence.

    Attributes:
        start: First word.
        end: First word after the entity.
        type: Entity type.
    """

    start: int
    end: int
    type: str


def decode_bio(tags: Sequence[str]) -> list[TaggedSpan]:
    """Decode BIO tags to spans as conlleval and seqeval do: an I- tag that continues no entity begins one."""
    spans: list[TaggedSpan] = []
    for i, tag in enumerate(tags):
        position, _, entity_type = tag.partition("-")
        if position == "I" and spans and spans[-1].end == i and spans[-1].type == entity_type:
            spans[-1] = TaggedSpan(spans[-1].start, i + 1, entity_type)
        elif position in ("B", "I"):
            spans.append(TaggedSpan(i, i + 1, entity_type))
    return spans


def encode_bio(entities: Iterable[Entity | TaggedSpan], length: int) -> list[str]:
    """Encode non-overlapping entities as BIO tags of `length` words."""
    tags = ["O"] * length
    for entity in entities:
        tags[entity.start : entity.end] = [f"B-{entity.type}"] + [f"I-{entity.type}"] * (entity.end - entity.start - 1)
    return tags
