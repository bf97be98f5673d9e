from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hvpkit.cli import main
from hvpkit.cli.output import ALWAYS_PRINTED
from hvpkit.messages import LOGGERS, Message


@dataclass(frozen=True)
class Typed:
    """What came of a command: its exit code, what stood on each stream.

    And the messages on stderr and on stdout, with codes and fields.
    """

    code: int
    out: str
    err: str
    messages: tuple[Message, ...]
    printed: tuple[Message, ...] = ()

    @property
    def errors(self) -> list[str]:
        """The codes of the errors on stderr."""
        return re.findall(r"^Error \[([\w-]+)\]: ", self.err, re.MULTILINE)

    @property
    def warnings(self) -> list[str]:
        """The codes of the warnings on stderr."""
        return re.findall(r"^Warning \[([\w-]+)\]: ", self.err, re.MULTILINE)

    @property
    def notes(self) -> list[str]:
        """The codes of the messages among the results on stdout."""
        return [message.code for message in self.printed if isinstance(message, Message)]

    def fields(self, code: str) -> dict[str, object]:
        """The fields of the one message of a code: a status line, a warning, an error or a note."""
        [message] = [
            message
            for message in (*self.messages, *self.printed)
            if isinstance(message, Message) and message.code == code
        ]
        return message.fields


@pytest.fixture
def hvp(monkeypatch, capsys, caplog) -> Callable[..., Typed]:
    """Type `hvp ...` in this process."""
    for name in LOGGERS:  # the command keeps messages from the root logger, where caplog listens
        monkeypatch.setattr(logging.getLogger(name), "handlers", [caplog.handler])

    def run(*words: str) -> Typed:
        caplog.clear()
        monkeypatch.setattr(sys, "argv", ["hvp", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        records = [record for record in caplog.records if record.name.partition(".")[0] in LOGGERS]
        messages = tuple(record.msg for record in records if record.levelno not in ALWAYS_PRINTED)
        printed = tuple(record.msg for record in records if record.levelno in ALWAYS_PRINTED)
        return Typed(int(ended.value.code or 0), captured.out, captured.err, messages, printed)

    return run
