"""Directory of an unfinished run, `<output>.training`, with its recipe and checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from hvpkit.config.yaml_reader import diff_settings
from hvpkit.errors import HvpkitError, InputError
from hvpkit.messages import Message
from hvpkit.saving.model_folder import METRICS, RECIPE
from hvpkit.utils.atomic_write import atomic_file
from hvpkit.utils.file_lock import exclusive_lock

LOGS = "logs"
MEMORY_MAP_PREFIX = ".unread-"  # of directories with memory-mapped weights
# parts of error messages of the operating system and of torch
DISK_FULL_ERRORS = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing")
CHECKPOINT_FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


@dataclass(frozen=True)
class RunDirectory:
    """Directory of an unfinished run.

    Attributes:
        output: Model folder that the run will write.
    """

    output: Path

    @property
    def folder(self) -> Path:
        """Directory of the checkpoints."""
        return self.output.with_name(f"{self.output.name}.training")

    def lock(self) -> AbstractContextManager[None]:
        """Lock the run directory.

        Raises:
            InputError: "output-locked" if another process holds the lock.
        """
        return exclusive_lock(
            self.folder.with_name(f".{self.folder.name}.lock"), InputError("output-locked", output=self.output)
        )

    def check_resumable(self, identity: dict[str, str], resume: bool) -> Path | None:
        """Check that a run may start or, with `resume`, continue.

        Nothing is written. The directory of a run that was killed after it had written its model is removed.

        Args:
            identity: Recipe, data fingerprint, number of processes and plugins by name.
            resume: Whether to continue an unfinished run.

        Returns:
            Checkpoint to continue from; None to start from the beginning.

        Raises:
            InputError: "output-exists" or "output-finished" if the output exists, "run-unfinished" if there is an
                unfinished run but `resume` is false, "unfinished-run-differs" if it has another identity,
                "run-folder-not-empty" if the directory holds other files, "run-file-damaged" if its identity is
                unreadable.
        """
        if self.output.exists():
            self._remove_finished(identity, resume)
            raise InputError("output-exists", output=self.output)
        if not self._identity_file.is_file():
            if names := self._unknown_files():
                raise InputError("run-folder-not-empty", folder=self.folder, names=names[:3])
            return None
        if not resume:
            raise InputError("run-unfinished", folder=self.folder)
        previous = {"number of processes": "1"} | self._load_identity()
        differences = [
            _difference(key, str(previous.get(key, "none")), identity[key])
            for key in sorted(identity)
            if identity[key] != previous.get(key)
        ]
        if differences:
            raise InputError("unfinished-run-differs", folder=self.folder, differences=differences)
        return self.last_checkpoint()

    def _load_identity(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._identity_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                "run-file-damaged", file=self._identity_file, reason=str(error), folder=self.folder
            ) from error

    def _unknown_files(self) -> list[str]:
        """List files other than those that a run writes before its identity file."""
        if self.folder.exists() and not self.folder.is_dir():
            return [self.folder.name]
        return sorted(
            entry.name
            for entry in self.folder.glob("*")
            if entry != self._draft_file and not entry.name.startswith(MEMORY_MAP_PREFIX)
        )

    def _remove_finished(self, identity: dict[str, str], resume: bool) -> None:
        """Remove the directory of a run that was killed after it wrote its model, and raise InputError."""
        if (
            resume
            and self._identity_file.is_file()
            and self._load_identity() == identity
            and self._is_output_of(identity)
        ):
            self.remove()
            raise InputError("output-finished", output=self.output)

    def _is_output_of(self, identity: dict[str, str]) -> bool:
        """Check whether the output is the model folder of this run."""
        try:
            recipe, metrics = ((self.output / name).read_text(encoding="utf-8") for name in (RECIPE, METRICS))
            return (recipe, json.loads(metrics)["data"]["fingerprint"]) == (identity["recipe"], identity["data"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def create(self, identity: dict[str, str]) -> None:
        """Create the directory with its identity file.

        Args:
            identity: Recipe, data fingerprint, number of processes and plugins by name.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._identity_file) as draft:
            draft.write_text(json.dumps(identity, indent=2), encoding="utf-8")

    @property
    def _identity_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def _draft_file(self) -> Path:
        return self.folder / "run.draft"

    def last_checkpoint(self) -> Path | None:
        """Return the last complete checkpoint (the trainer's state is written last), or None."""
        folders = sorted(
            self.folder.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True
        )
        return next((folder for folder in folders if _is_complete(folder)), None)

    @contextmanager
    def cleanup_on_failure(self) -> Iterator[None]:
        """Remove the directory if the block fails before the first checkpoint, as there is nothing to resume."""
        try:
            yield
        except BaseException:
            if self.last_checkpoint() is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextmanager
    def disk_full_errors(self) -> Iterator[None]:
        """Convert the disk-full errors of all libraries to one error.

        Raises:
            HvpkitError: "disk-full-in-training" if the disk is full within the block.
        """
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            if not any(text in str(error) for text in DISK_FULL_ERRORS):
                raise
            raise HvpkitError("disk-full-in-training", folder=self.folder, reason=str(error)) from error

    def remove(self) -> None:
        """Remove the directory of a finished run and move its logs into the model folder."""
        if (self.folder / LOGS).is_dir():
            shutil.move(self.folder / LOGS, self.output / LOGS)
        # checkpoints first: if this is interrupted, the identity file still marks the directory as a run directory
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        shutil.rmtree(self.folder)


def _difference(key: str, previous: str, current: str) -> Message:
    """Describe a difference; for recipes, the settings that differ."""
    if key != "recipe":
        return Message("part-differs", part=key, expected=previous, found=current)
    return Message("recipe-differs", settings=diff_settings(previous, current))


def _is_complete(folder: Path) -> bool:
    if not all((folder / name).is_file() for name in CHECKPOINT_FILES) or not any(folder.glob("rng_state*.pth")):
        return False
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
