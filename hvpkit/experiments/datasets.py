"""The datasets that a plan names: what they are before they are opened, and how a demo is drawn (no torch)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hvpkit.data.prepared import MANIFEST, open_prepared
from hvpkit.errors import DataError, PlanError, did_you_mean
from hvpkit.experiments.plan import DatasetSpec, SyntheticSpec
from hvpkit.registry import Registry
from hvpkit.types import Task

PUBLIC_SIZES = {"twitter2015": 4000, "twitter2017": 3373, "mnre": 12247}  # training examples of the public files
CLASSES = {"mner": 4, "mre": 23}


@dataclass(frozen=True)
class KnownDataset:
    """A dataset of a plan: its task, folder, training examples (an estimate until it is prepared), how it is drawn if it is a demo."""

    name: str
    task: Task
    folder: Path
    examples: int
    classes: int
    synthetic: SyntheticSpec | None = None

    @property
    def is_prepared(self) -> bool:
        """Tell whether it is there."""
        return (self.folder / MANIFEST).is_file()


def known_dataset(name: str, given: DatasetSpec, registry: Registry) -> KnownDataset:
    """Find out what a plan's dataset is; raises PlanError for one that is neither prepared, nor drawn, nor read by anything installed."""
    folder = given.folder or Path("data") / name
    if (folder / MANIFEST).is_file():
        try:
            manifest = open_prepared(folder).manifest
        except DataError as error:
            raise PlanError(error.message) from error
        kinds = len({label[2:] if manifest.task == "mner" else label for label in manifest.labels} - {""})
        return KnownDataset(name, manifest.task, folder, manifest.counts["train"], kinds, given.synthetic)
    if given.synthetic is not None:
        return KnownDataset(name, given.synthetic.task, folder, given.synthetic.size, CLASSES[given.synthetic.task], given.synthetic)
    readers = registry.names("reader")
    if name in readers and len(registry.get("reader", name).tasks) == 1:
        task: Task = "mre" if "mre" in registry.get("reader", name).tasks else "mner"
        return KnownDataset(name, task, folder, PUBLIC_SIZES.get(name, 2000), CLASSES[task])
    raise PlanError("dataset-unknown", name=name, folder=folder, hint=did_you_mean(name, readers))


def generate_dataset(known: KnownDataset) -> None:
    """Draw a demo dataset where it is not there; raises DataError where what is there was drawn otherwise."""
    if known.synthetic is None:
        return
    settings = known.synthetic.model_dump(exclude={"task"})
    if known.is_prepared:
        held = json.loads((known.folder / MANIFEST).read_text(encoding="utf-8")).get("facts", {}).get("settings", {})
        if held != known.synthetic.model_dump():
            raise DataError("dataset-differs", folder=known.folder, name=known.name)
        return
    from hvpkit.synthetic.generate import generate

    generate(known.folder, task=known.synthetic.task, **settings)


def require_prepared(datasets: list[KnownDataset]) -> None:
    """Raise DataError, naming all that are missing and what to type, unless every dataset is there."""
    missing = [known for known in datasets if not known.is_prepared]
    if missing:
        commands = "; ".join(f"`hvp preprocess {known.name} --root DIR --output {known.folder}`" for known in missing)
        raise DataError("dataset-unprepared", names=[known.name for known in missing], commands=commands)
