import json

import pytest
from raising import raises
from safetensors import SafetensorError

from hvpkit.errors import HvpkitError, InputError
from hvpkit.training.run_directory import CHECKPOINT_FILES, RunDirectory

RUN = {"recipe": "task: mner\ntrain: {epochs: 3, seed: 1}\n", "data": "d", "number of processes": "1"}


def _checkpoint(workspace, step, lacking=None):
    folder = workspace.folder / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in {*CHECKPOINT_FILES, "rng_state.pth"} - {lacking}:
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def _model(folder, identity):
    folder.mkdir()
    (folder / "recipe.yaml").write_text(identity["recipe"], encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps({"data": {"fingerprint": identity["data"]}}), encoding="utf-8")


def test_a_new_run_starts_from_nothing(tmp_path):
    workspace = RunDirectory(tmp_path / "run")
    assert workspace.check_resumable(RUN, resume=False) is None
    assert not list(tmp_path.iterdir())
    workspace.create(RUN)
    assert json.loads((tmp_path / "run.training" / "run.json").read_text()) == RUN


def test_an_output_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    with raises(InputError, "output-exists", output=tmp_path / "run"):
        RunDirectory(tmp_path / "run").check_resumable(RUN, resume=True)


def test_what_a_run_left_that_was_killed_at_its_very_end_goes_with_resume(tmp_path):
    workspace = RunDirectory(tmp_path / "run")
    workspace.create(RUN)
    _checkpoint(workspace, 3)
    (workspace.folder / "logs").mkdir()
    _model(tmp_path / "run", RUN)
    for identity, resume in ((RUN, False), (RUN | {"data": "other"}, True)):
        with raises(InputError, "output-exists", output=tmp_path / "run"):
            workspace.check_resumable(identity, resume)
        assert workspace.folder.is_dir()
    with raises(InputError, "output-finished", output=tmp_path / "run"):
        workspace.check_resumable(RUN, resume=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["logs", "metrics.json", "recipe.yaml", "run"]


@pytest.mark.parametrize("other", [None, {"data": "other"}, {"recipe": "task: mre\n"}])
def test_what_an_unfinished_run_has_stays_whatever_lies_where_it_goes(tmp_path, other):
    workspace = RunDirectory(tmp_path / "run")
    workspace.create(RUN)
    kept = _checkpoint(workspace, 3)
    if other is None:
        (tmp_path / "run").mkdir()
    else:
        _model(tmp_path / "run", RUN | other)
    with raises(InputError, "output-exists", output=tmp_path / "run"):
        workspace.check_resumable(RUN, resume=True)
    assert kept.is_dir()


@pytest.mark.parametrize("text", ["", "[1]", '{"recipe": '])
def test_damaged_run_file_is_reported(tmp_path, text):
    workspace = RunDirectory(tmp_path / "run")
    workspace.create(RUN)
    (workspace.folder / "run.json").write_text(text, encoding="utf-8")
    with raises(InputError, "run-file-damaged", file=workspace.folder / "run.json", folder=tmp_path / "run.training"):
        workspace.check_resumable(RUN, resume=True)


def test_a_folder_of_something_else_is_not_trained_in(tmp_path):
    workspace = RunDirectory(tmp_path / "run")
    workspace.folder.mkdir()
    (workspace.folder / "run.draft").touch()  # of a run that was killed as it began
    (workspace.folder / ".unread-a").mkdir()  # of another process of this one
    assert workspace.check_resumable(RUN, resume=False) is None
    (workspace.folder / ".git").mkdir()
    (workspace.folder / "thesis.tex").touch()
    for resume in (False, True):
        with raises(InputError, "run-folder-not-empty", folder=tmp_path / "run.training", names=[".git", "thesis.tex"]):
            workspace.check_resumable(RUN, resume)
    (tmp_path / "file.training").touch()
    with raises(InputError, "run-folder-not-empty", folder=tmp_path / "file.training", names=["file.training"]):
        RunDirectory(tmp_path / "file").check_resumable(RUN, resume=False)


def test_a_run_is_trained_by_one_process(tmp_path):
    with (
        RunDirectory(tmp_path / "runs" / "run").lock(),
        raises(InputError, "output-locked", output=tmp_path / "runs" / "run"),
    ):
        with RunDirectory(tmp_path / "runs" / "run").lock():
            pass
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_not_started_over_by_accident(tmp_path):
    RunDirectory(tmp_path / "run").create(RUN)
    with raises(InputError, "run-unfinished", folder=tmp_path / "run.training"):
        RunDirectory(tmp_path / "run").check_resumable(RUN, resume=False)


@pytest.mark.parametrize("changed", ["data", "number of processes"])
def test_a_run_of_something_else_is_not_gone_on_with(tmp_path, changed):
    RunDirectory(tmp_path / "run").create(RUN)
    with raises(InputError, "unfinished-run-differs", folder=tmp_path / "run.training") as caught:
        RunDirectory(tmp_path / "run").check_resumable(RUN | {changed: "other"}, resume=True)
    [difference] = caught.value.fields["differences"]
    assert (difference.code, difference.fields) == (
        "part-differs",
        {"part": changed, "expected": RUN[changed], "found": "other"},
    )


def test_the_settings_of_another_recipe_are_named(tmp_path):
    RunDirectory(tmp_path / "run").create(RUN)
    other = RUN | {"recipe": "task: mner\ntrain: {epochs: 4, seed: 1}\nhead: crf\n"}
    with raises(InputError, "unfinished-run-differs") as caught:
        RunDirectory(tmp_path / "run").check_resumable(other, resume=True)
    [difference] = caught.value.fields["differences"]
    assert difference.code == "recipe-differs"
    assert [setting.partition(":")[0] for setting in difference.fields["settings"]] == ["head", "train.epochs"]
    assert all(value in str(difference) for value in ("unset", "crf", "3", "4"))


def test_the_newest_checkpoint_is_by_number_not_by_name(tmp_path):
    workspace = RunDirectory(tmp_path / "run")
    workspace.create(RUN)
    _checkpoint(workspace, 9)
    newest = _checkpoint(workspace, 10)
    assert workspace.check_resumable(RUN, resume=True) == newest


@pytest.mark.parametrize("lacking", sorted({*CHECKPOINT_FILES, "rng_state.pth"}))
def test_a_checkpoint_cut_off_while_it_was_written_is_passed_over(tmp_path, lacking):
    workspace = RunDirectory(tmp_path / "run")
    whole = _checkpoint(workspace, 5)
    _checkpoint(workspace, 10, lacking)
    assert workspace.last_checkpoint() == whole


def test_a_checkpoint_whose_state_is_half_written_is_passed_over(tmp_path):
    workspace = RunDirectory(tmp_path / "run")
    (_checkpoint(workspace, 5) / "trainer_state.json").write_text('{"epoch": 1', encoding="utf-8")
    assert workspace.last_checkpoint() is None


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
        with RunDirectory(tmp_path / "run").disk_full_errors():
            raise error


def test_another_failure_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="^shapes$"), RunDirectory(tmp_path / "run").disk_full_errors():
        raise RuntimeError("shapes")
