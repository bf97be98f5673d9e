"""Terminal output: results and their notes on stdout, other messages on stderr, progress bars on terminals."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hvpkit.messages import LOGGERS, Message
from hvpkit.utils.progress import SILENT, ProgressBar, set_backend
from hvpkit.utils.to_json import to_json_values

if TYPE_CHECKING:
    from hvpkit.cli.progress_bar import Bars

log = logging.getLogger(__name__)
results = Console(highlight=False, emoji=False)  # ":100:" in a path is no emoji
messages = Console(stderr=True, highlight=False, emoji=False)

RESULT, NOTE = logging.CRITICAL + 1, logging.CRITICAL + 2  # log levels of results and their notes: always printed
ALWAYS_PRINTED = {RESULT: "{}", NOTE: "Note: {}"}
# control characters except tab and line feed, and overrides of the writing direction
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LABELS = {logging.WARNING: ("Warning", "yellow"), logging.ERROR: ("Error", "bold red")}


class MessageHandler(logging.Handler):
    """Log handler that prints messages: status lines, warnings and errors to stderr, results and notes to stdout.

    Warnings and errors have a label with the code of the message.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a record."""
        message = record.msg if isinstance(record.msg, Message) else record.getMessage()
        if record.levelno in ALWAYS_PRINTED:
            print_text(ALWAYS_PRINTED[record.levelno].format(message))
            return
        text = escape_controls(message)
        if record.levelno not in LABELS:
            messages.print(text, markup=False, soft_wrap=True)
            return
        label, style = LABELS[record.levelno]
        prefix = Text(f"{label} [{message.code}]: " if isinstance(message, Message) else f"{label}: ", style=style)
        messages.print(prefix.append(text, style="default not bold"), soft_wrap=True)


def set_level(level: int) -> None:
    """Print messages of this level and above; above INFO there are no progress bars either.

    Results and their notes are always printed.
    """
    for name in LOGGERS:
        logging.getLogger(name).setLevel(level)
    if level > logging.INFO:
        set_backend(SILENT)


class TerminalProgress:
    """Progress backend that shows bars on stderr if it is a terminal."""

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
        """Stop the display of bars that are still open, such as those of a loop that raised an error."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None


bars = TerminalProgress()


@contextmanager
def shown_progress() -> Iterator[None]:
    """Show progress bars in the terminal inside the block."""
    previous = set_backend(bars)
    try:
        yield
    finally:
        bars.close()
        set_backend(previous)


@contextmanager
def interruptible(message: Message) -> Iterator[None]:
    """End the command with a message if Ctrl-C is pressed inside the block."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message) from None


def print_text(text: str) -> None:
    """Print text to stdout without markup or wrapping."""
    results.print(escape_controls(text), markup=False, soft_wrap=True)


def print_message(message: str) -> None:
    """Print a message that belongs to a result to stdout."""
    log.log(RESULT, message)


def print_note(message: str) -> None:
    """Print a note on a result to stdout."""
    log.log(NOTE, message)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table to stdout: with borders on a terminal, as tab-separated values elsewhere."""
    if title:
        # not as the title of the table, which rich wraps at the width of the table
        results.print(Text(escape_controls(title), "italic"), soft_wrap=True)
    if not results.is_terminal:
        for row in (columns, *rows):
            print("\t".join(_plain(cell) for cell in row), file=results.file)
        return
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, no_wrap=i == 0)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(escape_controls(str(cell))) for cell in row))
    results.print(table)


def _plain(cell: object) -> str:
    """Return a cell on one line without tabs."""
    return escape_controls(" ".join(str(cell).split()))


def escape_controls(text: str) -> str:
    r"""Replace characters that a terminal or a bidirectional layout would obey by escapes such as `\x1b`."""
    return CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def bold(text: str) -> Text:
    """Build a table cell in bold."""
    return Text(text, "bold")


def print_json(value: object) -> None:
    """Print one JSON document to stdout; dataclasses become objects, paths strings, NaN and infinity null."""
    text = json.dumps(to_json_values(value), indent=2, ensure_ascii=results.encoding != "utf-8", allow_nan=False)
    print(CONTROLS.sub(_json_escape, text))


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
