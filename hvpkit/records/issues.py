"""What was wrong with a dataset: counted by kind, with the first places of each (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvpkit.errors import DataError
from hvpkit.messages import LocatedMessage, Message
from hvpkit.types import Split

PLACES = 3


class RecordError(DataError):
    """One record cannot be used; faults are counted by their code. `line` is where the fault is, if not where the record begins."""

    def __init__(self, code: str, /, *, line: int | None = None, **fields: Any) -> None:  # noqa: ANN401 - fields hold anything
        super().__init__(code, **fields)
        self.line = line


@dataclass
class Issue:
    """One kind of fault in one split: how often, the first `PLACES` places ("file:line: what"), whether its examples were left out.

    `kind` is the code of its messages; `messages` are those of the places, with their fields.
    """

    split: Split
    code: str
    skipped: bool
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages: list[Message] = []  # no field: what is printed of a problem has the places


class IssueLog:
    """The faults found so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[Split, str, bool], Issue] = {}

    def warn(self, split: Split, kind: str, where: str | LocatedMessage, *, times: int = 1) -> None:
        """Count a fault that was mended, or that stays in the data."""
        self._add(split, kind, where, left_out=False, times=times)

    def skip(self, split: Split, kind: str, where: str | LocatedMessage) -> None:
        """Count an example that was left out."""
        self._add(split, kind, where, left_out=True, times=1)

    def issues(self) -> list[Issue]:
        """List them in the order in which they were first met."""
        return list(self._found.values())

    def num_skipped(self, split: Split) -> int:
        """Count the examples of a split that were left out."""
        return sum(p.count for p in self._found.values() if p.split == split and p.skipped)

    def count(self, split: Split, kind: str) -> int:
        """Count the faults of one kind in a split."""
        return sum(p.count for p in self._found.values() if p.split == split and p.code == kind)

    def _add(self, split: Split, kind: str, where: str | LocatedMessage, *, left_out: bool, times: int) -> None:
        problem = self._found.setdefault((split, kind, left_out), Issue(split, kind, left_out))
        problem.count += times
        if len(problem.places) < PLACES:
            message = where.message if isinstance(where, LocatedMessage) else where
            problem.places.append(str(where))
            problem.messages += [message] if isinstance(message, Message) else []


@dataclass(frozen=True)
class ReadingContext:
    """The file of a split while it is read: says where its faults are, and counts those of a record once that is kept."""

    file: Path
    split: Split
    issues: IssueLog
    _pending: list[tuple[LocatedMessage, int]] = field(default_factory=list, repr=False)
    _unusable: list[LocatedMessage] = field(default_factory=list, repr=False)

    def warn(self, message: Message, line: int, *, times: int = 1) -> None:
        """Remember a fault, of the record being read, that was mended or that stays in the data."""
        self._pending.append((self._at(line, message), times))

    def warn_file(self, message: Message, line: int, *, times: int = 1) -> None:
        """Count a fault of the file itself, whatever becomes of the record being read."""
        self.issues.warn(self.split, message.code, self._at(line, message), times=times)

    def count_kept(self) -> None:
        """Count the faults of a record that is kept."""
        for where, times in self._pending:
            self.issues.warn(self.split, where.message.code, where, times=times)
        self._pending.clear()

    def skip(self, fault: RecordError, line: int) -> None:
        """Count a record that was left out, and forget its other faults."""
        self._pending.clear()
        where = self._at(fault.line or line, fault.message)
        self.issues.skip(self.split, fault.code, where)
        if len(self._unusable) < PLACES:
            self._unusable.append(where)

    def require_examples(self, examples: int) -> None:
        """Raise DataError, with the first faults, when nothing of the file could be used."""
        if not examples:
            raise DataError("nothing-usable", file=self.file, problems=list(self._unusable))

    def _at(self, line: int, message: Message) -> LocatedMessage:
        return LocatedMessage(f"{self.file}:{line}", message)
