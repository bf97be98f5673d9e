import json
import signal
import time

import pytest
from training import runs

from hvpkit.training.workspace import Workspace


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


@pytest.mark.parametrize("moment", ["run.json", "checkpoint-3/model.safetensors", "checkpoint-6/trainer_state.json", "checkpoint-9"])
def test_a_run_killed_at_any_moment_and_resumed_ends_with_the_same_weights(tmp_path, undisturbed, moment):
    recipe, expected = undisturbed
    _kill_when(runs.start(recipe, tmp_path / "run"), (tmp_path / "run.training" / moment).exists)
    assert not (tmp_path / "run").exists()
    slowly = _say_that_it_took(1000.0, Workspace(tmp_path / "run").newest_checkpoint())
    runs.finish(runs.start(recipe, tmp_path / "run", "--resume"))
    assert runs.weights(tmp_path / "run") == expected
    assert (json.loads((tmp_path / "run/metrics.json").read_text())["seconds"] > 1000) == slowly
    assert not (tmp_path / "run.training").exists()
