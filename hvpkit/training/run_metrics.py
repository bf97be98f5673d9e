"""Content of metrics.json: what was trained, on which data, with which scores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hvpkit.evaluation.metrics import Scores
from hvpkit.inference.engine import count_with_image
from hvpkit.messages import Message
from hvpkit.saving.model_card import provenance_notes
from hvpkit.training.acceleration.precision import uses_bf16
from hvpkit.training.distributed import local_device, world_size
from hvpkit.training.session import TrainingSession
from hvpkit.types import SPLITS, Split


def run_metrics(
    session: TrainingSession,
    *,
    best_epoch: int,
    dev: Scores | None,
    test: Scores | None,
    seconds: float,
    num_unread: dict[Split, int],
    notes: list[Message],
) -> dict[str, Any]:
    """Return the content of metrics.json.

    Args:
        session: The run.
        best_epoch: Number of the epoch that was kept.
        dev: Its dev scores; None without a dev split.
        test: Its test scores; None if test was not scored.
        seconds: Training time.
        num_unread: Number of examples that could not be read, by split.
        notes: Notes on the training.
    """
    recipe, examples = session.recipe, session.examples
    train, manifest = recipe.train, session.data.manifest
    return {
        "data": {
            "name": manifest.name,
            "fingerprint": manifest.fingerprint,
            "examples": {split: len(examples[split]) for split in SPLITS},
            "with_image": {split: count_with_image(recipe, examples[split]) for split in SPLITS},
        },
        "seed": train.seed,
        "encoder": recipe.text.name or recipe.text.encoder,
        "training": {
            "precision": "bf16" if uses_bf16(train) else "fp32",
            "device": local_device().type,
            "processes": world_size(),
            "with_objects": sum(bool(example.objects) for example in examples["train"]),
            "examples_a_step": train.batch_size * train.gradient_accumulation_steps * world_size(),
        },
        "init_from": session.init_from,
        "notes": [*provenance_notes(session.model, recipe), *session.notes, *notes, *_unreadable_notes(num_unread)],
        "unread": num_unread,
        "best_epoch": best_epoch,
        "dev": None if dev is None else asdict(dev),
        "test": None if test is None else asdict(test),
        "seconds": round(seconds, 1),
    }


def _unreadable_notes(num_unread: dict[Split, int]) -> list[Message]:
    counts = [Message("examples-of-split", count=count, split=split) for split, count in num_unread.items() if count]
    return [Message("examples-unreadable", counts=counts)] if counts else []
