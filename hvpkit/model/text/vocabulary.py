"""Vocabularies learnt from the training text: words, or characters, to ids (no torch)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from hvpkit.errors import ModelFolderError

PADDING, UNKNOWN = 0, 1  # the ids before the first item's
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Vocabulary:
    """Items with ids from 2 on, the `repeated` ones that training text holds more than once first; `zeros` reads every digit as 0.

    What is not known as it is written is looked up in lower case, as in files of word vectors, and else unknown (our own).
    """

    items: tuple[str, ...]
    repeated: int
    zeros: bool = False

    @classmethod
    def from_examples(cls, counts: Counter[str], *, zeros: bool = False) -> Vocabulary:
        """Take all that was counted, the most frequent first; with `zeros` the digits of what was counted are 0 already."""
        ordered = sorted(counts, key=lambda item: (-counts[item], item))
        return cls(tuple(ordered), sum(count > 1 for count in counts.values()), zeros)

    @classmethod
    def load(cls, file: Path) -> Vocabulary:
        """Read one that was saved; raises ModelFolderError for a file that is missing or holds something else."""
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            items, repeated, zeros = told["items"], told["repeated"], told["zeros"]
            is_whole = isinstance(repeated, int) and all(isinstance(item, str) for item in items)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFolderError("vocabulary-unreadable", file=file, reason=repr(error)) from error
        if not is_whole:
            raise ModelFolderError("vocabulary-without-items", file=file)
        return cls(tuple(items), repeated, bool(zeros))

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.write_text(json.dumps(asdict(self), indent=0), encoding="utf-8")

    def extend(self, items: Iterable[str]) -> Vocabulary:
        """Append items that training text does not hold."""
        return replace(self, items=tuple(dict.fromkeys((*self.items, *items))))

    @property
    def size(self) -> int:
        """Count the ids, those of padding and of the unknown among them."""
        return len(self.items) + 2

    @property
    def first_singleton(self) -> int:
        """Give the first id of an item that training text does not hold more than once."""
        return self.repeated + 2

    def index(self, item: str) -> int:
        """Find an item's id."""
        read = replace_digits(item) if self.zeros else item
        known = self._ids.get(read)
        return self._ids.get(read.lower(), UNKNOWN) if known is None else known

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.items, 2)}


def replace_digits(item: str) -> str:
    """Write every digit as 0 (Ma & Hovy's release - recalled, not verified)."""
    return DIGIT.sub("0", item)
