"""The progress bar of long work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


@dataclass(frozen=True)
class Bar:
    """One line of a display."""

    display: Progress
    task: TaskID

    def advance(self, steps: int = 1) -> None:
        """Count steps that are done."""
        self.display.advance(self.task, steps)


class Bars:
    """Bars on a console: those that are open at the same time share one display, since a console has room for one."""

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
        """End the display."""
        if self._display is not None:
            self._display.stop()
        self._display, self._open = None, 0


def progress_bar(console: Console) -> Progress:
    """Make a bar with the steps done, of how many, how many a second, and the time that is left."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(description, BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn(), console=console)


class RateColumn(ProgressColumn):
    """Steps a second since the bar began: work that is done in batches comes in bursts."""

    def render(self, task: Task) -> Text:
        """Show the rate of a task."""
        return Text(f"{task.completed / task.elapsed:.1f}/s" if task.elapsed else "", style="progress.data.speed")
