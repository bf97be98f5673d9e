"""Read and write prepared data: a folder with manifest.json and {train,dev,test}.jsonl.

Folders are written atomically: files are written to a sibling folder, which is renamed at the end. Image paths are
relative to `images_root`. It is stored as an absolute path, so that the folder can be moved alone, and relative to the
folder, so that both can be moved together.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hvpkit.config.recipe import ObjectsSpec, Recipe
from hvpkit.errors import DataError, HvpkitError, MissingImageError
from hvpkit.messages import Message
from hvpkit.records.codec import canonical_json, check_example, example_from_json, example_to_json
from hvpkit.types import SPLITS, Example, Labels, Split, Task
from hvpkit.utils.atomic_write import atomic_directory, check_overwrite, remove_drafts
from hvpkit.utils.file_lock import exclusive_lock

log = logging.getLogger(__name__)

FORMAT = 2
MANIFEST = "manifest.json"
NAME_PLACEHOLDER = "NAME"  # placeholder in messages while the name of the dataset is unknown
KNOWN_FILES = {
    MANIFEST,
    *(f"{split}.jsonl" for split in SPLITS),
    "images",
    "crops",
    "features",
    "objects.jsonl",
    "preview.html",
}


@dataclass(frozen=True)
class Manifest:
    """Contents of manifest.json.

    Attributes:
        name: Name of the dataset.
        task: Task of the labels.
        labels: Tags (MNER) or relations (MRE), in the order of their ids.
        fingerprint: 16 hex digits of a SHA-256 over ids, words, tags, spans and relations of all splits.
        counts: Number of examples of each split.
        digests: SHA-256 of each split.
        images_root: Folder that image paths start from; absolute, or relative if inside the prepared folder.
        source: One line on where the data came from.
        text_only: Whether images were left out on request.
        facts: Further information, such as the upper bounds of synthetic data.
        objects: Detection settings (`ObjectsSpec` in hvpkit/config/recipe.py), None if objects came with the data.
        images_relative_root: The same relative to the prepared folder, used if `images_root` does not exist.
        format: Version of the format.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    fingerprint: str
    counts: dict[Split, int]
    digests: dict[Split, str]
    images_root: str | None
    source: str
    text_only: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Any] | None = None
    images_relative_root: str | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class PreparedData:
    """An opened folder of prepared data.

    Attributes:
        folder: Path of the folder.
        manifest: Contents of its manifest.json.
    """

    folder: Path
    manifest: Manifest

    @property
    def labels(self) -> Labels:
        """Return the task and labels that a head predicts."""
        return Labels(self.manifest.task, self.manifest.labels)

    @property
    def objects(self) -> ObjectsSpec | None:
        """Return the detection settings, None if objects came with the data or there are none.

        Raises:
            DataError: "manifest-damaged" if they are invalid.
        """
        settings = self.manifest.objects
        try:
            return None if settings is None else ObjectsSpec.model_validate(settings)
        except ValidationError as error:
            file, name = self.folder / MANIFEST, self.manifest.name
            raise DataError(
                "manifest-damaged", file=file, reason="its objects", name=name, folder=self.folder
            ) from error

    @property
    def images_root(self) -> Path | None:
        """Return the folder that image paths start from.

        That is the stored absolute path if it exists, else the path relative to this folder if that exists.
        """
        stored = (self.manifest.images_root, self.manifest.images_relative_root)
        roots = [Path(os.path.normpath(self.folder / root)) for root in stored if root is not None]
        # unlike Path.is_dir, os.path.isdir returns False if permission is denied
        return next((root for root in roots if os.path.isdir(root)), roots[0] if roots else None)

    def examples(self, split: Split) -> list[Example]:
        """Read one split, empty if the dataset has none.

        Raises:
            DataError: "prepared-line-unreadable" if a line is damaged, "split-changed" if the file was edited.
        """
        file, digest = self.folder / f"{split}.jsonl", hashlib.sha256()
        examples = list(self.stream(split))
        for example in examples:
            digest.update(canonical_json(example))
        if len(examples) != self.manifest.counts[split] or digest.hexdigest() != self.manifest.digests[split]:
            expected, name = self.manifest.counts[split], self.manifest.name
            raise DataError(
                "split-changed", file=file, expected=expected, found=len(examples), name=name, folder=self.folder
            )
        return examples

    def stream(self, split: Split) -> Iterator[Example]:
        """Iterate over one split without keeping it in memory and without checking its digest.

        Raises:
            DataError: "prepared-line-unreadable" if a line is damaged.
        """
        file, number, root = self.folder / f"{split}.jsonl", 0, self.images_root
        try:
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    number += 1
                    yield example_from_json(json.loads(line), root)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            name, reason = self.manifest.name, str(error)
            raise DataError(
                "prepared-line-unreadable", file=file, line=number, reason=reason, name=name, folder=self.folder
            ) from error


def with_advice(error: HvpkitError) -> Message:
    """Return the message of an error, with advice if it is about a missing image."""
    return Message("images-moved", reason=error.message) if isinstance(error, MissingImageError) else error.message


def open_prepared(folder: Path) -> PreparedData:
    """Open a prepared folder.

    Raises:
        DataError: "no-prepared-data", "manifest-damaged", "prepared-format" or "splits-missing".
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise DataError("no-prepared-data", folder=folder, file=MANIFEST)
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        version = stored["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "manifest-damaged", file=file, reason=str(error), name=NAME_PLACEHOLDER, folder=folder
        ) from error
    if version != FORMAT:
        raise DataError(
            "prepared-format", file=file, found=version, expected=FORMAT, name=NAME_PLACEHOLDER, folder=folder
        )
    try:
        manifest = Manifest(**{**stored, "labels": tuple(stored["labels"])})
    except (KeyError, TypeError) as error:
        raise DataError(
            "manifest-damaged", file=file, reason=str(error), name=NAME_PLACEHOLDER, folder=folder
        ) from error
    missing = [f"{split}.jsonl" for split in SPLITS if not (folder / f"{split}.jsonl").is_file()]
    if missing:
        raise DataError("splits-missing", folder=folder, files=missing, name=manifest.name)
    facts = {"name": manifest.name, "task": manifest.task, "fingerprint": manifest.fingerprint}
    log.debug(Message("prepared-data-opened", folder=folder, **facts))
    return PreparedData(folder, manifest)


def open_for(recipe: Recipe, folder: Path | None = None, split: Split | None = None) -> PreparedData:
    """Open prepared data for a model.

    Args:
        recipe: Recipe of the model.
        folder: Prepared folder; None: that of the recipe.
        split: Split that must have examples; None: no split is checked.

    Raises:
        DataError: "task-mismatch" if the data is of another task, "no-split-examples", or codes of `open_prepared`.
    """
    data = open_prepared(folder or recipe.data.path)
    if data.manifest.task != recipe.task:
        raise DataError("task-mismatch", data=data.folder, found=data.manifest.task, expected=recipe.task)
    if split is not None and not data.manifest.counts[split]:
        raise DataError("no-split-examples", data=data.folder, split=split)
    return data


def write_prepared(
    folder: Path,
    *,
    name: str,
    task: Task,
    labels: Labels,
    splits: Mapping[Split, Iterable[Example]],
    images_root: Path | None,
    source: str,
    facts: dict[str, Any] | None = None,
    text_only: bool = False,
) -> Manifest:
    """Write a prepared folder atomically, replacing older prepared data of the same name.

    To generate images while writing, use `stage_prepared` and `write_records` instead.

    Args:
        folder: Prepared folder to write.
        name: Name of the dataset.
        task: Task of the labels.
        labels: Labels that every example must use.
        splits: Examples of each split, iterated once.
        images_root: Folder that contains every image, None without images.
        source: One line on where the data came from.
        facts: Further information for the manifest.
        text_only: Whether images were left out on request.

    Raises:
        DataError: Codes of `stage_prepared` and of `check_example`.
    """
    with stage_prepared(folder, name) as stage:
        return write_records(
            stage,
            name=name,
            task=task,
            labels=labels,
            splits=splits,
            images_root=images_root,
            source=source,
            facts=facts,
            text_only=text_only,
        )


@contextmanager
def stage_prepared(folder: Path, name: str) -> Iterator[Path]:
    """Write a prepared folder atomically, replacing older prepared data of the same name.

    Drafts of killed processes are deleted after a successful write.

    Args:
        folder: Prepared folder to write.
        name: Name of the dataset, which an existing folder must have too.

    Yields:
        An empty sibling of `folder`, which is renamed to it at the end, or removed on an error.

    Raises:
        DataError: "output-not-a-folder", "output-holds-other-files", "output-holds-other-data" or
            "output-manifest-damaged" for a folder that is not replaced; "prepared-in-use" if another process holds
            the lock.
    """
    check_overwrite(folder, partial(_is_replaceable, name))
    in_use = DataError("prepared-in-use", folder=folder)
    with exclusive_lock(folder.with_name(f".{folder.name}.lock"), in_use):
        with atomic_directory(folder, replace=True) as stage:
            yield stage
        remove_drafts(folder)


def _is_replaceable(name: str, folder: Path) -> bool:
    """Check that a path is a folder that is empty, or has prepared data of `name` and nothing else.

    Raises:
        DataError: "output-not-a-folder", "output-holds-other-files", "output-holds-other-data" or
            "output-manifest-damaged".
    """
    if not folder.name or folder.is_symlink() or not folder.is_dir():
        raise DataError("output-not-a-folder", folder=folder)
    entries = {entry.name for entry in folder.iterdir()}
    if not entries:
        return True
    if MANIFEST not in entries or entries - KNOWN_FILES:
        other = sorted(entries - KNOWN_FILES) or sorted(entries)
        raise DataError("output-holds-other-files", folder=folder, files=other[:3])
    if (existing := _read_manifest_value(folder, "name")) != name:
        raise DataError("output-holds-other-data", folder=folder, found=existing, expected=name)
    return True


def user_source(format_name: str, path: Path) -> str:
    """Return the `source` of data that a user named by its path."""
    return f"{format_name} data of {path}"


def is_user_source(source: str) -> bool:
    """Check for a value of `user_source`."""
    return re.match(r"[\w-]+ data of ", source) is not None


def check_same_source(folder: Path, source: str) -> None:
    """Check that `folder` has no data of another source, if either is data of a user.

    Users choose such names freely, so that equal names do not imply the same data.

    Raises:
        DataError: "output-holds-other-source" or "output-manifest-damaged".
    """
    existing = str(_read_manifest_value(folder, "source")) if (folder / MANIFEST).is_file() else source
    if existing != source and any(is_user_source(name) for name in (existing, source)):
        raise DataError("output-holds-other-source", folder=folder, found=existing, expected=source)


def _read_manifest_value(folder: Path, key: str) -> object:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("output-manifest-damaged", file=folder / MANIFEST, reason=str(error), folder=folder) from error


def write_records(
    stage: Path,
    *,
    name: str,
    task: Task,
    labels: Labels,
    splits: Mapping[Split, Iterable[Example]],
    images_root: Path | None,
    source: str,
    facts: dict[str, Any] | Callable[[], dict[str, Any]] | None = None,
    text_only: bool = False,
    objects: dict[str, Any] | None = None,
) -> Manifest:
    """Write the splits and the manifest into a folder of `stage_prepared`.

    Args:
        stage: Folder to write to.
        name: Name of the dataset.
        task: Task of the labels.
        labels: Labels that every example must use.
        splits: Examples of each split, iterated once.
        images_root: Folder that contains every image, None without images.
        source: One line on where the data came from.
        facts: Further information for the manifest; a function is called after the splits were written.
        text_only: Whether images were left out on request.
        objects: Detection settings for the manifest.

    Raises:
        DataError: Codes of `check_example`.
    """
    counts, digests = {}, {}
    for split in SPLITS:
        counts[split], digests[split] = _write_split(
            stage / f"{split}.jsonl", splits.get(split, ()), labels, images_root
        )
    fingerprint = hashlib.sha256("".join(digests[split] for split in SPLITS).encode()).hexdigest()[:16]
    root, relative_root = _stored_root(images_root, stage)
    manifest = Manifest(
        name=name,
        task=task,
        labels=labels.names,
        fingerprint=fingerprint,
        counts=counts,
        digests=digests,
        images_root=root,
        source=source,
        text_only=text_only,
        facts=facts() if callable(facts) else facts or {},
        objects=objects,
        images_relative_root=relative_root,
    )
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=2, ensure_ascii=False)
    # paths that are not UTF-8 become JSON escapes
    (stage / MANIFEST).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return manifest


def _write_split(file: Path, examples: Iterable[Example], labels: Labels, root: Path | None) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        for example in examples:
            count += 1
            check_example(example, labels)
            digest.update(canonical_json(example))
            lines.write(json.dumps(example_to_json(example, root), ensure_ascii=False) + "\n")
    return count, digest.hexdigest()


def _stored_root(root: Path | None, stage: Path) -> tuple[str | None, str | None]:
    """Return `images_root` and `images_relative_root`; `stage` is a sibling of the prepared folder."""
    if root is None:
        return None, None
    absolute, folder = Path(os.path.abspath(root)), Path(os.path.abspath(stage))
    if absolute.is_relative_to(folder):
        return absolute.relative_to(folder).as_posix(), None
    if absolute.anchor != folder.anchor:  # another drive
        return str(absolute), None
    return str(absolute), Path(os.path.relpath(absolute, folder)).as_posix()
