"""Examples on the way: read from text, their images not looked for yet (no torch)."""

from __future__ import annotations

from dataclasses import dataclass

from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext
from hvpkit.types import Example


@dataclass(frozen=True)
class UnlinkedExample:
    """An example without images, the line it came from (from 1), and its image's file name."""

    example: Example
    line: int
    image: str | None


def unique_id(name: str, taken: dict[str, int], source: ReadingContext, line: int) -> str:
    """Give `name`, or, with a note, the first of name#2, name#3, ... that is not taken; `taken` remembers the last number of each name."""
    unique, number = name, taken.get(name, 1)
    while unique in taken:
        number += 1
        unique = f"{name}#{number}"
    if unique != name:
        source.warn(Message("id-repeated", id=name, unique=unique), line)
    taken[name] = number
    taken.setdefault(unique, 1)
    return unique
