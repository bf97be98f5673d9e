"""Directory of an unfinished run, `<output>.training`, with its identity and checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError

from hvpkit.config.compatibility import component_plugins
from hvpkit.config.recipe import Recipe
from hvpkit.errors import HvpkitError, InputError
from hvpkit.registry import Registry
from hvpkit.saving.model_folder import METRICS, RECIPE
from hvpkit.utils.atomic_write import check_overwrite, remove_drafts
from hvpkit.utils.file_lock import exclusive_lock
from hvpkit.utils.run_identity import (
    FILE,
    check_identity,
    diff_settings,
    library_versions,
    load_identity,
    write_identity,
)

LOGS = "logs"
# parts of error messages of the operating system and of torch
DISK_FULL_ERRORS = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing")
CHECKPOINT_FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


def run_identity(recipe: Recipe, registry: Registry, data: str, num_processes: int) -> dict[str, Any]:
    """Return what determines the weights of a run.

    Args:
        recipe: Recipe that is trained.
        registry: Registry of its components.
        data: Fingerprint of the prepared data.
        num_processes: Number of processes of torchrun.
    """
    return {
        "recipe": yaml.safe_load(recipe.to_yaml()),
        "data": data,
        "num_processes": num_processes,
        "plugins": component_plugins(recipe, registry),
        "versions": library_versions(),
    }


@dataclass(frozen=True)
class RunDirectory:
    """Directory of an unfinished run.

    Attributes:
        output: Model folder that the run will write.
        identity: Identity of the run, see `run_identity`.
    """

    output: Path
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Directory of the checkpoints."""
        return self.output.with_name(f"{self.output.name}.training")

    @contextmanager
    def open(self, resume: bool = False, is_main_process: bool = True) -> Iterator[RunDirectory]:
        """Start a run, or continue an unfinished one with `resume`.

        The directory is locked in the block. It is removed at its end if the model folder was written, and on an error
        before the first checkpoint, as there is nothing to resume.

        Args:
            resume: Whether to continue an unfinished run.
            is_main_process: Whether this is the first process of torchrun; the others only read the directory.

        Raises:
            InputError: "output-locked" if another process trains the output, "output-exists" or "output-finished" if
                the output exists, "run-unfinished" if there is an unfinished run but `resume` is false,
                "run-mismatch" if it has another identity, "run-folder-not-empty" if the directory holds other files,
                "run-file-damaged" if its identity is unreadable. Nothing was written then.
            HvpkitError: "disk-full-in-training" if the disk is full within the block.
        """
        if not is_main_process:
            with self._disk_full_errors():
                yield self
            return
        lock = self.folder.with_name(f".{self.folder.name}.lock")
        with exclusive_lock(lock, InputError("output-locked", output=self.output)):
            self._check_resumable(resume)
            remove_drafts(self.output)
            with self._disk_full_errors(), self._cleanup_on_failure():
                write_identity(self._identity_file, self.identity)
                yield self
            if self.output.exists():
                self._remove()

    def _check_resumable(self, resume: bool) -> None:
        """Check that the run may start or, with `resume`, continue; remove the rest of a finished run."""
        check_overwrite(self.output, lambda output: resume and self._remove_finished())
        previous = load_identity(self._identity_file) if self.folder.is_dir() else None
        if previous is None:
            if names := self._unknown_files():
                raise InputError("run-folder-not-empty", folder=self.folder, names=names[:3])
            return
        if not resume:
            raise InputError("run-unfinished", folder=self.folder)
        check_identity(self.output.name, self.folder, previous, self.identity)

    def _unknown_files(self) -> list[str]:
        """List files other than those that a run writes before its identity file."""
        if self.folder.exists() and not self.folder.is_dir():
            return [self.folder.name]
        return sorted(entry.name for entry in self.folder.glob("*") if not entry.name.startswith(f".{FILE}~"))

    def _remove_finished(self) -> bool:
        """Remove the directory of a run that was killed after it wrote its model, and raise InputError."""
        previous = load_identity(self._identity_file)
        if previous is not None and not diff_settings(previous, self.identity) and self._is_output_of_run():
            self._remove()
            raise InputError("output-finished", output=self.output)
        return False

    def _is_output_of_run(self) -> bool:
        """Check whether the output is the model folder of this run."""
        try:
            recipe, metrics = ((self.output / name).read_text(encoding="utf-8") for name in (RECIPE, METRICS))
            found = (yaml.safe_load(recipe), json.loads(metrics)["data"]["fingerprint"])
            return found == (self.identity["recipe"], self.identity["data"])
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            return False

    @property
    def _identity_file(self) -> Path:
        return self.folder / FILE

    @property
    def last_checkpoint(self) -> Path | None:
        """The last complete checkpoint (the trainer's state is written last), or None."""
        folders = sorted(
            self.folder.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True
        )
        return next((folder for folder in folders if _is_complete(folder)), None)

    @contextmanager
    def _cleanup_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self.last_checkpoint is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextmanager
    def _disk_full_errors(self) -> Iterator[None]:
        """Convert the disk-full errors of all libraries to one error."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            if not any(text in str(error) for text in DISK_FULL_ERRORS):
                raise
            raise HvpkitError("disk-full-in-training", folder=self.folder, reason=str(error)) from error

    def _remove(self) -> None:
        """Remove the directory of a finished run and move its logs into the model folder."""
        if (self.folder / LOGS).is_dir():
            shutil.move(self.folder / LOGS, self.output / LOGS)
        # checkpoints first: if this is interrupted, the identity file still marks the directory as a run directory
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        shutil.rmtree(self.folder)


def _is_complete(folder: Path) -> bool:
    if not all((folder / name).is_file() for name in CHECKPOINT_FILES) or not any(folder.glob("rng_state*.pth")):
        return False
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
