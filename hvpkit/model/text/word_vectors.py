"""Pretrained word vectors from a text file: a word and its numbers a line, as GloVe comes."""

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
    """The vectors [d] of some of a file's words, in the file's order."""

    file: Path
    rows: Mapping[str, NDArray[numpy.float32]]

    def vector(self, word: str) -> NDArray[numpy.float32] | None:
        """Give a word's vector: as it is written, else in lower case, else none (our own rule)."""
        found = self.rows.get(word)
        return self.rows.get(word.lower()) if found is None else found

    def coverage(self, counts: Counter[str]) -> Message:
        """Say how many of the counted words, at least one, have a vector."""
        exact, found = sum(word in self.rows for word in counts), [word for word in counts if self.vector(word) is not None]
        running = sum(counts[word] for word in found) / sum(counts.values())
        return Message(
            "word-vectors-coverage",
            file=self.file.name,
            found=len(found),
            words=len(counts),
            fraction=len(found) / len(counts),
            exact=exact,
            lower_case=len(found) - exact,
            running=running,
        )


def load_vectors(file: Path, *, width: int, words: Iterable[str], first: int) -> WordVectors:
    """Read the vectors of `words` (also in lower case) and of the file's `first` words; a line that counts words and numbers is skipped.

    Raises ModelFolderError, with the line, for a file that is absent or holds something else than a word and `width` numbers a line.
    """
    wanted = set(words)
    wanted |= {word.lower() for word in wanted}
    rows: dict[str, NDArray[numpy.float32]] = {}
    for number, line in _lines(file):
        word, _, numbers = line.rstrip(" \r\n").partition(" ")
        if number > first and word not in wanted:
            continue
        fields = numbers.split()
        if number == 1 and len(fields) == 1 and word.isdigit():
            continue
        if len(fields) > width and not _is_number(fields[0]):  # a word with blanks in it; those of texts have none
            continue
        rows.setdefault(word, _vector(fields, width, file, number))
    return WordVectors(file, rows)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Number the lines; what is not UTF-8 in them is no word of ours."""
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
        raise ModelFolderError("word-vectors-no-numbers", file=file, line=line, expected=width, reason=str(error)) from error
    if vector.shape != (width,):
        raise ModelFolderError("word-vectors-width", file=file, line=line, expected=width, found=len(fields))
    if not numpy.isfinite(vector).all():
        raise ModelFolderError("word-vectors-not-finite", file=file, line=line)
    return vector
