"""Datasets of a plan: their task and size, and the generation of synthetic ones."""

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
    """A dataset of a plan.

    Attributes:
        name: Name of the dataset.
        task: Task of the dataset.
        folder: Folder of the prepared data.
        examples: Number of training examples; an estimate until the data is prepared.
        classes: Number of entity types or relations; an estimate until the data is prepared.
        synthetic: Settings of a synthetic dataset; None for other data.
    """

    name: str
    task: Task
    folder: Path
    examples: int
    classes: int
    synthetic: SyntheticSpec | None = None

    @property
    def is_prepared(self) -> bool:
        """Whether the prepared data exists."""
        return (self.folder / MANIFEST).is_file()


def known_dataset(name: str, spec: DatasetSpec, registry: Registry) -> KnownDataset:
    """Determine task, folder and size of a dataset of a plan.

    Args:
        name: Name of the dataset in the plan.
        spec: Its settings in the plan.
        registry: Installed components, for the tasks of readers.

    Raises:
        PlanError: "dataset-unknown" if it is neither prepared, nor synthetic, nor known to an installed reader, and
            the codes of `open_prepared`.
    """
    folder = spec.folder or Path("data") / name
    if (folder / MANIFEST).is_file():
        try:
            manifest = open_prepared(folder).manifest
        except DataError as error:
            raise PlanError(error.message) from error
        kinds = len({label[2:] if manifest.task == "mner" else label for label in manifest.labels} - {""})
        return KnownDataset(name, manifest.task, folder, manifest.counts["train"], kinds, spec.synthetic)
    if spec.synthetic is not None:
        return KnownDataset(
            name, spec.synthetic.task, folder, spec.synthetic.size, CLASSES[spec.synthetic.task], spec.synthetic
        )
    readers = [reader for reader in registry.names("reader") if "path" not in registry.get("reader", reader).needs]
    if name in readers and len(registry.get("reader", name).tasks) == 1:
        task: Task = "mre" if "mre" in registry.get("reader", name).tasks else "mner"
        return KnownDataset(name, task, folder, PUBLIC_SIZES.get(name, 2000), CLASSES[task])
    raise PlanError("dataset-unknown", name=name, folder=folder, hint=did_you_mean(name, readers))


def generate_dataset(known: KnownDataset) -> None:
    """Generate a synthetic dataset if its folder does not exist.

    Raises:
        DataError: "dataset-differs" if the folder contains data that was generated with other settings.
    """
    if known.synthetic is None:
        return
    settings = known.synthetic.model_dump(exclude={"task"})
    if known.is_prepared:
        generated_with = (
            json.loads((known.folder / MANIFEST).read_text(encoding="utf-8")).get("facts", {}).get("settings", {})
        )
        if generated_with != known.synthetic.model_dump():
            raise DataError("dataset-differs", folder=known.folder, name=known.name)
        return
    from hvpkit.synthetic.generate import generate

    generate(known.folder, task=known.synthetic.task, **settings)


def require_prepared(datasets: list[KnownDataset]) -> None:
    """Check that every dataset is prepared.

    Raises:
        DataError: "dataset-unprepared" with the missing datasets and the commands that prepare them.
    """
    missing = [known for known in datasets if not known.is_prepared]
    if missing:
        commands = "; ".join(f"`hvp preprocess {known.name} --root DIR --output {known.folder}`" for known in missing)
        raise DataError("dataset-unprepared", names=[known.name for known in missing], commands=commands)
