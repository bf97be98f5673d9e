"""Measure `hvp predict` and the start of `hvp` against the bare networks and the libraries that they need.

    python benchmarks/predict_speed.py                   # bert-base, ResNet-50, photographs; synthetic texts
    python benchmarks/predict_speed.py --texts DIR       # real texts, where DIR contains those of Twitter-2017
    python benchmarks/predict_speed.py --shape tiny --pairs 16

One pair from a cold start, as a command of its own, against a process that imports torch and the encoder class, builds
the bare networks and runs them once; one pair warm; many pairs from a file, with JPEG decoding and the CRF, against the
rate of the bare networks on prepared tensors; `hvp --help` against importing typer and rich. Both sides alternate.
Writes predict_speed.json and a part of results/predict_speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from hvpkit.types import Example
from subject import SHAPES, Shape, Subject, make_subject
from turns import Spent, Stopwatch

LIBRARIES = "import typer, rich"
# The least that a prediction needs: classes, networks with random weights, one pass. hvp also reads weights.
BARE = """
import sys, json, torch
from transformers import BertConfig, BertModel
from torchvision.models import {backbone}
text, vision = BertModel(BertConfig(**json.loads(sys.argv[1]))).eval(), {backbone}().eval()
with torch.inference_mode():
    vision(torch.zeros({images}, 3, {side}, {side}))
    text(torch.ones(1, {length}, dtype=torch.long))
"""


@dataclass(frozen=True)
class Compared:
    """Seconds of a measurement and of its reference, by round."""

    ours: tuple[Spent, ...]
    yardstick: tuple[Spent, ...]

    def summary(self) -> dict[str, float]:
        """Return medians of processor time and wall time, and their ratios."""
        found: dict[str, float] = {}
        for clock in ("cpu_seconds", "seconds"):
            ours, bare = (
                statistics.median(getattr(spent, clock) for spent in side) for side in (self.ours, self.yardstick)
            )
            found |= {
                clock: round(ours, 4),
                f"{clock}_of_yardstick": round(bare, 4),
                f"{clock}_ratio": round(ours / bare, 3),
            }
        return found


def time_of(work: Callable[[], object]) -> Spent:
    """Measure the time of work in this process and in those that it starts and ends."""
    watch = Stopwatch()
    work()
    return watch.read()


def in_turns(
    ours: Callable[[], object],
    yardstick: Callable[[], object],
    turns: int,
    timed: Callable[..., Spent] = time_of,
    *,
    warm: bool = False,
) -> Compared:
    """Alternate both; the first round does not count unless both are `warm`."""
    pairs = [(timed(ours), timed(yardstick)) for _ in range(turns if warm else turns + 1)]
    return Compared(*zip(*pairs[-turns:], strict=True))


def command(*words: str) -> Callable[[], object]:
    """Return a function that runs a command; it raises CalledProcessError if the command fails."""
    return lambda: subprocess.run(words, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})


# -----------------------------------------------------------------------------------------------------------------
# measured
def start_up(turns: int) -> dict[str, float]:
    """Measure `hvp --help`."""
    hvp = command(sys.executable, "-m", "hvpkit", "--help")
    return in_turns(hvp, command(sys.executable, "-c", LIBRARIES), turns).summary()


def cold(model: Path, subject: Subject, shape: Shape, turns: int) -> dict[str, float]:
    """Measure one pair as a command of its own."""
    example = subject.data.examples("train")[0]
    length = len(example.words) + 4
    bare = BARE.format(backbone=shape.backbone, side=shape.side, images=1, length=length)
    words = ("--model", str(model), "--text", " ".join(example.words), "--image", str(example.image), "--json")
    hvp = command(sys.executable, "-m", "hvpkit", "predict", *words)
    return in_turns(hvp, command(sys.executable, "-c", bare, json.dumps(shape.text)), turns).summary()


def warm(model: Path, subject: Subject, pairs: int, turns: int, work: Path) -> dict[str, dict[str, float]]:
    """Measure one pair in an open model, and `pairs` from a file of JSON lines.

    Against the bare networks on prepared tensors.
    """
    import torch

    import hvpkit
    from hvpkit.inference.bulk import open_prediction_file
    from hvpkit.saving.model_folder import open_model_folder

    predictor, examples = hvpkit.load(model), subject.data.examples("train")[:pairs]
    source = work / "pairs.jsonl"
    source.write_text("".join(json.dumps(_line(example, work)) + "\n" for example in examples), encoding="utf-8")

    def from_file() -> None:
        target = work / "out.jsonl"
        target.unlink(missing_ok=True)
        done = open_prediction_file(source, target, open_model_folder(model)).run(predictor)
        if done.failed:
            raise RuntimeError(f"{done.failed} pairs failed: {done.first_error}")

    def bare(given: Sequence[Example]) -> Callable[[], None]:
        ready = _ready(predictor, given)

        @torch.inference_mode()
        def run() -> None:
            for pixels, features, mask in ready:
                predictor.model.vision.backbone(pixels)
                predictor.model.text.model(**features, attention_mask=mask)

        return run

    first = examples[0]
    objects = [str(thing.image) for thing in first.objects]
    one = in_turns(
        lambda: predictor.predict(list(first.words), first.image, objects=objects), bare(examples[:1]), 3 * turns
    )
    return {
        "one pair, warm": one.summary(),
        f"{pairs} pairs from a file": in_turns(from_file, bare(examples), 1, warm=True).summary(),
    }


def _line(example: Example, folder: Path) -> dict[str, Any]:
    image, *objects = (
        os.path.relpath(str(file), folder) for file in (example.image, *(thing.image for thing in example.objects))
    )
    return {"tokens": example.words, "image": image, "objects": objects}


def _ready(predictor: Any, examples: Sequence[Any], batch_size: int = 8) -> list[tuple[Any, Any, Any]]:  # noqa: ANN401 - torch comes late
    """Return pixels [K, 3, side, side], features and mask of batches of texts of similar length.

    Padded in the same way.
    """
    batcher = predictor.batcher
    items = sorted(
        (batcher.encode(example, labeled=False) for example in examples), key=lambda item: len(item.text.word_ids)
    )
    batches = [batcher.collate(items[i : i + batch_size]) for i in range(0, len(items), batch_size)]
    return [(batch.images.pixels, batch.text.features, batch.text.mask.long()) for batch in batches]


# -----------------------------------------------------------------------------------------------------------------
# reported
TARGETS = {
    "hvp --help": "at most 3",
    "one pair, cold": "at most 1.4",
    "one pair, warm": "",
    "pairs from a file": "at most 1.25",
}


def section(found: dict[str, Any]) -> str:
    """Format the generated part of results/predict_speed.md."""
    about = f"Shape {found['shape']}. Machine: {report.describe_machine(found['machine'])}. Medians over rounds, in seconds."  # noqa: E501
    columns = ("what", "CPU time", "reference", "ratio", "wall time", "reference", "ratio", "target")
    rows = [
        (
            name,
            *(
                f"{each[clock + part]:.3g}"
                for clock in ("cpu_seconds", "seconds")
                for part in ("", "_of_yardstick", "_ratio")
            ),
            next(text for key, text in TARGETS.items() if name.endswith(key)),
        )
        for name, each in found["compared"].items()
    ]
    return f"{report.wrap(about)}\n\n{report.table(columns, rows)}"


def save(subject: Subject, folder: Path) -> Path:
    """Write the untrained model of the recipe as a model folder."""
    from hvpkit.model.model import build_model
    from hvpkit.registry import load_registry
    from hvpkit.saving.model_folder import ModelFolder
    from hvpkit.saving.weights import save_model

    registry, labels = load_registry(), subject.data.labels
    model = build_model(subject.recipe, registry, labels, subject.data.examples("train"))
    save_model(model, ModelFolder(folder, subject.recipe, labels, registry, {}), "A model that was never trained.\n")
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--texts",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder with the text files of Twitter-2017 (synthetic texts)",
    )
    parser.add_argument("--shape", choices=SHAPES, default="base", help="shape of the model (base)")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs in the file (1000)")
    parser.add_argument("--turns", type=int, default=3, help="counted rounds of each (3)")
    parser.add_argument("--threads", type=int, default=1, help="threads (1)")
    parser.add_argument("--out", type=Path, default=report.HERE, help="folder for JSON and page (benchmarks/)")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    print("hvp --help", flush=True)
    compared = {"hvp --help": start_up(3 * given.turns)}
    with tempfile.TemporaryDirectory(prefix="hvp-predict-speed-") as place:
        shape = SHAPES[given.shape]
        # no image is used twice: hvp would compute its features once
        subject = make_subject(
            Path(place), "mner", shape, texts=given.texts, size=max(32, given.pairs), images=3 * given.pairs
        )
        model = save(subject, Path(place) / "model")
        print("one pair, cold", flush=True)
        compared["one pair, cold"] = cold(model, subject, shape, given.turns)
        print(f"one pair, warm, and {given.pairs} pairs from a file: minutes", flush=True)
        compared |= warm(model, subject, given.pairs, given.turns, Path(place))
    found = {"machine": report.machine(given.threads), "shape": given.shape, "compared": compared}
    print(report.write(given.out, "predict_speed", "predict_speed", found, section(found)))


if __name__ == "__main__":
    main()
