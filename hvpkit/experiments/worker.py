"""Worker process for one run: `python -m hvpkit.experiments.worker`.

It reads a job from stdin and writes epochs, then the result or the error to stdout, as JSON lines. A failed or killed
run affects no other run. The process ends when its stdin is closed, that is, when its parent process has ended.
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
from pathlib import Path
from typing import IO, Any

from hvpkit.config.loading import load_recipe
from hvpkit.errors import DataError, HvpkitError
from hvpkit.messages import Message, log_to, message_to_json
from hvpkit.registry import load_registry
from hvpkit.utils.atomic_write import remove_drafts


@dataclass(frozen=True)
class Job:
    """Job of a worker process.

    Attributes:
        name: Name of the run.
        recipe: Recipe file.
        model: Model folder to write.
        predictions: File for the predictions on test.
        test: Whether to score on test.
        shuffled: Whether to score on test with shuffled images too.
        start: Model folder whose weights training starts from; None: no transfer.
        plugins: Plugin files to load.
    """

    name: str
    recipe: str
    model: str
    predictions: str
    test: bool = True
    shuffled: bool = False
    start: str | None = None
    plugins: tuple[str, ...] = ()


def main() -> None:
    """Run the job on the first line of stdin."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print to stdout must not disturb the JSON lines
    try:
        with log_to(logging.StreamHandler()):
            report_progress(out, {"result": run_job(job, lambda fields: report_progress(out, fields))})
    except HvpkitError as error:
        report_progress(out, {"error": message_to_json(error.message)})
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _exit_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin: processes forked meanwhile would never release its lock
        pass
    os._exit(1)


def report_progress(out: IO[str], fields: dict[str, Any]) -> None:
    """Write fields as one JSON line."""
    print(json.dumps(fields), file=out, flush=True)


def run_job(job: Job, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Train or resume a run unless it is finished, and score its model.

    Args:
        job: The job.
        report: Called with the fields of each epoch.

    Returns:
        Fields of a `Result`.

    Raises:
        HvpkitError: "run-plugins-changed" if a finished model was trained with other plugins, and the codes of
            training.
    """
    from filelock import FileLock

    from hvpkit.saving.model_folder import open_model_folder
    from hvpkit.training.callbacks import EpochResult, TrainingCallbacks
    from hvpkit.training.run_directory import RunDirectory
    from hvpkit.training.train import train

    model, registry = Path(job.model), load_registry([Path(plugin) for plugin in job.plugins])
    recipe = load_recipe(job.recipe, [f"train.init_from={json.dumps(job.start)}"] if job.start else [])

    def report_epoch(result: EpochResult) -> None:
        f1 = None if result.dev is None else result.dev.overall.f1
        report({"epoch": result.epoch, "epochs": result.epochs, "dev": f1, "seconds": result.seconds})

    model.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(model.with_name(f".{model.name}.lock")):  # a worker whose parent was killed may still be running
        remove_drafts(model)
        if model.is_dir():
            shutil.rmtree(RunDirectory(model).folder, ignore_errors=True)
            if changed := open_model_folder(model, registry=registry).changed:
                raise HvpkitError("run-plugins-changed", model=model, changes=changed)
        else:
            train(recipe, registry, model, resume=True, test=job.test, callbacks=TrainingCallbacks(report_epoch))
        return score_run(job)


def score_run(job: Job) -> dict[str, Any]:
    """Score a finished model as `hvp eval` does.

    Returns:
        Fields of a `Result`.
    """
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
    if folder.recipe.scoring == "words":  # the release scores wordpieces, not examples
        fields["outcomes"] = outcomes(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    if job.shuffled and vision is not None:
        try:
            shuffled = evaluate(
                folder, "test", predictions=file.with_suffix(".shuffled.jsonl"), shuffle=folder.recipe.train.seed
            )
            fields["shuffled"] = overall(asdict(shuffled.scores))
        except DataError as error:  # too few images to shuffle; the run itself is valid
            fields["notes"] = [*fields["notes"], Message("shuffled-score-missing", reason=error.message)]
    return fields


def overall(scores: dict[str, Any] | None) -> dict[str, float] | None:
    """Return the overall precision, recall and F1 of a model; None without scores."""
    return None if scores is None else {key: scores["overall"][key] for key in ("precision", "recall", "f1")}


def outcomes(predictions: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """Count correct predictions, predictions and gold labels of each example.

    Args:
        predictions: Records of the predictions file of `hvp eval`.

    Returns:
        Lists `correct`, `predicted` and `gold` with one number per example.
    """
    from seqeval.metrics.sequence_labeling import get_entities

    rows = []
    gold: set[Any]
    predicted_labels: set[Any]
    for record in predictions:
        if "tags" in record:
            gold = {(start, end + 1, kind) for kind, start, end in get_entities(record["tags"])}
            predicted_labels = {
                (entity["start"], entity["end"], entity["type"]) for entity in record.get("predicted", ())
            }
        else:
            gold, predicted_labels = (
                {label} - {"None", None} for label in (record["relation"], record.get("predicted"))
            )
        rows.append((len(gold & predicted_labels), len(predicted_labels), len(gold)))
    correct, predicted, gold_counts = (list(column) for column in zip(*rows, strict=True))
    return {"correct": correct, "predicted": predicted, "gold": gold_counts}


if __name__ == "__main__":
    main()
