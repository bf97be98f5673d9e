"""The progress bar of long work."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


def progress_bar(console: Console) -> Progress:
    """Make a bar with the steps done, of how many, how many a second, and the time that is left."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(description, BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), console=console)


class Rate(ProgressColumn):
    """Steps a second since the bar began: work that is done in batches comes in bursts."""

    def render(self, task: Task) -> Text:
        """Show the rate of a task."""
        return Text(f"{task.completed / task.elapsed:.1f}/s" if task.elapsed else "", style="progress.data.speed")
