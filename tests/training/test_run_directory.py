"""A run is trained by one process, continues only as itself, and leaves nothing but what can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from raising import raises
from safetensors import SafetensorError

from hvpkit.errors import HvpkitError, InputError
from hvpkit.training.run_directory import CHECKPOINT_FILES, RunDirectory

RECIPE = "task: mner\ntrain: {epochs: 3, seed: 1}\n"
RUN = {"recipe": yaml.safe_load(RECIPE), "data": "d", "num_processes": 1}


class Stopped(Exception):
    """Stands for whatever ends training early."""


def run_directory(tmp_path: Path, **changed) -> RunDirectory:
    return RunDirectory(tmp_path / "run", RUN | changed)


def add_checkpoint(folder: Path, step: int, lacking: str | None = None) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    for name in {*CHECKPOINT_FILES, "rng_state.pth"} - {lacking}:
        (checkpoint / name).write_text("{}", encoding="utf-8")
    return checkpoint


def start(tmp_path: Path, *steps: int) -> Path:
    """Start a run that is stopped after its last checkpoint."""
    with pytest.raises(Stopped), run_directory(tmp_path).open() as run:
        for step in steps:
            add_checkpoint(run.folder, step)
        raise Stopped
    return run.folder


def refuse(tmp_path: Path, code: str, resume: bool = True, changed=None, **fields):
    with raises(InputError, code, **fields) as caught, run_directory(tmp_path, **changed or {}).open(resume):
        pytest.fail("opened")
    return caught.value.fields


def write_model(folder: Path, recipe: str = RECIPE, data: str = "d") -> None:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps({"data": {"fingerprint": data}}), encoding="utf-8")


@pytest.mark.parametrize("resume", [False, True])
def test_a_new_run_starts_from_nothing(tmp_path, resume):
    with run_directory(tmp_path).open(resume) as run:
        assert run.last_checkpoint is None
        assert json.loads((tmp_path / "run.training" / "run.json").read_text()) == RUN


def test_a_finished_run_leaves_its_model_and_its_logs(tmp_path):
    with run_directory(tmp_path).open() as run:
        add_checkpoint(run.folder, 3)
        (run.folder / "logs").mkdir()
        write_model(tmp_path / "run")
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert names == ["run", "run/logs", "run/metrics.json", "run/recipe.yaml"]


def test_a_failure_before_the_first_checkpoint_leaves_nothing(tmp_path):
    start(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failure_after_a_checkpoint_can_be_resumed(tmp_path):
    start(tmp_path, 9, 10)
    with run_directory(tmp_path).open(resume=True) as run:
        assert run.last_checkpoint == tmp_path / "run.training" / "checkpoint-10"  # by number, not by name


def test_other_processes_of_one_run_write_nothing(tmp_path):
    with run_directory(tmp_path).open(is_main_process=False) as run:
        assert run.last_checkpoint is None
        assert not list(tmp_path.iterdir())


def test_drafts_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".run~k1lled").mkdir()
    (tmp_path / ".run-b~k1lled").mkdir()
    start(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run-b~k1lled", "run.training"]


def test_an_output_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    refuse(tmp_path, "output-exists", output=tmp_path / "run")


def test_what_a_run_left_that_was_killed_at_its_very_end_goes_with_resume(tmp_path):
    folder = start(tmp_path, 3)
    (folder / "logs").mkdir()
    write_model(tmp_path / "run")
    for changed, resume in (({}, False), ({"data": "other"}, True)):
        refuse(tmp_path, "output-exists", resume, changed, output=tmp_path / "run")
        assert folder.is_dir()
    refuse(tmp_path, "output-finished", output=tmp_path / "run")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["logs", "metrics.json", "recipe.yaml", "run"]


@pytest.mark.parametrize("other", [None, {"data": "other"}, {"recipe": "task: mre\n"}])
def test_what_an_unfinished_run_has_stays_whatever_lies_where_it_goes(tmp_path, other):
    folder = start(tmp_path, 3)
    if other is None:
        (tmp_path / "run").mkdir()
    else:
        write_model(tmp_path / "run", **other)
    refuse(tmp_path, "output-exists", output=tmp_path / "run")
    assert (folder / "checkpoint-3").is_dir()


def test_damaged_run_file_is_reported(tmp_path):
    folder = start(tmp_path, 3)
    (folder / "run.json").write_text("{", encoding="utf-8")
    refuse(tmp_path, "run-file-damaged", file=folder / "run.json")


def test_a_folder_of_something_else_is_not_trained_in(tmp_path):
    folder = tmp_path / "run.training"
    folder.mkdir()
    (folder / ".run.json~k1lled").touch()  # of a run that was killed as it began
    (folder / ".git").mkdir()
    (folder / "thesis.tex").touch()
    for resume in (False, True):
        refuse(tmp_path, "run-folder-not-empty", resume, folder=folder, names=[".git", "thesis.tex"])
    (folder / ".git").rmdir()
    (folder / "thesis.tex").unlink()
    with run_directory(tmp_path).open() as run:
        assert run.folder == folder
    (tmp_path / "file.training").touch()
    with raises(InputError, "run-folder-not-empty", folder=tmp_path / "file.training", names=["file.training"]):
        with RunDirectory(tmp_path / "file", RUN).open():
            pytest.fail("opened")


def test_a_run_is_trained_by_one_process(tmp_path):
    output = tmp_path / "runs" / "run"
    with pytest.raises(Stopped), RunDirectory(output, RUN).open():
        with raises(InputError, "output-locked", output=output), RunDirectory(output, RUN).open():
            pytest.fail("opened")
        raise Stopped
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_not_started_over_by_accident(tmp_path):
    start(tmp_path, 3)
    refuse(tmp_path, "run-unfinished", resume=False, folder=tmp_path / "run.training")


def test_a_run_of_something_else_is_not_gone_on_with(tmp_path):
    start(tmp_path, 3)
    changed = {"data": "e", "recipe": yaml.safe_load("task: mner\ntrain: {epochs: 4, seed: 1}\nhead: crf\n")}
    fields = refuse(tmp_path, "run-mismatch", changed=changed, run="run", folder=tmp_path / "run.training")
    assert [difference.fields for difference in fields["differences"]] == [
        {"key": "data", "before": "d", "now": "e"},
        {"key": "recipe.head", "before": "unset", "now": "crf"},
        {"key": "recipe.train.epochs", "before": "3", "now": "4"},
    ]


@pytest.mark.parametrize("lacking", sorted({*CHECKPOINT_FILES, "rng_state.pth"}))
def test_a_checkpoint_cut_off_while_it_was_written_is_passed_over(tmp_path, lacking):
    folder = start(tmp_path, 5)
    add_checkpoint(folder, 10, lacking)
    assert run_directory(tmp_path).last_checkpoint == folder / "checkpoint-5"


def test_a_checkpoint_whose_state_is_half_written_is_passed_over(tmp_path):
    folder = start(tmp_path, 5)
    (folder / "checkpoint-5" / "trainer_state.json").write_text('{"epoch": 1', encoding="utf-8")
    assert run_directory(tmp_path).last_checkpoint is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError(
            "[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/12: file write failed"  # noqa: E501
        ),
    ],
)
def test_full_disk_is_reported_with_how_to_resume(tmp_path, error):
    with raises(HvpkitError, "disk-full-in-training", folder=tmp_path / "run.training", reason=str(error)):
        with run_directory(tmp_path).open() as run:
            add_checkpoint(run.folder, 3)
            raise error
    assert (tmp_path / "run.training" / "checkpoint-3").is_dir()
