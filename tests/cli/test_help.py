from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from unittest.mock import Mock

import pytest

from hvpkit import cli
from hvpkit.cli import COMMANDS, app, load_command
from hvpkit.errors import DataError, HvpkitError

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
    assert done.stdout.strip() == "['hvpkit', 'hvpkit.cli', 'hvpkit.cli.output', 'hvpkit.errors', 'hvpkit.messages']"


@pytest.mark.parametrize("name", names())
def test_the_list_of_commands_says_what_each_says_of_itself(name):
    [listed] = [command.callback for command in app.registered_commands if command.name == name]
    assert inspect.getdoc(listed) == inspect.getdoc(load_command(name))


def test_python_m_hvpkit_is_hvp():
    done = subprocess.run([sys.executable, "-m", "hvpkit", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"hvp {version('hvpkit')}\n"


@pytest.mark.parametrize("words", [["no-such-command"], ["components", "--no-such-option"], ["recipes", "a", "b"]])
def test_a_wrong_command_line_exits_with_2_and_prints_no_result(hvp, words):
    typed = hvp(*words)
    assert (typed.code, typed.out) == (2, "")
    assert "Error" in typed.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (HvpkitError("it failed [b]here[/b]"), 1, "Error [custom]: it failed [b]here[/b]\n"),
        (DataError("a.txt:3: no tag\na.txt:4: no tag"), 2, "Error [custom]: a.txt:3: no tag\na.txt:4: no tag\n"),
        (
            OSError(28, "No space left on device", "runs/x"),
            1,
            "Error [disk-full]: No space left on device: runs/x; make room, or write elsewhere\n",
        ),
        (PermissionError(13, "Permission denied"), 1, "Error [os-error]: Permission denied\n"),
        (KeyboardInterrupt(), 130, "Stopped\n"),
        (KeyboardInterrupt("Stopped; say it again"), 130, "Stopped; say it again\n"),
    ],
)
def test_failures_are_one_message_and_an_exit_code(hvp, monkeypatch, error, code, message):
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    typed = hvp()
    assert (typed.code, typed.out, typed.err) == (code, "", message)


@pytest.mark.parametrize(
    ("typed", "works", "said"),
    [
        (
            ("preprocess", "demo"),
            "hvpkit.data.preprocess.preprocess",
            "Stopped; the same command goes on: objects and features that were found",
        ),
        (("experiment", "quick"), "hvpkit.experiments.execution.execute", "Stopped; the same command goes on where it was\n"),
        (("recipes",), "hvpkit.cli.recipes.list_recipes", "Stopped\n"),
    ],
)
def test_ctrl_c_is_told(hvp, monkeypatch, tmp_path, typed, works, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(works, Mock(side_effect=KeyboardInterrupt))
    found = hvp(*typed)
    assert (found.code, found.out) == (130, "")
    assert said in found.err


def test_the_unexpected_is_one_line_and_says_how_to_see_more(hvp, monkeypatch):
    def fail() -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(cli, "app", fail)
    typed = hvp()
    assert typed.code == 1
    assert typed.err.splitlines()[0] == "Error [unexpected-error]: RuntimeError: first line"
    assert f"(at {__file__}:" in typed.err
    assert "HVP_TRACEBACK=1" in typed.err
    assert "Traceback" not in typed.err
    monkeypatch.setenv("HVP_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        cli.main()


@pytest.mark.parametrize("given", [None, "77"])
def test_threads_are_told_to_wait_a_little_only_unless_somebody_says_otherwise(hvp, monkeypatch, given):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False) if given is None else monkeypatch.setenv("GOMP_SPINCOUNT", given)
    assert hvp("recipes").code == 0
    assert os.environ["GOMP_SPINCOUNT"] == (given or cli.WAIT)


def test_a_reader_that_goes_away_is_no_error_message():
    command = f"{sys.executable} -m hvpkit components --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ)
    assert (done.stdout, done.stderr) == ("[", "")
