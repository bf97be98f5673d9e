"""One run in a process of its own: `python -m hvpkit.experiments.worker`; a job comes in on stdin, epochs and the result go out on stdout.

A run that fails, or is killed, takes nothing else down. The process ends when stdin does, that is, when whoever started it is gone.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import IO, Any

from hvpkit.config.loading import load_recipe
from hvpkit.errors import DataError, HvpkitError
from hvpkit.messages import Message, log_to
from hvpkit.registry import load_registry


@dataclass(frozen=True)
class Job:
    """What to train (`recipe`, a file), where to (`model`), whose weights to start from; how to score: on `test` too, with images
    `shuffled` too, with every test prediction written to `predictions`."""

    name: str
    recipe: str
    model: str
    predictions: str
    test: bool = True
    shuffled: bool = False
    start: str | None = None
    plugins: tuple[str, ...] = ()


def main() -> None:
    """Do the job that stands on the first line of stdin."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is a message, not a result
    try:
        with log_to(logging.StreamHandler()):
            report_progress(out, {"result": run_job(job, lambda fields: report_progress(out, fields))})
    except HvpkitError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _leave_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock would be held for ever in processes forked meanwhile
        pass
    os._exit(1)


def report_progress(out: IO[str], fields: dict[str, Any]) -> None:
    """Write one JSON line."""
    print(json.dumps(fields), file=out, flush=True)


def run_job(job: Job, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Train (or go on, or find it done), score, and give the fields of a result; `say` is told each epoch."""
    from filelock import FileLock

    from hvpkit.saving.model_folder import open_model_folder
    from hvpkit.training.callbacks import EpochResult, TrainingCallbacks
    from hvpkit.training.run_directory import RunDirectory
    from hvpkit.training.train import train

    model, registry = Path(job.model), load_registry([Path(plugin) for plugin in job.plugins])
    recipe = load_recipe(job.recipe, [f"train.init_from={json.dumps(job.start)}"] if job.start else [])

    def on_epoch(line: EpochResult) -> None:
        f1 = None if line.dev is None else line.dev.overall.f1
        say({"epoch": line.epoch, "epochs": line.epochs, "dev": f1, "seconds": line.seconds})

    model.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(model.with_name(f".{model.name}.lock")):  # a process whose parent was killed may not be gone yet
        _sweep(model)
        if model.is_dir():
            shutil.rmtree(RunDirectory(model).folder, ignore_errors=True)
            if changed := open_model_folder(model, registry=registry).changed:
                raise HvpkitError("run-plugins-changed", model=model, changes=changed)
        else:
            train(recipe, registry, model, resume=True, test=job.test, callbacks=TrainingCallbacks(on_epoch))
        return score_run(job)


def _sweep(model: Path) -> None:
    """Remove drafts that a killed process left."""
    for draft in model.parent.glob(f".{escape(model.name)}~*"):
        shutil.rmtree(draft, ignore_errors=True)


def score_run(job: Job) -> dict[str, Any]:
    """Score a finished model as `hvp eval` does, and give the fields of a result."""
    from hvpkit.evaluation.evaluate import evaluate
    from hvpkit.saving.model_folder import open_model_folder

    folder = open_model_folder(Path(job.model), [Path(plugin) for plugin in job.plugins])
    metrics, vision = folder.metrics, folder.recipe.vision
    fields = {
        "data": metrics["data"],
        "encoder": metrics["encoder"],
        "backbone": vision.backbone if vision else None,
        "weights": vision.weights if vision else None,
        "notes": metrics["notes"],
        "best_epoch": metrics["best_epoch"],
        "dev": overall(metrics["dev"]),
        "seconds": metrics["seconds"],
    }
    if not job.test or not metrics["data"]["examples"]["test"]:
        return fields
    file = Path(job.predictions)
    fields["test"] = overall(asdict(evaluate(folder, "test", predictions=file).scores))
    if folder.recipe.scoring == "words":  # the release scores positions, not examples
        fields["outcomes"] = outcomes(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    if job.shuffled and vision is not None:
        try:
            shuffled = evaluate(folder, "test", predictions=file.with_suffix(".shuffled.jsonl"), shuffle=folder.recipe.train.seed)
            fields["shuffled"] = overall(asdict(shuffled.scores))
        except DataError as error:  # too few images: the run itself is sound
            fields["notes"] = [*fields["notes"], Message("shuffled-score-missing", reason=error.message)]
    return fields


def overall(scores: dict[str, Any] | None) -> dict[str, float] | None:
    """Give precision, recall and F1 over all of a model's scores."""
    return None if scores is None else {key: scores["overall"][key] for key in ("precision", "recall", "f1")}


def outcomes(predictions: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """Count right, given and gold answers in each line of predictions that `hvp eval` writes."""
    from seqeval.metrics.sequence_labeling import get_entities

    rows = []
    gold: set[Any]
    found: set[Any]
    for record in predictions:
        if "tags" in record:
            gold = {(start, end + 1, kind) for kind, start, end in get_entities(record["tags"])}
            found = {(entity["start"], entity["end"], entity["type"]) for entity in record.get("predicted", ())}
        else:
            gold, found = ({label} - {"None", None} for label in (record["relation"], record.get("predicted")))
        rows.append((len(gold & found), len(found), len(gold)))
    correct, predicted, gold_counts = (list(column) for column in zip(*rows, strict=True))
    return {"correct": correct, "predicted": predicted, "gold": gold_counts}


if __name__ == "__main__":
    main()
