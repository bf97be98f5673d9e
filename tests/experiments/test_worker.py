"""The process of a run: it ends when its parent closes stdin.

And decodes images in processes of its own meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tiny
from raising import raises

from hvpkit.errors import HvpkitError
from hvpkit.experiments.worker import Job, run_job

SCRIPT = """
import sys, threading
from hvpkit.experiments.worker import _exit_with_parent
from hvpkit.utils.parallel import WorkerPool

sys.stdin.readline()
threading.Thread(target=_exit_with_parent, daemon=True).start()
with WorkerPool(abs, few=0, count=2, fork=True) as pool:
    print(list(pool.ordered_map([-1, -2, -3])), flush=True)
{last}
"""


@contextmanager
def started(last: str = "") -> Iterator[subprocess.Popen[str]]:
    script = [sys.executable, "-c", SCRIPT.format(last=last)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write("{}\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def test_processes_forked_while_it_waits_on_stdin_do_their_work():
    with started() as process:
        assert process.wait(60) == 0  # stdin is still open
        assert process.stdout.read() == "[1, 2, 3]\n"


def test_it_ends_with_its_parent_process():
    with started("threading.Event().wait()") as process:
        assert process.stdout.readline() == "[1, 2, 3]\n"
        process.stdin.close()
        assert process.wait(60) == 1


def test_model_of_another_plugin_is_not_a_run_of_this_plan(tmp_path, mner_data):
    plugins = [tmp_path / name / "even.py" for name in ("before", "after")]
    for number, plugin in enumerate(plugins):
        plugin.parent.mkdir()
        lines = (
            "from hvpkit.model.gates import build_flat",
            "from hvpkit.hookspecs import hookimpl",
            "@hookimpl",
            "def register_gates(register):",
        )
        plugin.write_text("\n".join((*lines, f"    register('even', build_flat)  # {number}\n")), encoding="utf-8")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    (tmp_path / "run.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    model = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data, (plugins[0],))

    def result(plugin: Path) -> dict[str, object]:
        job = Job("run", str(tmp_path / "run.yaml"), str(model), str(tmp_path / "found.jsonl"), plugins=(str(plugin),))
        return run_job(job, lambda fields: None)

    assert set(result(plugins[0])) >= {"dev", "test"}
    with raises(HvpkitError, "run-plugins-changed", model=model) as error:
        result(plugins[1])
    (change,) = error.value.fields["changes"]
    assert (change.code, change.fields["component"]) == ("plugin-changed", "gate even")
    assert change.fields["found"] != change.fields["expected"]
    assert all(change.fields[which].startswith("even.py ") for which in ("found", "expected"))
