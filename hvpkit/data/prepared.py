"""Prepared data: a folder with manifest.json and one JSON line an example in {train,dev,test}.jsonl (no torch).

A folder is whole or not there: everything is written to a sibling and renamed. Images are named relative to `images_root`, and how to
reach that from the folder is noted too: the folder may be moved alone, or together with its images.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.errors import DataError, HvpkitError, MissingImageError
from hvpkit.messages import Message
from hvpkit.records.codec import canonical_json, check_example, example_from_json, example_to_json
from hvpkit.types import SPLITS, Example, Labels, Split, Task
from hvpkit.utils.atomic_write import apply_umask
from hvpkit.utils.file_lock import exclusive_lock

FORMAT = 1
MANIFEST = "manifest.json"
NAME = "NAME"  # of a dataset, where it is not known
JSONL_SOURCE = "JSON lines of "  # what the source of a user's own data begins with
KNOWN_FILES = {MANIFEST, *(f"{split}.jsonl" for split in SPLITS), "images", "crops", "features", "objects.jsonl", "preview.html"}


@dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds.

    `fingerprint`: 16 hex digits of a sha256 over ids, words, tags, spans and relations of every split, wherever the files lie;
    `digests`: the same of each split; `counts`: examples of each split; `images_root`: absolute, or relative when inside the folder;
    `images_relative_root`: the same relative to the folder, for when both were moved;
    `facts`: what is known of the data beyond its examples, such as the ceilings of generated data;
    `objects`: how objects were found (hvpkit/config/recipe.py: ObjectsSpec), None where they came with the data.
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
    """An opened prepared folder."""

    folder: Path
    manifest: Manifest

    @property
    def labels(self) -> Labels:
        """Give what a head for this data can say."""
        return Labels(self.manifest.task, self.manifest.labels)

    @property
    def objects(self) -> ObjectsSpec | None:
        """Say how its objects were found; None: they came with it, or there are none. Raises DataError when that cannot be read."""
        told = self.manifest.objects
        try:
            return None if told is None else ObjectsSpec.model_validate(told)
        except ValidationError as error:
            raise DataError(
                "manifest-damaged", file=self.folder / MANIFEST, reason="its objects", name=self.manifest.name, folder=self.folder
            ) from error

    @property
    def images_root(self) -> Path | None:
        """Give the folder that image paths start from: where it was, else where it is when it was moved with this folder."""
        noted = (self.manifest.images_root, self.manifest.images_relative_root)
        places = [Path(os.path.normpath(self.folder / place)) for place in noted if place is not None]
        return next((place for place in places if os.path.isdir(place)), places[0] if places else None)  # closed to us: not there

    def examples(self, split: Split) -> list[Example]:
        """Read one split (empty when the dataset has none); raises DataError, with file and line, when it is damaged or was changed."""
        file, digest = self.folder / f"{split}.jsonl", hashlib.sha256()
        examples = list(self.stream(split))
        for example in examples:
            digest.update(canonical_json(example))
        if len(examples) != self.manifest.counts[split] or digest.hexdigest() != self.manifest.digests[split]:
            expected, name = self.manifest.counts[split], self.manifest.name
            raise DataError("split-changed", file=file, expected=expected, found=len(examples), name=name, folder=self.folder)
        return examples

    def stream(self, split: Split) -> Iterator[Example]:
        """Go through one split without holding or checking the whole of it; raises DataError for a line that cannot be read."""
        file, number, root = self.folder / f"{split}.jsonl", 0, self.images_root
        try:
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    number += 1
                    yield example_from_json(json.loads(line), root)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            name, reason = self.manifest.name, str(error)
            raise DataError("prepared-line-unreadable", file=file, line=number, reason=reason, name=name, folder=self.folder) from error


def with_advice(error: HvpkitError) -> Message:
    """Give the message of what no example could be used for, with what to do where the images have gone."""
    return Message("images-moved", reason=error.message) if isinstance(error, MissingImageError) else error.message


# ----------------------------------------------------------------------------------------------------------------- reading
def open_prepared(folder: Path) -> PreparedData:
    """Open a prepared folder; raises DataError when it is missing, damaged, or written by a newer hvpkit."""
    file = folder / MANIFEST
    if not file.is_file():
        raise DataError("no-prepared-data", folder=folder, file=MANIFEST)
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        version = stored["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("manifest-damaged", file=file, reason=str(error), name=NAME, folder=folder) from error
    if version != FORMAT:
        raise DataError("prepared-format", file=file, found=version, expected=FORMAT, name=NAME, folder=folder)
    try:
        manifest = Manifest(**{**stored, "labels": tuple(stored["labels"])})
    except (KeyError, TypeError) as error:
        raise DataError("manifest-damaged", file=file, reason=str(error), name=NAME, folder=folder) from error
    missing = [f"{split}.jsonl" for split in SPLITS if not (folder / f"{split}.jsonl").is_file()]
    if missing:
        raise DataError("splits-missing", folder=folder, files=missing, name=manifest.name)
    return PreparedData(folder, manifest)


# ----------------------------------------------------------------------------------------------------------------- writing
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
    """Write examples as they come and put the whole folder in place at the end, instead of older prepared data of the same name.

    Data whose images are made on the way: draw them into the folder that `staged` gives and call `write_records` there.
    Raises DataError when `folder` holds anything else than prepared data of `name`, or an example does not fit the labels.
    """
    with atomic_directory(folder, name) as stage:
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
def atomic_directory(folder: Path, name: str) -> Iterator[Path]:
    """Give an empty sibling of `folder` to write in, and put it in place of `folder` when the block ends well; else leave no trace.

    What a process that was killed left goes too, once all is well. Raises DataError when `folder` holds anything else than prepared data of
    `name`, or another process is at it.
    """
    check_overwrite(folder, name)
    taken = DataError("prepared-in-use", folder=folder)
    with exclusive_lock(folder.with_name(f".{folder.name}.lock"), taken):
        stage = _draft(folder)
        try:
            apply_umask([stage])
            yield stage
            _replace(stage, folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        for left in folder.parent.glob(f".{escape(folder.name)}~*"):
            shutil.rmtree(left, ignore_errors=True)


def _draft(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}~", dir=folder.parent))


def check_overwrite(folder: Path, name: str) -> None:
    """Raise DataError unless `folder` is absent, empty, or holds prepared data of `name` and nothing else."""
    if not folder.name or folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DataError("output-not-a-folder", folder=folder)
    entries = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    if not entries:
        return
    if MANIFEST not in entries or entries - KNOWN_FILES:
        other = sorted(entries - KNOWN_FILES) or sorted(entries)
        raise DataError("output-holds-other-files", folder=folder, files=other[:3])
    if (held := _held(folder, "name")) != name:
        raise DataError("output-holds-other-data", folder=folder, found=held, expected=name)


def check_same_source(folder: Path, source: str) -> None:
    """Raise DataError where `folder` holds data of another source, and one of them is a user's own, which may bear any name."""
    held = str(_held(folder, "source")) if (folder / MANIFEST).is_file() else source
    if held != source and any(name.startswith(JSONL_SOURCE) for name in (held, source)):
        raise DataError("output-holds-other-source", folder=folder, found=held, expected=source)


def _held(folder: Path, fact: str) -> object:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))[fact]
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
    """Write the splits and the manifest into the folder that `staged` gave; `facts` may be told once the splits have gone by.

    Raises DataError for an example that does not fit.
    """
    counts, digests = {}, {}
    for split in SPLITS:
        counts[split], digests[split] = _write_split(stage / f"{split}.jsonl", splits.get(split, ()), labels, images_root)
    fingerprint = hashlib.sha256("".join(digests[split] for split in SPLITS).encode()).hexdigest()[:16]
    root, beside = _stored_root(images_root, stage)
    known = facts() if callable(facts) else facts or {}
    manifest = Manifest(name, task, labels.names, fingerprint, counts, digests, root, source, text_only, known, objects, beside)
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=2, ensure_ascii=False)
    (stage / MANIFEST).write_text(text + "\n", encoding="utf-8")
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
    """Give `images_root` and `images_relative_root`; `stage` lies where the prepared folder will."""
    if root is None:
        return None, None
    absolute, inside = Path(os.path.abspath(root)), Path(os.path.abspath(stage))
    if absolute.is_relative_to(inside):
        return absolute.relative_to(inside).as_posix(), None
    same_drive = absolute.anchor == inside.anchor
    return str(absolute), Path(os.path.relpath(absolute, inside)).as_posix() if same_drive else None


def _replace(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    old = _draft(folder)
    folder.rename(old / folder.name)
    try:
        stage.rename(folder)
    except BaseException:
        (old / folder.name).rename(folder)
        old.rmdir()
        raise
