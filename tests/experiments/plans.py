"""Plans over the tiny data that tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny

from hvpkit.experiments.expand import PlannedRun
from hvpkit.experiments.plan import Plan
from hvpkit.experiments.results import DataInfo, Outcomes, Result, RunScore

PLAN = """title: Tiny
systems:
  with: [{mner}, {mre}]
  alone: {{recipes: [{mner}], set: [vision=null, fusion=none]}}
datasets:
  people: {{folder: {people}}}
  pairs: {{folder: {pairs}}}
seeds: [1, 2]
"""


def write(folder: Path, mner: Any, mre: Any, more: str = "", text: str = PLAN) -> Path:  # noqa: ANN401 - prepared data
    """Write a plan and its recipes."""
    files = {}
    for data, task in ((mner, "mner"), (mre, "mre")):
        files[task] = folder / f"{task}.yaml"
        files[task].write_text(tiny.recipe(folder, data.folder, task).to_yaml(), encoding="utf-8")
    plan = folder / "plan.yaml"
    filled = text.format(mner="mner.yaml", mre="mre.yaml", people=mner.folder, pairs=mre.folder)
    plan.write_text(filled + more, encoding="utf-8")
    return plan


def planned(system: str, seed: int, **fields: Any) -> PlannedRun:  # noqa: ANN401 - any field
    """Build a run that was never executed."""
    name = f"{system}.{fields.get('dataset', 'people')}.{fields.get('fraction', 1.0)}.seed{seed}"
    base = {"name": name, "system": system, "dataset": "people", "task": "mner", "seed": seed, "recipe": "task: mner\n"}
    return PlannedRun(**(base | fields))


def result(run: PlannedRun, found: list[tuple[int, int, int]], **fields: Any) -> Result:  # noqa: ANN401 - any field
    """Make a result whose scores follow from what was found in each example."""
    correct, given, gold = (list(column) for column in zip(*found, strict=True))
    precision, recall = sum(correct) / max(1, sum(given)), sum(correct) / max(1, sum(gold))
    score = RunScore(precision=precision, recall=recall, f1=2 * sum(correct) / max(1, sum(given) + sum(gold)))
    data = DataInfo(
        name=run.dataset,
        fingerprint="f" * 16,
        examples={"train": 12, "dev": 6, "test": len(correct)},
        with_image={"test": 0},
    )
    base = {"run": run, "data": data, "encoder": "small", "dev": score, "test": score, "seconds": 3.0}
    return Result(**(base | {"outcomes": Outcomes(correct=correct, predicted=given, gold=gold)} | fields))


def plan(**fields: Any) -> Plan:  # noqa: ANN401 - any field
    """Make a plan in memory."""
    base = {"title": "Tiny", "systems": {"a": "r", "b": "r"}, "datasets": ["people"], "seeds": [1, 2]}
    return Plan.model_validate(base | fields)
