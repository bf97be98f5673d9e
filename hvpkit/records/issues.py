"""Count the issues of a dataset by code, with the first locations of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hvpkit.errors import DataError
from hvpkit.messages import LocatedMessage, Message
from hvpkit.types import Split

MAX_LOCATIONS = 3


class RecordError(DataError):
    """A record cannot be used; such errors are counted by their code.

    Args:
        code: Code of the message.
        line: Line of the error, None for the line where the record begins.
        fields: Fields of the message.
    """

    def __init__(self, code: str, /, *, line: int | None = None, **fields: Any) -> None:  # noqa: ANN401
        super().__init__(code, **fields)
        self.line = line


@dataclass(frozen=True)
class Issue:
    """Something in a record that was not used as it stands; the record itself is used.

    Attributes:
        message: Message with code and fields.
        severity: "repaired" if the value is used, possibly changed; "dropped" if it is not used.
    """

    message: Message
    severity: Literal["repaired", "dropped"]

    @property
    def code(self) -> str:
        """Return the code of the message."""
        return self.message.code

    @property
    def fields(self) -> dict[str, Any]:
        """Return the fields of the message."""
        return self.message.fields


@dataclass
class IssueCount:
    """Issues of one code in one split.

    Attributes:
        split: Split in which it occurred.
        code: Code of its messages.
        skipped: Whether the examples were left out.
        count: Number of occurrences.
        places: First `MAX_LOCATIONS` occurrences, "file:line: message".
        messages: Messages of these occurrences, with their fields.
    """

    split: Split
    code: str
    skipped: bool
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages: list[Message] = []  # no dataclass field: reports print `places`


class IssueLog:
    """Log of the issues of a dataset, in the order of their first occurrence."""

    def __init__(self) -> None:
        self._issues: dict[tuple[Split, str, bool], IssueCount] = {}

    def warn(self, split: Split, code: str, where: str | LocatedMessage, *, times: int = 1) -> None:
        """Count an issue that was repaired or that stays in the data."""
        self._add(split, code, where, skipped=False, times=times)

    def skip(self, split: Split, code: str, where: str | LocatedMessage) -> None:
        """Count an example that was left out."""
        self._add(split, code, where, skipped=True, times=1)

    def issues(self) -> list[IssueCount]:
        """List the issues in the order of their first occurrence."""
        return list(self._issues.values())

    def num_skipped(self, split: Split) -> int:
        """Count the examples of a split that were left out."""
        return sum(issue.count for issue in self._issues.values() if issue.split == split and issue.skipped)

    def count(self, split: Split, code: str) -> int:
        """Count the issues of one code in a split."""
        return sum(issue.count for issue in self._issues.values() if issue.split == split and issue.code == code)

    def _add(self, split: Split, code: str, where: str | LocatedMessage, *, skipped: bool, times: int) -> None:
        issue = self._issues.setdefault((split, code, skipped), IssueCount(split, code, skipped))
        issue.count += times
        if len(issue.places) < MAX_LOCATIONS:
            message = where.message if isinstance(where, LocatedMessage) else where
            issue.places.append(str(where))
            issue.messages += [message] if isinstance(message, Message) else []


@dataclass(frozen=True)
class ReadingContext:
    """File of a split while it is read; issues of a record are counted once the record is kept.

    Attributes:
        file: File that is read.
        split: Split of the file.
        issues: Log that counts the issues.
    """

    file: Path
    split: Split
    issues: IssueLog
    _pending: list[tuple[LocatedMessage, int]] = field(default_factory=list, repr=False)
    _unusable: list[LocatedMessage] = field(default_factory=list, repr=False)

    def warn(self, message: Message, line: int, *, times: int = 1) -> None:
        """Note an issue of the current record that was repaired or that stays in the data."""
        self._pending.append((self._locate(line, message), times))

    def warn_all(self, issues: Iterable[Issue], line: int) -> None:
        """Note the issues of the current record."""
        for issue in issues:
            self.warn(issue.message, line)

    def warn_file(self, message: Message, line: int, *, times: int = 1) -> None:
        """Count an issue of the file itself, even if the current record is skipped."""
        self.issues.warn(self.split, message.code, self._locate(line, message), times=times)

    def count_kept(self) -> None:
        """Count the issues of the current record, which is kept."""
        for where, times in self._pending:
            self.issues.warn(self.split, where.message.code, where, times=times)
        self._pending.clear()

    def skip(self, error: RecordError, line: int) -> None:
        """Count a record that is left out, and discard its other issues."""
        self._pending.clear()
        where = self._locate(error.line or line, error.message)
        self.issues.skip(self.split, error.code, where)
        if len(self._unusable) < MAX_LOCATIONS:
            self._unusable.append(where)

    def require_examples(self, examples: int) -> None:
        """Check that examples were read.

        Raises:
            DataError: "nothing-usable", with the first errors, if there are none.
        """
        if not examples:
            raise DataError("nothing-usable", file=self.file, problems=list(self._unusable))

    def _locate(self, line: int, message: Message) -> LocatedMessage:
        return LocatedMessage(f"{self.file}:{line}", message)
