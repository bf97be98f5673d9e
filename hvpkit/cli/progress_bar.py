"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


@dataclass(frozen=True)
class Bar:
    """One bar of a display."""

    display: Progress
    task: TaskID

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self.display.advance(self.task, steps)


class Bars:
    """Bars on a console; bars that are open at the same time share one display, since rich allows only one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._display: Progress | None = None
        self._open = 0

    @contextmanager
    def start(self, description: str, total: int | None) -> Iterator[Bar]:
        """Open a bar."""
        if self._display is None:
            self._display = progress_bar(self._console)
            self._display.start()
        display = self._display
        self._open += 1
        try:
            yield Bar(display, display.add_task(description, total=total))
        finally:
            if display is self._display:
                self._open -= 1
                if not self._open:
                    self.close()

    def close(self) -> None:
        """Stop the display."""
        if self._display is not None:
            self._display.stop()
        self._display, self._open = None, 0


def progress_bar(console: Console) -> Progress:
    """Build a display of finished and total steps, steps per second, and the remaining time."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(
        description, BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn(), console=console
    )


class RateColumn(ProgressColumn):
    """Column of the steps per second since the bar started, which is smoother than a recent rate for batches."""

    def render(self, task: Task) -> Text:
        """Render the rate of a task."""
        return Text(f"{task.completed / task.elapsed:.1f}/s" if task.elapsed else "", style="progress.data.speed")
