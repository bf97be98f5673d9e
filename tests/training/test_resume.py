import json
import signal
import time
from dataclasses import replace

import pytest
import tiny
from raising import raises
from training import runs

from hvpkit.errors import InputError
from hvpkit.registry import load_registry
from hvpkit.training import train as training_run
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.run_directory import RunDirectory
from hvpkit.training.train import train
from hvpkit.training.trainer import MultimodalTrainer


def _kill_when(process, happens):
    deadline = time.monotonic() + 120
    while not happens():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _say_that_it_took(seconds, checkpoint):
    if checkpoint is None:
        return False
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    state["log_history"][-1]["seconds"] = seconds
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    return True


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, mner_data):
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = runs.write_recipe(folder, mner_data.folder)
    runs.finish(runs.start(recipe, folder / "run"))
    return recipe, runs.weights(folder / "run")


@pytest.mark.parametrize(
    "moment", ["run.json", "checkpoint-3/model.safetensors", "checkpoint-6/trainer_state.json", "checkpoint-9"]
)
def test_a_run_killed_at_any_moment_and_resumed_ends_with_the_same_weights(tmp_path, undisturbed, moment):
    recipe, expected = undisturbed
    _kill_when(runs.start(recipe, tmp_path / "run"), (tmp_path / "run.training" / moment).exists)
    assert not (tmp_path / "run").exists()
    slowly = _say_that_it_took(1000.0, RunDirectory(tmp_path / "run").last_checkpoint)
    runs.finish(runs.start(recipe, tmp_path / "run", "--resume"))
    assert runs.weights(tmp_path / "run") == expected
    assert (json.loads((tmp_path / "run/metrics.json").read_text())["seconds"] > 1000) == slowly
    assert not (tmp_path / "run.training").exists()


class Killed(BaseException):
    """Stands for kill -9 within this process."""


def _killed_in(monkeypatch, owner, method, recipe, output):
    def die(*given, **named):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(owner, method, die)
        train(recipe, load_registry(), output)


def _resumed(recipe, output):
    epochs = []
    finished = train(recipe, load_registry(), output, resume=True, callbacks=TrainingCallbacks(on_epoch=epochs.append))
    return finished, [line.epoch for line in epochs]


def _text_recipe(folder, data, *overrides):
    return tiny.recipe(folder, data.folder, "mner", images=False, overrides=overrides)


def test_a_run_that_was_moved_before_its_best_weights_were_loaded_ends_with_them(tmp_path, mner_data, monkeypatch):
    recipe = _text_recipe(tmp_path, mner_data, "train.epochs=8", "train.lr=1e-1")  # the first epoch is the best
    undisturbed = train(recipe, load_registry(), tmp_path / "undisturbed")
    assert undisturbed.best_epoch < 8
    _killed_in(monkeypatch, MultimodalTrainer, "_load_best_model", recipe, tmp_path / "run")
    (tmp_path / "run.training").rename(tmp_path / "moved.training")
    finished, epochs = _resumed(recipe, tmp_path / "moved")
    assert (finished.best_epoch, epochs) == (undisturbed.best_epoch, [])
    assert runs.weights(finished.folder) == runs.weights(undisturbed.folder)


def test_a_run_that_was_killed_while_it_was_scored_trains_no_epoch_again(tmp_path, mner_data, monkeypatch):
    recipe = _text_recipe(tmp_path, mner_data, "train.epochs=4", "train.lr=1e-9")
    _killed_in(monkeypatch, training_run, "finish", recipe, tmp_path / "run")
    finished, epochs = _resumed(recipe, tmp_path / "run")
    assert (finished.best_epoch, epochs) == (4, [])


def test_a_run_that_was_out_of_patience_does_not_go_on(tmp_path, mner_data, monkeypatch):
    recipe = _text_recipe(tmp_path, mner_data, "train.epochs=8", "train.lr=1e-9", "train.patience=3")
    undisturbed = train(recipe, load_registry(), tmp_path / "undisturbed")
    _killed_in(monkeypatch, training_run, "finish", recipe, tmp_path / "run")
    finished, epochs = _resumed(recipe, tmp_path / "run")
    assert (finished.best_epoch, epochs) == (undisturbed.best_epoch, []) == (4, [])
    assert runs.weights(finished.folder) == runs.weights(undisturbed.folder)


def test_a_run_does_not_go_on_with_other_data(tmp_path, mner_data, monkeypatch):
    recipe = _text_recipe(tmp_path, mner_data)
    _killed_in(monkeypatch, training_run, "finish", recipe, tmp_path / "run")
    other = replace(mner_data, manifest=replace(mner_data.manifest, fingerprint="f" * 16))
    monkeypatch.setattr("hvpkit.training.train.open_for", lambda recipe: other)
    with raises(InputError, "run-mismatch", folder=tmp_path / "run.training") as caught:
        train(recipe, load_registry(), tmp_path / "run", resume=True)
    [difference] = caught.value.fields["differences"]
    assert difference.code == "setting-differs"
    assert difference.fields == {"key": "data", "before": mner_data.manifest.fingerprint, "now": "f" * 16}
