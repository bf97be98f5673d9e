"""Where a run lives until it is done: `<output>.training`, with its recipe and checkpoints."""

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
from hvpkit.utils.file_lock import exclusive_lock

LOGS = "logs"
UNREAD = ".unread-"  # what folders of weights that training does not read begin with
FULL = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing")  # by the system, and by torch
NEEDED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


@dataclass(frozen=True)
class RunDirectory:
    """The folder of an unfinished run; a finished one is renamed to `output`, whole."""

    output: Path

    @property
    def folder(self) -> Path:
        """Give the folder that holds checkpoints."""
        return self.output.with_name(f"{self.output.name}.training")

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes off; raises InputError when one is at it."""
        return exclusive_lock(self.folder.with_name(f".{self.folder.name}.lock"), InputError("output-locked", output=self.output))

    def check_resumable(self, identity: dict[str, str], resume: bool) -> Path | None:
        """Check that a run of this identity may start, or with `resume` go on; gives the checkpoint to go on from.

        Nothing is written; what a run that was killed at its very end left is removed. Raises InputError when the output is there already,
        an unfinished run is in the way, or it is a run of something else: of another recipe, say.
        """
        if self.output.exists():
            self._end(identity, resume)
            raise InputError("output-exists", output=self.output)
        if not self._note.is_file():
            if others := self._others():
                raise InputError("run-folder-not-empty", folder=self.folder, names=others[:3])
            return None
        if not resume:
            raise InputError("run-unfinished", folder=self.folder)
        started = {"number of processes": "1"} | self._started()
        differing = [
            _difference(key, str(started.get(key, "none")), identity[key]) for key in sorted(identity) if identity[key] != started.get(key)
        ]
        if differing:
            raise InputError("unfinished-run-differs", folder=self.folder, differences=differing)
        return self.last_checkpoint()

    def _started(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError("run-file-damaged", file=self._note, reason=str(error), folder=self.folder) from error

    def _others(self) -> list[str]:
        """Name what is in the folder, or is it, that no run put there before its note."""
        if self.folder.exists() and not self.folder.is_dir():
            return [self.folder.name]
        return sorted(entry.name for entry in self.folder.glob("*") if entry != self._draft and not entry.name.startswith(UNREAD))

    def _end(self, identity: dict[str, str], resume: bool) -> None:
        """End a run that was killed between its model and the removal of this folder; raises InputError when there was one."""
        if resume and self._note.is_file() and self._started() == identity and self._is_model_of(identity):
            self.remove()
            raise InputError("output-finished", output=self.output)

    def _is_model_of(self, identity: dict[str, str]) -> bool:
        """Tell whether the output is what this run was to give (a model folder is whole or not there)."""
        try:
            recipe, metrics = ((self.output / name).read_text(encoding="utf-8") for name in (RECIPE, METRICS))
            return (recipe, json.loads(metrics)["data"]["fingerprint"]) == (identity["recipe"], identity["data"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def create(self, identity: dict[str, str]) -> None:
        """Note whose run this is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._draft.write_text(json.dumps(identity, indent=2), encoding="utf-8")
        self._draft.rename(self._note)

    @property
    def _note(self) -> Path:
        return self.folder / "run.json"

    @property
    def _draft(self) -> Path:
        return self.folder / "run.draft"

    def last_checkpoint(self) -> Path | None:
        """Find the last checkpoint that was written to its end (the trainer's state is written last)."""
        folders = sorted(self.folder.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True)
        return next((folder for folder in folders if _whole(folder)), None)

    @contextmanager
    def cleanup_on_failure(self) -> Iterator[None]:
        """Remove the folder when the block fails before the run's first checkpoint: it would only be in the way."""
        try:
            yield
        except BaseException:
            if self.last_checkpoint() is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextmanager
    def disk_full_errors(self) -> Iterator[None]:
        """Say where there was no room left, whichever library wrote; raises HvpkitError."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            if not any(said in str(error) for said in FULL):
                raise
            raise HvpkitError("disk-full-in-training", folder=self.folder, reason=str(error)) from error

    def remove(self) -> None:
        """Remove the folder of a run that is done; its logs go with the model."""
        if (self.folder / LOGS).is_dir():
            shutil.move(self.folder / LOGS, self.output / LOGS)
        for checkpoint in self.folder.glob("checkpoint-*"):  # first: without its note the folder would be nobody's
            shutil.rmtree(checkpoint)
        shutil.rmtree(self.folder)


def _difference(key: str, started: str, now: str) -> Message:
    """Name what is another one; of recipes, the settings that differ."""
    if key != "recipe":
        return Message("part-differs", part=key, expected=started, found=now)
    return Message("recipe-differs", settings=diff_settings(started, now))


def _whole(folder: Path) -> bool:
    if not all((folder / name).is_file() for name in NEEDED) or not any(folder.glob("rng_state*.pth")):
        return False
    try:
        json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
