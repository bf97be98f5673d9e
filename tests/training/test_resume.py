import signal
import time

import pytest
from training import runs


def _kill_when(process, happens):
    deadline = time.monotonic() + 120
    while not happens():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


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
    runs.finish(runs.start(recipe, tmp_path / "run", "--resume"))
    assert runs.weights(tmp_path / "run") == expected
    assert not (tmp_path / "run.training").exists()
