"""`hvp runs`: the trained models of a folder with their scores."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from hvpkit.cli import output
from hvpkit.errors import InputError
from hvpkit.messages import Message

log = logging.getLogger(__name__)
DESCRIPTION, METRICS = "model.json", "metrics.json"
MAX_BYTES = 16 * 2**20  # of a metrics file
COLUMNS = ("model", "data", "fingerprint", "encoder", "seed", "epoch", "dev F1", "test F1", "written")


@dataclass(frozen=True)
class RunFacts:
    """One trained model.

    Attributes:
        model: Model folder.
        data: Name of the training data.
        fingerprint: Fingerprint of the training data.
        encoder: Name of the text encoder.
        seed: Random seed.
        best_epoch: Number of the epoch that was kept.
        dev_f1: Dev F1 of this epoch, 0..1; None without a dev split.
        test_f1: Test F1, 0..1; None if test was not scored.
        written: When the model was written, in UTC (ISO 8601).
    """

    model: Path
    data: str
    fingerprint: str
    encoder: str
    seed: int
    best_epoch: int
    dev_f1: float | None
    test_f1: float | None
    written: str


def command(
    folder: Annotated[Path, typer.Argument(help="Folder with model folders.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List trained models with data, seed and scores, the newest first.

    Example: `hvp runs experiments/table1/runs`
    """
    if not folder.is_dir():
        raise InputError("runs-folder-missing", folder=folder)
    runs = list_runs(folder)
    if as_json:
        output.print_json(runs)
    else:
        output.print_table(COLUMNS, [_row(run) for run in runs])


def list_runs(folder: Path) -> list[RunFacts]:
    """Read the metrics of all model folders below a folder; damaged ones are logged and left out.

    Args:
        folder: Folder with model folders at any depth.

    Returns:
        The models, the newest first.
    """
    runs = []
    for file in sorted(folder.rglob(DESCRIPTION)):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        try:
            runs.append(_read(file.parent))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.warning(Message("run-unreadable", folder=file.parent, reason=f"{type(error).__name__}: {error}"))
    return sorted(runs, key=lambda run: run.written, reverse=True)


def _read(folder: Path) -> RunFacts:
    file = folder / METRICS
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"{METRICS} is larger than {MAX_BYTES} bytes")
    metrics: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    written = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc).isoformat(timespec="seconds")
    return RunFacts(
        model=folder,
        data=str(metrics["data"]["name"]),
        fingerprint=str(metrics["data"]["fingerprint"]),
        encoder=str(metrics["encoder"]),
        seed=int(metrics["seed"]),
        best_epoch=int(metrics["best_epoch"]),
        dev_f1=_f1(metrics["dev"]),
        test_f1=_f1(metrics["test"]),
        written=written,
    )


def _f1(scores: dict[str, Any] | None) -> float | None:
    return None if scores is None else float(scores["overall"]["f1"])


def _row(run: RunFacts) -> tuple[object, ...]:
    dev, test = ("-" if f1 is None else f"{100 * f1:.2f}" for f1 in (run.dev_f1, run.test_f1))
    return run.model, run.data, run.fingerprint, run.encoder, run.seed, run.best_epoch, dev, test, run.written
