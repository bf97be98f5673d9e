"""Examples that were read from text files, before their images are looked up."""

from __future__ import annotations

from dataclasses import dataclass

from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext
from hvpkit.types import Example


@dataclass(frozen=True)
class UnlinkedExample:
    """Example whose image is not looked up yet.

    Attributes:
        example: Example without image and objects.
        line: Line in the text file, from 1.
        image: File name of its image, None if it has none.
    """

    example: Example
    line: int
    image: str | None


def unique_id(name: str, taken: dict[str, int], source: ReadingContext, line: int) -> str:
    """Return an id that is not taken: `name`, or the first free one of name#2, name#3, ... with a note.

    Args:
        name: Wanted id.
        taken: Last number of each used id; updated.
        source: Context that receives the note.
        line: Line of the example, from 1.
    """
    unique, number = name, taken.get(name, 1)
    while unique in taken:
        number += 1
        unique = f"{name}#{number}"
    if unique != name:
        source.warn(Message("id-repeated", id=name, unique=unique), line)
    taken[name] = number
    taken.setdefault(unique, 1)
    return unique
