"""Vocabularies of words or characters, built from the training text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from hvpkit.errors import ModelFolderError

PADDING, UNKNOWN = 0, 1  # ids before that of the first item
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Vocabulary:
    """Items with ids from 2 on.

    An item that is missing is looked up in lower case, as in files of word vectors; if that is missing too, it is
    unknown.

    Attributes:
        items: The items; those that occur more than once in the training text come first.
        repeated: Number of items that occur more than once in the training text.
        zeros: Whether every digit is read as 0.

    Source: own.
    """

    items: tuple[str, ...]
    repeated: int
    zeros: bool = False

    @classmethod
    def from_examples(cls, counts: Counter[str], *, zeros: bool = False) -> Vocabulary:
        """Build a vocabulary from the counts of items in the training text, most frequent first.

        Args:
            counts: Number of occurrences of each item.
            zeros: Whether every digit is read as 0; then digits in `counts` must be 0 already.
        """
        ordered = sorted(counts, key=lambda item: (-counts[item], item))
        return cls(tuple(ordered), sum(count > 1 for count in counts.values()), zeros)

    @classmethod
    def load(cls, file: Path) -> Vocabulary:
        """Load a saved vocabulary.

        Raises:
            ModelFolderError: "vocabulary-unreadable" or "vocabulary-without-items".
        """
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            items, repeated, zeros = values["items"], values["repeated"], values["zeros"]
            is_valid = isinstance(repeated, int) and all(isinstance(item, str) for item in items)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFolderError("vocabulary-unreadable", file=file, reason=repr(error)) from error
        if not is_valid:
            raise ModelFolderError("vocabulary-without-items", file=file)
        return cls(tuple(items), repeated, bool(zeros))

    def save(self, file: Path) -> None:
        """Write the vocabulary as JSON."""
        file.write_text(json.dumps(asdict(self), indent=0), encoding="utf-8")

    def extend(self, items: Iterable[str]) -> Vocabulary:
        """Return a vocabulary with additional items, which do not occur in the training text."""
        return replace(self, items=tuple(dict.fromkeys((*self.items, *items))))

    @property
    def size(self) -> int:
        """Return the number of ids, including padding and unknown."""
        return len(self.items) + 2

    @property
    def first_singleton(self) -> int:
        """Return the first id of the items that occur at most once in the training text."""
        return self.repeated + 2

    def index(self, item: str) -> int:
        """Return the id of an item, or that of unknown."""
        key = replace_digits(item) if self.zeros else item
        known = self._ids.get(key)
        return self._ids.get(key.lower(), UNKNOWN) if known is None else known

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.items, 2)}


def replace_digits(item: str) -> str:
    """Replace every digit by 0.

    Source: code released with Ma & Hovy 2016 (recalled, not verified).
    """
    return DIGIT.sub("0", item)
