"""What every command prints with: results and their notes on stdout, all else on stderr, bars only on a terminal."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hvpkit.messages import LOGGERS, Message
from hvpkit.utils.progress import SILENT, ProgressBar, set_backend

if TYPE_CHECKING:
    from hvpkit.cli.progress_bar import Bars

log = logging.getLogger(__name__)
results = Console(highlight=False)
messages = Console(stderr=True, highlight=False)

RESULT, NOTE = logging.CRITICAL + 1, logging.CRITICAL + 2  # levels of messages that belong to a result: always printed
RESULTS = {RESULT: "{}", NOTE: "Note: {}."}
LABELS = {logging.WARNING: ("Warning", "yellow"), logging.ERROR: ("Error", "bold red")}


class MessageHandler(logging.Handler):
    """Print messages to stderr: status lines as they stand, warnings and errors after a label with the code of the message.

    Messages that belong to a result, and notes on it, go to stdout.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a record."""
        message = record.msg if isinstance(record.msg, Message) else record.getMessage()
        if record.levelno in RESULTS:
            print_text(RESULTS[record.levelno].format(message))
            return
        if record.levelno not in LABELS:
            messages.print(message, markup=False, soft_wrap=True)
            return
        label, style = LABELS[record.levelno]
        head = Text(f"{label} [{message.code}]: " if isinstance(message, Message) else f"{label}: ", style=style)
        messages.print(head.append(message, style="default not bold"), soft_wrap=True)


def set_level(level: int) -> None:
    """Print messages of this level and above; without status lines there are no bars either."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(level)
    if level > logging.INFO:
        set_backend(SILENT)


class TerminalProgress:
    """Show bars on stderr where that is a terminal."""

    def __init__(self) -> None:
        self._bars: Bars | None = None

    def start(self, description: str, total: int | None) -> AbstractContextManager[ProgressBar]:
        """Open a bar."""
        if not messages.is_terminal:
            return SILENT.start(description, total)
        if self._bars is None:
            from hvpkit.cli.progress_bar import Bars

            self._bars = Bars(messages)
        return self._bars.start(description, total)

    def close(self) -> None:
        """Leave the bars that are still open as they stand: a loop that an error ended closes its bar late."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None


bars = TerminalProgress()


@contextmanager
def shown_progress() -> Iterator[None]:
    """Show the progress of what the block does."""
    before = set_backend(bars)
    try:
        yield
    finally:
        bars.close()
        set_backend(before)


@contextmanager
def interruptible(message: Message) -> Iterator[None]:
    """Have Ctrl-C within the block end the command with a message."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message) from None


def print_text(text: str) -> None:
    """Print a result to stdout as it stands."""
    results.print(text, markup=False, soft_wrap=True)


def print_message(message: str) -> None:
    """Print a message that belongs to a result to stdout, as it stands."""
    log.log(RESULT, message)


def print_note(message: str) -> None:
    """Print a note on a result to stdout."""
    log.log(NOTE, message)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table to stdout: wrapped to a terminal's width, or as wide as it needs when stdout is a file or pipe."""
    if title:
        results.print(Text(title, "italic"), soft_wrap=True)  # a table's own title is broken at the table's width
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, no_wrap=i == 0)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console = results if results.is_terminal else Console(file=results.file, width=10_000)
    console.print(table)


def bold(text: str) -> Text:
    """Give a table's cell that stands out."""
    return Text(text, "bold")


def print_json(value: object) -> None:
    """Print one JSON document to stdout; dataclasses become objects, paths strings, numbers that are not finite null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=results.encoding != "utf-8", allow_nan=False))


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Set):
        return sorted(_plain(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
