"""Status lines of a training run: what is trained, then one line per epoch with the time that is left."""

from __future__ import annotations

import logging

from hvpkit.config.recipe import Recipe
from hvpkit.messages import Message
from hvpkit.training.callbacks import EpochResult, TrainingCallbacks, TrainingStart

log = logging.getLogger(__name__)


class EpochLog:
    """Log the progress of a training run.

    Args:
        recipe: Recipe of the run.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._seconds: list[float] = []  # of each epoch

    def callbacks(self) -> TrainingCallbacks:
        """Return the callbacks to pass to `train`."""
        return TrainingCallbacks(self.log_epoch, self.log_start)

    def log_start(self, start: TrainingStart) -> None:
        """Log what is trained."""
        recipe = self.recipe
        backbone = recipe.vision.backbone if recipe.vision is not None else "no images"
        message = Message(
            "training-started",
            fusion=recipe.fusion.name if recipe.fusion.name != "none" else "text only",
            encoder=recipe.text.name or recipe.text.encoder,
            backbone=backbone,
            head=recipe.head.name,
            trained=start.trained / 1e6,
            parameters=start.parameters / 1e6,
            examples=start.examples,
            steps=start.steps,
            epochs=start.epochs,
            device=start.device,
            precision=start.precision,
        )
        log.info(message)

    def log_epoch(self, epoch: EpochResult) -> None:
        """Log one epoch."""
        self._seconds.append(epoch.seconds)
        left = (epoch.epochs - epoch.epoch) * sum(self._seconds) / len(self._seconds)
        fields = {
            "indent": " " * (len(str(epoch.epochs)) - len(str(epoch.epoch))),
            "epoch": epoch.epoch,
            "epochs": epoch.epochs,
            "loss": epoch.loss,
            "seconds": epoch.seconds,
            "left": format_duration(left) if left else "0 s",
        }
        if epoch.dev is None:
            log.info(Message("epoch-finished", **fields))
            return
        overall = epoch.dev.overall
        scores = {"precision": 100 * overall.precision, "recall": 100 * overall.recall, "f1": 100 * overall.f1}
        log.info(Message("epoch-scored", **fields, **scores, best="  best" if epoch.best else ""))


def format_duration(seconds: float) -> str:
    """Format a duration in two units at most, such as "2 h 5 min"."""
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{hours:g} h"
