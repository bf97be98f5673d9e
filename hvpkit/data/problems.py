"""What was wrong with a dataset: counted by kind, with the first places of each (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hvpkit.errors import DataError
from hvpkit.types import Split

PLACES = 3


class BadRecord(DataError):
    """One record cannot be used; `kind` is the sort of fault, for counting, and the message says what exactly."""

    def __init__(self, kind: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.kind, self.line = kind, line


@dataclass
class Problem:
    """One kind of fault in one split: how often, the first `PLACES` places ("file:line: what"), whether its examples were left out."""

    split: Split
    kind: str
    left_out: bool
    count: int = 0
    places: list[str] = field(default_factory=list)


class Problems:
    """The faults found so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[Split, str, bool], Problem] = {}

    def note(self, split: Split, kind: str, where: str, *, times: int = 1) -> None:
        """Count a fault that was mended, or that stays in the data."""
        self._add(split, kind, where, left_out=False, times=times)

    def leave_out(self, split: Split, kind: str, where: str) -> None:
        """Count an example that was left out."""
        self._add(split, kind, where, left_out=True, times=1)

    def all(self) -> list[Problem]:
        """List them in the order in which they were first met."""
        return list(self._found.values())

    def left_out(self, split: Split) -> int:
        """Count the examples of a split that were left out."""
        return sum(p.count for p in self._found.values() if p.split == split and p.left_out)

    def count(self, split: Split, kind: str) -> int:
        """Count the faults of one kind in a split."""
        return sum(p.count for p in self._found.values() if p.split == split and p.kind == kind)

    def _add(self, split: Split, kind: str, where: str, *, left_out: bool, times: int) -> None:
        problem = self._found.setdefault((split, kind, left_out), Problem(split, kind, left_out))
        problem.count += times
        if len(problem.places) < PLACES:
            problem.places.append(where)


@dataclass(frozen=True)
class Source:
    """The file of a split while it is read: says where its faults are, and counts those of a record once that is kept."""

    file: Path
    split: Split
    problems: Problems
    _pending: list[tuple[str, str, int]] = field(default_factory=list, repr=False)

    def note(self, kind: str, line: int, what: str, *, times: int = 1) -> None:
        """Remember a fault, of the record being read, that was mended or that stays in the data."""
        self._pending.append((kind, f"{self.file}:{line}: {what}", times))

    def note_of_file(self, kind: str, line: int, what: str, *, times: int = 1) -> None:
        """Count a fault of the file itself, whatever becomes of the record being read."""
        self.problems.note(self.split, kind, f"{self.file}:{line}: {what}", times=times)

    def keep(self) -> None:
        """Count the faults of a record that is kept."""
        for kind, where, times in self._pending:
            self.problems.note(self.split, kind, where, times=times)
        self._pending.clear()

    def leave_out(self, fault: BadRecord, line: int) -> None:
        """Count a record that was left out, and forget its other faults."""
        self._pending.clear()
        self.problems.leave_out(self.split, fault.kind, f"{self.file}:{fault.line or line}: {fault}")

    def require(self, examples: int) -> None:
        """Raise DataError, with the first faults, when nothing of the file could be used."""
        if examples:
            return
        places = [place for problem in self.problems.all() if problem.split == self.split and problem.left_out for place in problem.places]
        raise DataError(f"nothing in {self.file} can be used:\n" + "\n".join(f"  {place}" for place in places[:PLACES]))
