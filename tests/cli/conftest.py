from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hvpkit.cli import main
from hvpkit.messages import Message


@dataclass(frozen=True)
class Typed:
    """What came of a command: its exit code, what stood on each stream, and the messages on stderr with their codes and fields."""

    code: int
    out: str
    err: str
    said: tuple[Message, ...]

    @property
    def errors(self) -> list[str]:
        """The codes of the errors on stderr."""
        return re.findall(r"^Error \[([\w-]+)\]: ", self.err, re.MULTILINE)

    @property
    def warnings(self) -> list[str]:
        """The codes of the warnings on stderr."""
        return re.findall(r"^Warning \[([\w-]+)\]: ", self.err, re.MULTILINE)

    def fields(self, code: str) -> dict[str, object]:
        """The fields of the one message of a code: a status line, a warning or an error."""
        [message] = [message for message in self.said if isinstance(message, Message) and message.code == code]
        return message.fields


@pytest.fixture
def hvp(monkeypatch, capsys, caplog) -> Callable[..., Typed]:
    """Type `hvp ...` in this process."""
    monkeypatch.setattr(logging.getLogger("hvpkit.cli"), "propagate", True)  # to caplog

    def run(*words: str) -> Typed:
        caplog.clear()
        monkeypatch.setattr(sys, "argv", ["hvp", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        said = tuple(record.msg for record in caplog.records if record.name == "hvpkit.cli")
        return Typed(int(ended.value.code or 0), captured.out, captured.err, said)

    return run
