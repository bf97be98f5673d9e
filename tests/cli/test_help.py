from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
from importlib.metadata import version
from unittest.mock import Mock

import pytest

from hvpkit import cli
from hvpkit.cli import COMMANDS, app, load_command, output
from hvpkit.errors import TRACEBACK_HINT, DataError, HvpkitError
from hvpkit.messages import Message
from hvpkit.utils import progress as progress_module

HEAVY = ("torch", "torchvision", "transformers", "sklearn", "seqeval", "numpy", "accelerate", "tensorboard")
CHEAP = (
    ["--help"],
    ["--version"],
    ["components"],
    ["recipes"],
    ["recipes", "hvpnet_mner"],
    ["train", "no_such_recipe"],
    ["train", "--help"],
)


def names() -> list[str]:
    return [command.name for command in app.registered_commands if command.name]


def test_help_lists_every_command(hvp):
    typed = hvp("--help")
    assert (typed.code, typed.err) == (0, "")
    for name in names():
        assert name in typed.out


def test_the_order_of_commands_is_that_of_the_work():
    assert names() == list(COMMANDS)


@pytest.mark.parametrize("name", names())
def test_each_command_explains_itself_with_an_example(hvp, name):
    typed = hvp(name, "--help")
    assert (typed.code, typed.err) == (0, "")
    assert f"Example: hvp {name}" in " ".join(typed.out.split())


def test_version_is_that_of_the_package(hvp):
    assert hvp("--version").out == f"hvp {version('hvpkit')}\n"


@pytest.mark.parametrize("words", CHEAP, ids=" ".join)
def test_what_needs_no_model_imports_no_torch(words):
    program = (
        "import sys; from hvpkit.cli import main; sys.argv = ['hvp', *sys.argv[1:]]\n"
        "try: main()\n"
        f"finally: print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stderr


def test_help_imports_no_command_and_nothing_that_commands_need():
    heavy = "('hvpkit', 'pydantic', 'yaml', 'PIL')"
    program = f"import sys; from hvpkit.cli import app; print(sorted(m for m in sys.modules if m.startswith({heavy})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = [
        "hvpkit",
        "hvpkit.cli",
        "hvpkit.cli.output",
        "hvpkit.errors",
        "hvpkit.messages",
        "hvpkit.utils",
        "hvpkit.utils.progress",
        "hvpkit.utils.to_json",
    ]
    assert done.stdout.strip() == str(modules)


@pytest.mark.parametrize("name", names())
def test_list_of_commands_has_the_summary_of_each(name):
    [listed] = [command.callback for command in app.registered_commands if command.name == name]
    assert inspect.getdoc(listed) == inspect.getdoc(load_command(name))


def test_python_m_hvpkit_is_hvp():
    done = subprocess.run([sys.executable, "-m", "hvpkit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"hvp {version('hvpkit')}\n"


@pytest.mark.parametrize(
    ("flags", "levels"),
    [
        ((), ["INFO", "WARNING", "ERROR"]),
        (("-q",), ["WARNING", "ERROR"]),
        (("--quiet",), ["WARNING", "ERROR"]),
        (("-v",), ["DEBUG", "INFO", "WARNING", "ERROR"]),
        (("--verbose",), ["DEBUG", "INFO", "WARNING", "ERROR"]),
    ],
)
def test_quiet_and_verbose_choose_the_messages_and_results_are_always_printed(hvp, monkeypatch, flags, levels):
    def list_recipes(files: object) -> list[object]:
        for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
            logging.getLogger("hvpkit.cli.recipes").log(getattr(logging, name), Message("custom", text=name))
        output.print_message(Message("custom", text="result"))
        return []

    monkeypatch.setattr("hvpkit.cli.recipes.list_recipes", list_recipes)
    typed = hvp(*flags, "recipes", "--json")
    assert (typed.code, typed.out) == (0, "result\n[]\n")
    assert [message.fields["text"] for message in typed.messages] == levels


@pytest.mark.parametrize(("flags", "silent"), [((), False), (("-q",), True), (("-v",), False)])
def test_quiet_shows_no_progress_bars(hvp, monkeypatch, flags, silent):
    backends = []
    monkeypatch.setattr(
        "hvpkit.cli.recipes.list_recipes", lambda files: backends.append(progress_module._backend) or []
    )
    assert hvp(*flags, "recipes").code == 0
    assert (backends == [progress_module.SILENT]) is silent


def test_quiet_and_verbose_exclude_each_other(hvp):
    typed = hvp("-q", "-v", "recipes")
    assert (typed.code, typed.out, typed.errors) == (2, "", ["quiet-with-verbose"])


@pytest.mark.parametrize("words", [["no-such-command"], ["components", "--no-such-option"], ["recipes", "a", "b"]])
def test_a_wrong_command_line_exits_with_2_and_prints_no_result(hvp, words):
    typed = hvp(*words)
    assert (typed.code, typed.out) == (2, "")
    assert "Error" in typed.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (HvpkitError("it failed [b]here[/b]"), 1, Message("custom", text="it failed [b]here[/b]")),
        (DataError("a.txt:3: no tag\na.txt:4: no tag"), 2, Message("custom", text="a.txt:3: no tag\na.txt:4: no tag")),
        (OSError(28, "No space left", "runs/x"), 1, Message("disk-full", reason="No space left", file=": runs/x")),
        (PermissionError(13, "Permission denied"), 1, Message("os-error", reason="Permission denied", file="")),
    ],
)
def test_failures_are_one_message_and_an_exit_code(hvp, monkeypatch, error, code, message):
    monkeypatch.setattr(cli, "app", Mock(side_effect=error))
    typed = hvp()
    assert (typed.code, typed.out, typed.err) == (code, "", f"Error [{message.code}]: {message}\n")
    assert [(printed.code, printed.fields) for printed in typed.messages] == [(message.code, message.fields)]
    typed = hvp("--json")
    assert (typed.code, typed.err) == (code, f"Error [{message.code}]: {message}\n")
    assert json.loads(typed.out) == {"error": {"code": message.code, "message": message, "fields": message.fields}}


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), "stopped"), (KeyboardInterrupt(Message("train-stopped")), "train-stopped")]
)
def test_a_stop_is_one_message_and_exit_code_130(hvp, monkeypatch, stop, code):
    monkeypatch.setattr(cli, "app", Mock(side_effect=stop))
    typed = hvp("--json")
    assert (typed.code, typed.out, typed.err) == (130, "", f"{Message(code)}\n")
    assert [printed.code for printed in typed.messages] == [code]


@pytest.mark.parametrize(
    ("typed", "works", "expected"),
    [
        (("preprocess", "demo"), "hvpkit.preprocessing.preprocess.preprocess", ["preprocess-stopped"]),
        (("experiment", "quick"), "hvpkit.experiments.experiment.execute", ["runs-estimated", "experiment-stopped"]),
        (("recipes",), "hvpkit.cli.recipes.list_recipes", ["stopped"]),
    ],
)
def test_ctrl_c_is_reported(hvp, monkeypatch, tmp_path, typed, works, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(works, Mock(side_effect=KeyboardInterrupt))
    found = hvp(*typed)
    assert (found.code, found.out) == (130, "")
    assert [message.code for message in found.messages] == expected


def test_unexpected_error_is_one_line_with_a_traceback_hint(hvp, monkeypatch):
    def fail() -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(cli, "app", fail)
    typed = hvp()
    assert (typed.code, typed.errors) == (1, ["unexpected-error"])
    fields = typed.fields("unexpected-error")
    assert (fields["type"], fields["reason"], fields["hint"]) == ("RuntimeError", "first line", TRACEBACK_HINT)
    assert fields["location"].startswith(f"{__file__}:")
    assert "Traceback" not in typed.err
    monkeypatch.setenv("HVP_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        cli.main()


@pytest.mark.parametrize("given", [None, "77"])
def test_thread_wait_time_is_short_unless_the_environment_sets_it(hvp, monkeypatch, given):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False) if given is None else monkeypatch.setenv(
        "GOMP_SPINCOUNT", given
    )
    assert hvp("recipes").code == 0
    assert os.environ["GOMP_SPINCOUNT"] == (given or cli.WAIT)


def test_closed_pipe_prints_no_error():
    command = f"{sys.executable} -m hvpkit components --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ)
    assert (done.stdout, done.stderr) == ("[", "")
