"""Pretrained word vectors from a text file with a word and its numbers on each line, such as GloVe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from hvpkit.errors import ModelFolderError
from hvpkit.messages import Message


@dataclass(frozen=True)
class WordVectors:
    """Vectors of some words of a file.

    Attributes:
        file: The file.
        rows: Vector [d] of each word, in the order of the file.
    """

    file: Path
    rows: Mapping[str, NDArray[numpy.float32]]

    def vector(self, word: str) -> NDArray[numpy.float32] | None:
        """Return the vector of a word, else of the word in lower case, else None."""
        vector = self.rows.get(word)
        return self.rows.get(word.lower()) if vector is None else vector

    def coverage(self, counts: Counter[str]) -> Message:
        """Return the note "word-vectors-coverage" on how many of the counted words have a vector.

        Args:
            counts: Number of occurrences of each word; not empty.
        """
        exact = sum(word in self.rows for word in counts)
        covered = [word for word in counts if self.vector(word) is not None]
        running = sum(counts[word] for word in covered) / sum(counts.values())
        return Message(
            "word-vectors-coverage",
            file=self.file.name,
            found=len(covered),
            words=len(counts),
            fraction=len(covered) / len(counts),
            exact=exact,
            lower_case=len(covered) - exact,
            running=running,
        )


def load_vectors(file: Path, *, width: int, words: Iterable[str], first: int) -> WordVectors:
    """Load word vectors; a header line with the numbers of words and dimensions is skipped.

    Args:
        file: The file.
        width: Width d of the vectors.
        words: Words to load, also in lower case.
        first: Number of leading words of the file to load in addition.

    Raises:
        ModelFolderError: "word-vectors-unreadable", or with the line "word-vectors-no-numbers", "word-vectors-width" or
            "word-vectors-not-finite".
    """
    selected = set(words)
    selected |= {word.lower() for word in selected}
    rows: dict[str, NDArray[numpy.float32]] = {}
    for number, line in _lines(file):
        word, _, numbers = line.rstrip(" \r\n").partition(" ")
        if number > first and word not in selected:
            continue
        fields = numbers.split()
        if number == 1 and len(fields) == 1 and word.isdigit():
            continue
        if len(fields) > width and not _is_number(fields[0]):  # a word with spaces, which words of texts do not have
            continue
        rows.setdefault(word, _vector(fields, width, file, number))
    return WordVectors(file, rows)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Read numbered lines; bytes that are not UTF-8 match no word of a text."""
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as opened:
            yield from enumerate(opened, 1)
    except OSError as error:
        raise ModelFolderError("word-vectors-unreadable", file=file, reason=error.strerror) from error


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _vector(fields: list[str], width: int, file: Path, line: int) -> NDArray[numpy.float32]:
    try:
        vector = numpy.array(fields, dtype=numpy.float32)
    except ValueError as error:
        raise ModelFolderError(
            "word-vectors-no-numbers", file=file, line=line, expected=width, reason=str(error)
        ) from error
    if vector.shape != (width,):
        raise ModelFolderError("word-vectors-width", file=file, line=line, expected=width, found=len(fields))
    if not numpy.isfinite(vector).all():
        raise ModelFolderError("word-vectors-not-finite", file=file, line=line)
    return vector
