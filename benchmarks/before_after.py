"""Numbers that a restructuring of the code must leave as they are: run it before, run it after with `--compare`.

    python benchmarks/before_after.py --output before.json python benchmarks/before_after.py --output after.json
    --compare before.json python benchmarks/before_after.py --output before.json --speed     # also the speed
    benchmarks; needs an idle machine

It measures the tests of the 2022 release's numbers, the F1 of both quickstart recipes over three seeds, checksums of
the demo data and of predictions for 200 texts, the number of tests and the start-up time of `hvp --help` relative to
importing typer and rich. Keys of JSON that were renamed are mapped to their present names first, and the texts of notes
are left out, so that only values are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3)
TEXTS = 200
RENAMED = {"picture": "image_used", "image": "image_used", "remarks": "notes"}  # JSON keys, then and now
RECIPES = {"mner": "quickstart", "mre": "quickstart_mre"}
WORDING = ("notes", "error")
STARTS = 7  # of each command that is timed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="where the numbers are written as JSON")
    parser.add_argument(
        "--compare", type=Path, default=None, help="numbers of an earlier run; differences end with exit code 1"
    )
    parser.add_argument("--speed", action="store_true", help="run the speed benchmarks as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(Path(folder), given.speed)
    given.output.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    if given.compare is not None:
        different = differences(json.loads(given.compare.read_text(encoding="utf-8")), numbers)
        print("\n".join(different) or "The numbers are the same.")
        sys.exit(bool(different))


def measure(folder: Path, speed: bool) -> dict[str, Any]:
    """Measure everything in an empty folder."""
    numbers: dict[str, Any] = {"exact": {}, "informative": {}}
    for task, recipe in RECIPES.items():
        numbers["exact"][task] = measure_task(folder / task, task, recipe)
    golden = run_pytest("-q", "-k", "golden")
    numbers["exact"]["golden"] = re.findall(r"(\d+) passed", golden)[-1:]
    numbers["informative"]["tests"] = int(
        re.findall(r"^(\d+)(?:/\d+)? tests? collected", run_pytest("--collect-only", "-q"), re.M)[-1]
    )
    numbers["informative"]["help_ratio"] = round(
        start_up("from hvpkit.cli import main; main()", "--help") / start_up("import typer, rich"), 2
    )
    if speed:
        numbers["informative"]["speed"] = measure_speed(folder)
    return numbers


def measure_task(folder: Path, task: str, recipe: str) -> dict[str, Any]:
    """Prepare demo data, train its recipe with each seed, and predict texts with the first model."""
    folder.mkdir()
    hvp(folder, "preprocess", "demo", "--task", task)
    data = next(path.parent for path in (folder / "data").rglob("manifest.json"))
    first = first_epoch_key()
    f1 = {}
    for seed in SEEDS:
        settings = ("train.epochs=4", f"train.{first}=2", f"train.seed={seed}")
        hvp(
            folder,
            "train",
            recipe,
            *(word for setting in settings for word in ("--set", setting)),
            "--output",
            f"runs/{seed}",
        )
        metrics = json.loads((folder / "runs" / str(seed) / "metrics.json").read_text(encoding="utf-8"))
        f1[str(seed)] = [metrics[split]["overall"]["f1"] for split in ("dev", "test")]
    lines = [
        input_line(json.loads(line)) for line in (data / "test.jsonl").read_text(encoding="utf-8").splitlines()[:TEXTS]
    ]
    (folder / "input.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    hvp(folder, "predict", "--model", "runs/1", "--input", "input.jsonl", "--output", "output.jsonl")
    predicted = [
        renamed(json.loads(line)) for line in (folder / "output.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return {"f1": f1, "data": checksum_of_data(data), "predictions": checksum(map(json.dumps, map(rounded, predicted)))}


def input_line(record: dict[str, Any]) -> dict[str, Any]:
    """Make an input of a record of prepared data, without its image."""
    ends = {role: {"start": record[role][0], "end": record[role][1]} for role in ("head", "tail") if role in record}
    return {"id": record["id"], "tokens": record["words"], **ends}


def renamed(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Map keys of JSON to their present names, and leave out wording and fingerprints of code."""
    if isinstance(value, dict):
        named = {RENAMED.get(key, key): renamed(item) for key, item in value.items()}
        return {key: item for key, item in sorted(named.items()) if key not in WORDING and "fingerprint" not in key}
    return [renamed(item) for item in value] if isinstance(value, list) else value


def rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Round numbers to six digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def checksum(lines: Any) -> str:  # noqa: ANN401 - texts
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def checksum_of_data(folder: Path) -> str:
    """Hash the examples and the images of prepared data."""
    lines = []
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".jsonl":
            lines += [line.replace('"pictures/', '"images/') for line in file.read_text(encoding="utf-8").splitlines()]
        elif file.suffix in (".png", ".jpg"):
            lines.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return checksum(lines)


def first_epoch_key() -> str:
    """Return the present name of the setting of the first epoch that is scored."""
    return next(
        name
        for name in ("first_eval_epoch", "evaluate_from")
        if (ROOT / f"recipes/{RECIPES['mner']}.yaml").read_text().count(name)
    )


def hvp(folder: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "hvpkit", *words],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run_pytest(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *words, "tests"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout


def start_up(program: str, *words: str) -> float:
    """Time a program from its start to its end: the median of several, in seconds."""
    seconds = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", program, *words], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def measure_speed(folder: Path) -> dict[str, Any]:
    """Run the speed benchmarks, which compare with a yardstick of their own in turns."""
    found = {}
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    for name, words in (
        ("train_speed", ("--blocks", "2", "--curve", "0", "--threads", "2")),
        ("predict_speed", ("--pairs", "300")),
    ):
        command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *words, "--out", str(folder)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        found[name] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


def differences(before: dict[str, Any], after: dict[str, Any], path: str = "") -> list[str]:
    """List what is not exactly the same."""
    if not path:
        return differences(before["exact"], after["exact"], "exact")
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in differences(before.get(key), after.get(key), f"{path}.{key}")]  # type: ignore[arg-type]
    return [] if before == after else [f"{path}: {before} before, {after} after"]


if __name__ == "__main__":
    main()
