"""`hvp train` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
import tiny

from hvpkit.cli import output
from hvpkit.cli.epoch_log import EpochLog, format_duration
from hvpkit.config.loading import load_recipe
from hvpkit.messages import log_to
from hvpkit.training.callbacks import EpochResult

GATE = """
from hvpkit.model.gates import build_flat
from hvpkit.hookspecs import hookimpl

@hookimpl
def register_gates(register):
    register("even", build_flat)
"""


@pytest.fixture
def here(tmp_path, monkeypatch, mner_data) -> Path:
    """Work in an empty folder with a recipe, tiny.yaml."""
    monkeypatch.chdir(tmp_path)
    tiny.recipe(tmp_path, mner_data.folder, "mner", images=False)
    return tmp_path


def test_a_recipe_becomes_a_model_with_a_line_an_epoch_and_a_table_of_test(hvp, here, mner_data):
    typed = hvp("train", "tiny.yaml", "--set", "train.epochs=2")
    assert typed.code == 0
    assert typed.err.splitlines() == list(typed.messages)
    assert [message.code for message in typed.messages] == ["training-started", "epoch-scored", "epoch-scored"]
    start, *epochs = (message.fields for message in typed.messages)
    assert (start["examples"], start["steps"], start["epochs"], start["device"]) == (12, 3, 2, "cpu")
    assert [(fields["epoch"], fields["epochs"]) for fields in epochs] == [(1, 2), (2, 2)]
    scores = json.loads((here / "runs" / "tiny" / "metrics.json").read_text(encoding="utf-8"))["dev"]["overall"]
    [best] = [fields for fields in epochs if fields["best"]][-1:]
    assert [best[name] for name in ("precision", "recall", "f1")] == [
        100 * scores[name] for name in ("precision", "recall", "f1")
    ]
    assert f"test: tiny ({mner_data.manifest.fingerprint}), epoch " in typed.out
    assert typed.notes[-1] == "model-written"
    assert typed.fields("model-written") == {"model": Path("runs/tiny")}
    assert (here / "runs" / "tiny" / "model.json").is_file()


def test_json_is_one_document_of_the_scores(hvp, here):
    typed = hvp("train", "tiny.yaml", "--output", "there", "--json")
    printed = json.loads(typed.out)
    assert (typed.code, printed["model"], printed["best_epoch"]) == (0, "there", 1)
    assert set(printed["test"]["by_label"]) == {"PER", "LOC"}


def test_settings_are_those_of_the_model(hvp, here):
    assert hvp("train", "tiny.yaml", "--set", "train.seed=5", "--set", "head={name: crf, dropout: 0.3}").code == 0
    recipe = (here / "runs" / "tiny" / "recipe.yaml").read_text(encoding="utf-8")
    assert "seed: 5" in recipe and "dropout: 0.3" in recipe


def test_gate_of_a_plugin_is_trained_and_needed_for_loading(hvp, here, mner_data):
    (here / "even.py").write_text(GATE, encoding="utf-8")
    tiny.recipe(here, mner_data.folder, "mner")
    words = ("train", "tiny.yaml", "--set", "fusion.gate=even")
    typed = hvp(*words)
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["recipe-invalid"]
    [problem] = typed.fields("recipe-invalid")["problems"]
    assert (problem.location, problem.message.code) == ("--set fusion.gate=even", "unknown-component")
    assert (problem.message.fields["kind"], problem.message.fields["name"]) == ("gate", "even")
    assert hvp(*words, "--plugin", "even.py").code == 0
    [gate] = hvp("eval", "runs/tiny").fields("components-not-installed")["components"]
    assert (gate.code, gate.fields["kind"], gate.fields["name"]) == ("component-of", "gate", "even")
    assert "even.py" in gate.fields["source"]
    assert hvp("eval", "runs/tiny", "--plugin", "even.py").code == 0


def test_run_is_not_resumed_with_a_changed_plugin(hvp, here, mner_data, monkeypatch):
    for name in ("even.py", "later/even.py"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(GATE + f"# {name}\n", encoding="utf-8")
    tiny.recipe(here, mner_data.folder, "mner")
    words = ("train", "tiny.yaml", "--set", "fusion.gate=even", "--plugin")
    with monkeypatch.context() as patched:
        patched.setattr("hvpkit.training.train.finish", Mock(side_effect=KeyboardInterrupt))
        hvp(*words, "even.py")
    typed = hvp(*words, "later/even.py", "--resume")
    assert (typed.code, typed.errors) == (2, ["run-mismatch"])
    [difference] = typed.fields("run-mismatch")["differences"]
    assert (difference.code, difference.fields["key"]) == ("setting-differs", "plugins.gate even")
    assert difference.fields["before"] != difference.fields["now"]
    assert hvp(*words, "even.py", "--resume").code == 0


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        (("none.yaml",), "recipe-missing", {"file": "none.yaml"}),
        (("tiny.yaml", "--set", "data.folder=nowhere"), "no-prepared-data", {"folder": Path("nowhere")}),
        (("tiny.yaml", "--set", "data.folder=nowhere", "--resume"), "no-prepared-data", {"folder": Path("nowhere")}),
        (("tiny.yaml", "--output", "taken"), "output-exists", {"output": Path("taken")}),
        (("tiny.yaml", "--output", "taken", "--resume"), "output-exists", {"output": Path("taken")}),
    ],
)
def test_untrainable_recipe_is_refused_with_one_message(hvp, here, words, code, fields):
    values = refused(hvp, here, words, code)
    assert values | fields == values


@pytest.mark.parametrize(
    ("words", "location", "code", "fields"),
    [
        (("broken.yaml",), "broken.yaml:1", "not-yaml", {}),
        (("tiny.yaml", "--set", "train.epoch=3"), "--set train.epoch=3", "unknown-key", {"key": "train.epoch"}),
        (("tiny.yaml", "--set", "train.lr"), "--set train.lr", "override-without-value", {}),
    ],
)
def test_unreadable_recipe_is_refused_with_one_message(hvp, here, words, location, code, fields):
    [problem] = refused(hvp, here, words, "recipe-invalid")["problems"]
    assert (problem.location, problem.message.code) == (location, code)
    assert problem.message.fields | fields == problem.message.fields


def test_missing_recipe_is_reported_with_nearest_name(hvp, here):
    values = refused(hvp, here, ("hvpnet_mnr",), "recipe-missing")
    assert values["file"] == "hvpnet_mnr"
    assert "hvpnet_mner" in values["hint"] and "bert_mre" not in values["hint"]


def test_missing_plugin_file_is_reported(hvp, here):
    assert refused(hvp, here, ("tiny.yaml", "--plugin", "none.py"), "plugin-file-missing") == {"file": here / "none.py"}


def refused(hvp, here, words, code):
    """Type a training that is refused with an error of a code; gives the error's fields."""
    (here / "broken.yaml").write_text("task: [", encoding="utf-8")
    (here / "taken").mkdir()
    typed = hvp("train", *words)
    assert (typed.code, typed.out) == (2, "")
    assert (typed.errors, len(typed.messages)) == ([code], 1)
    assert "Traceback" not in typed.err
    assert sorted(path.name for path in here.iterdir()) == ["broken.yaml", "taken", "tiny.yaml"]
    return typed.fields(code)


def test_several_faults_of_a_recipe_come_at_once_with_their_lines(hvp, here):
    text = "task: mner\ndata: {name: a, max_lenth: 5}\ntext: {name: b}\nhead: crff\ntrain: {lr: 1e-5, epochs: '3', lr: 2e-5}\n"  # noqa: E501
    (here / "faulty.yaml").write_text(text, encoding="utf-8")
    typed = hvp("train", "faulty.yaml")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["recipe-invalid"]
    problems = typed.fields("recipe-invalid")["problems"]
    repeated, unknown, epochs, head = (problem.message for problem in problems)
    assert [(problem.location, problem.message.code) for problem in problems] == [
        ("faulty.yaml:5", "repeated-key"),
        ("faulty.yaml:2", "unknown-key"),
        ("faulty.yaml:5", "wrong-type"),
        ("faulty.yaml:4", "unknown-component"),
    ]
    assert repeated.fields == {"key": "train.lr", "line": 5}
    assert (unknown.fields["key"], "max_length" in unknown.fields["hint"]) == ("data.max_lenth", True)
    assert (epochs.fields["key"], epochs.fields["found"]) == ("train.epochs", "'3'")
    assert (head.fields["kind"], head.fields["name"], "crf" in head.fields["hint"]) == ("head", "crff", True)
    for location in ("faulty.yaml:2: ", "faulty.yaml:4: ", "faulty.yaml:5: "):
        assert location in typed.err


def test_interrupted_run_names_the_command_that_resumes_it(hvp, here, monkeypatch):
    from hvpkit.training import train

    def interrupted(*parts: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    typed = hvp("train", "tiny.yaml")
    assert (typed.code, typed.out) == (130, "")
    assert [message.code for message in typed.messages] == ["train-stopped"]
    assert typed.err == f"{typed.messages[0]}\n"


def test_lines_of_epochs_are_aligned(capsys):
    epochs = EpochLog(load_recipe("quickstart"))
    with log_to(output.MessageHandler()):
        for epoch in (9, 10):
            epochs.log_epoch(EpochResult(epoch, 10, 0.5, None, False, 1.5))
    first, second = capsys.readouterr().err.splitlines()
    assert len(first) == len(second)
    assert first.index("9/10") == second.index("0/10")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5_900, "98 min"), (6_000, "1.7 h"), (36_000, "10 h")],
)
def test_durations_are_short(seconds, text):
    assert format_duration(seconds) == text


def test_run_is_resumed_with_the_same_number_of_processes(hvp, here, monkeypatch):
    """Another number makes other steps of an epoch, so that epochs would be left out or done twice."""
    from hvpkit.training import train

    def interrupted(*parts: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "finish", interrupted)
        assert hvp("train", "tiny.yaml").code == 130
    monkeypatch.setenv("WORLD_SIZE", "2")
    typed = hvp("train", "tiny.yaml", "--resume")
    assert (typed.code, typed.errors) == (2, ["run-mismatch"])
    [difference] = typed.fields("run-mismatch")["differences"]
    assert difference.fields == {"key": "num_processes", "before": "1", "now": "2"}
