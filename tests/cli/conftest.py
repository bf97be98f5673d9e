from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hvpkit.cli import main


@dataclass(frozen=True)
class Typed:
    """What came of a command: its exit code and what stood on each stream."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The codes of the errors on stderr."""
        return re.findall(r"^Error \[([\w-]+)\]: ", self.err, re.MULTILINE)

    @property
    def warnings(self) -> list[str]:
        """The codes of the warnings on stderr."""
        return re.findall(r"^Warning \[([\w-]+)\]: ", self.err, re.MULTILINE)


@pytest.fixture
def hvp(monkeypatch, capsys) -> Callable[..., Typed]:
    """Type `hvp ...` in this process."""

    def run(*words: str) -> Typed:
        monkeypatch.setattr(sys, "argv", ["hvp", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Typed(int(ended.value.code or 0), captured.out, captured.err)

    return run
