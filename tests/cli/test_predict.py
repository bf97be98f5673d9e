"""`hvp predict` as a person types it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import tiny

from hvpkit.cli.predictions import LIKELIEST, colour, marked, visible

TEXT = "Taylor Hill visits Paris with 😂 Bob"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder with a picture, x.png."""
    monkeypatch.chdir(tmp_path)
    return tiny.draw(tmp_path / "x.png", 3).parent


def entities(out: str) -> list[dict]:
    return json.loads(out)["entities"]


# --------------------------------------------------------------------------------------------------------------------- one
def test_entities_are_marked_in_their_text_and_listed(hvp, here, mner_model):
    found = entities(hvp("predict", "--model", str(mner_model), "--text", TEXT, "--image", "x.png", "--json").out)
    typed = hvp("predict", "--model", str(mner_model), "--text", TEXT, "--image", "x.png")
    assert (typed.code, typed.err) == (0, "")
    first = typed.out.splitlines()[0]
    assert found
    expected = TEXT
    for entity in reversed(found):
        said = f"[{entity['text']} | {entity['type']} {100 * entity['confidence']:.1f}%]"
        expected = expected[: entity["start"]] + said + expected[entity["end"] :]
        assert any(f"{entity['start']}:{entity['end']}" in line and entity["type"] in line for line in typed.out.splitlines()[1:])
    assert first == expected
    assert "\x1b" not in typed.out
    assert "Picture: x.png" in typed.out


def test_a_relation_comes_with_the_likeliest_classes(hvp, here, mre_model):
    words = ("predict", "--model", str(mre_model), "--text", TEXT, "--head", "Taylor Hill", "--tail", "19:24")
    typed, said = hvp(*words), json.loads(hvp(*words, "--json").out)
    assert (typed.code, typed.err) == (0, "")
    lines = typed.out.splitlines()
    assert lines[0] == "[Taylor Hill | head] visits [Paris | tail] with 😂 Bob"
    assert lines[1] == f"Taylor Hill > {said['relation']} > Paris"
    ranked = list(said["probabilities"].items())
    rows = [line for line in lines if line.startswith("│")]
    assert len(rows) == LIKELIEST == 5
    for row, (name, share) in zip(rows, ranked, strict=False):
        assert [cell.strip() for cell in row.strip("│").split("│")] == [name, f"{100 * share:.1f}%"]
    assert (said["head"], said["tail"]) == ({"text": "Taylor Hill", "start": 0, "end": 11}, {"text": "Paris", "start": 19, "end": 24})
    assert "Note: no picture was given: the text was read alone." in lines


def test_json_is_one_document_and_nothing_else(hvp, here, mner_text_model):
    typed = hvp("predict", "--model", str(mner_text_model), "--text", TEXT, "--json")
    assert (typed.code, typed.err) == (0, "")
    said = json.loads(typed.out)
    assert set(said) == {"model", "text", "entities", "picture", "remarks"}
    assert (said["model"], said["text"], said["picture"]) == (str(mner_text_model), TEXT, False)
    assert said["remarks"] == ["this model uses no pictures"]


def test_what_stands_twice_is_said(hvp, here, mre_text_model):
    typed = hvp("predict", "--model", str(mre_text_model), "--text", "Jun and Jun", "--head", "Jun", "--tail", "Jun")
    assert typed.out.startswith("[Jun | head] and [Jun | tail]\n")
    assert "Note: tail 'Jun' stands 2 times in the text: number 2, characters 8:11, was taken." in typed.out


def test_a_text_without_entities_says_so(hvp, here, mner_text_model, monkeypatch):
    from hvpkit.heads.crf import CrfHead

    monkeypatch.setattr(CrfHead, "decode", lambda self, scores, text: [[]])
    assert hvp("predict", "--model", str(mner_text_model), "--text", "so it is").out.startswith("so it is\nNo entities.\n")


def test_the_newest_model_is_used_and_named(hvp, here, mner_text_model):
    for age, name in enumerate(("new", "old")):
        shutil.copytree(mner_text_model, here / "runs" / name)
        os.utime(here / "runs" / name / "model.json", (10**9 - age, 10**9 - age))
    typed = hvp("predict", "--text", TEXT, "--json")
    assert [message.code for message in typed.said] == ["newest-model"]
    assert typed.fields("newest-model") == {"model": Path("runs/new"), "runs": Path("runs")}
    assert typed.err == f"{typed.said[0]}\n"
    assert json.loads(typed.out)["model"] == "runs/new"


def test_a_plugin_file_is_loaded(hvp, here, mner_data):
    (here / "even.py").write_text(
        "from hvpkit.gates import flat\nfrom hvpkit.hookspecs import hookimpl\n\n\n"
        "@hookimpl\ndef register_gates(register):\n    register('even', flat)\n",
        encoding="utf-8",
    )
    recipe = tiny.recipe(here, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    tiny.save_tiny_model(here / "model", recipe, mner_data, (here / "even.py",))
    typed = hvp("predict", "--model", "model", "--text", "Ada")
    assert typed.code == 2
    assert "gate 'even' (made by even.py (file, sha256 " in typed.err
    words = ("predict", "--model", "model", "--text", "Ada", "--plugin")
    typed = hvp(*words, "even.py")
    assert (typed.code, typed.err) == (0, "")
    (here / "later").mkdir()
    (here / "later/even.py").write_text((here / "even.py").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    typed = hvp(*words, "later/even.py")
    assert typed.code == 0
    assert "the gate even comes from even.py (file, sha256 " in typed.err


# --------------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("model", "words", "message"),
    [
        ("mner", ["--text", ""], "the text is empty"),
        ("mner", ["--text", " \n "], "the text is blank"),
        ("mner", ["--text", "Ada", "--head", "Ada", "--tail", "Ada"], "takes no head or tail"),
        ("mner", ["--text", "Ada", "--image", "no.png"], "no.png is missing"),
        ("mner", ["--text", "Ada", "--image", "text.png"], "text.png is not a picture"),
        ("mner", ["--text", "Ada", "--image", "cut.png"], "cut.png is damaged or cut short"),
        ("mner", ["--text", "Ada", "--image", "."], ". is not a file"),
        ("mner", ["--input", "no.jsonl", "--output", "o"], "there is no input file no.jsonl"),
        ("mner", ["--input", "-", "--output", "o"], "there is no input file -: it cannot be read twice"),
        ("mner", ["--input", "/dev/null", "--output", "o"], "there is no input file /dev/null: it cannot be read twice"),
        ("mner", ["--input", "in.jsonl", "--output", "in.jsonl"], "it is the input"),
        ("mre", ["--text", "Ada"], "there is no head and no tail"),
        ("mre", ["--text", "Ada", "--head", "Ada"], "there is no tail"),
        ("mre", ["--text", "Ada Bob", "--head", "Jun", "--tail", "Bob"], "head 'Jun' is not in the text 'Ada Bob'"),
        ("mre", ["--text", "Ada Bob", "--head", "0:", "--tail", "Bob"], "head '0:' is not start:end"),
        ("mre", ["--text", "Ada Bob", "--head", "0:99", "--tail", "Bob"], "expected 0 <= start < end <= 7"),
        ("mre", ["--text", "Ada Bob", "--head", "Ada Bob", "--tail", "Bob"], "overlap"),
        ("mre", ["--text", "Ada " * 200 + "Bob", "--head", "0:3", "--tail", "Bob"], "its two entities lie"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(hvp, here, mner_model, mre_model, model, words, message):
    (here / "text.png").write_text("no picture", encoding="utf-8")
    (here / "cut.png").write_bytes((here / "x.png").read_bytes()[:60])
    (here / "in.jsonl").write_text('{"text": "Ada"}\n', encoding="utf-8")
    typed = hvp("predict", "--model", str({"mner": mner_model, "mre": mre_model}[model]), *words)
    assert (typed.code, typed.out) == (2, "")
    assert len(typed.errors) == len(typed.said) == 1
    assert message in typed.err
    assert sorted(file.name for file in here.iterdir()) == ["cut.png", "in.jsonl", "text.png", "x.png"]


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        ([], "nothing-to-predict", {}),
        (["--image", "x.png"], "nothing-to-predict", {}),
        (["--text", "Ada", "--input", "in.jsonl"], "text-with-input", {"options": ["--text"]}),
        (["--image", "x.png", "--input", "in.jsonl", "--output", "o"], "text-with-input", {"options": ["--image"]}),
        (["--input", "in.jsonl"], "input-without-output", {}),
        (["--text", "Ada", "--output", "o"], "output-without-input", {}),
    ],
)
def test_options_that_do_not_go_together_are_refused(hvp, here, mner_model, words, code, fields):
    (here / "in.jsonl").write_text('{"text": "Ada"}\n', encoding="utf-8")
    typed = hvp("predict", "--model", str(mner_model), *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    assert [(message.code, message.fields) for message in typed.said] == [(code, fields)]
    assert sorted(file.name for file in here.iterdir()) == ["in.jsonl", "x.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--text", "Ada"], "there is no model under runs/"), (["--model", "no", "--text", "Ada"], "there is no model folder no")],
)
def test_no_model_is_an_error_that_says_how_to_get_one(hvp, here, words, message):
    typed = hvp("predict", *words)
    assert (typed.code, typed.out) == (2, "")
    assert message in typed.err
    assert "hvp train RECIPE" in typed.err


def test_a_damaged_model_is_told_with_all_that_is_wrong(hvp, here, mner_text_model):
    shutil.copytree(mner_text_model, here / "model")
    (here / "model/labels.json").unlink()
    (here / "model/weights.safetensors").write_bytes(b"")
    typed = hvp("predict", "--model", "model", "--text", "Ada")
    assert (typed.code, typed.out) == (2, "")
    assert "labels.json is missing" in typed.err
    assert "weights.safetensors is damaged" in typed.err


def test_bytes_that_are_no_text_are_refused(hvp, here, mner_text_model):
    typed = hvp("predict", "--model", str(mner_text_model), "--text", "Ada \udcff")
    assert typed.code == 2
    assert "is half of one" in typed.err


def test_what_can_be_told_without_torch_is_told_at_once(here, mre_text_model):
    program = (
        "import sys; from hvpkit.cli import main; sys.argv = ['hvp', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    for words in (["--text", "Ada", "--head", "Bob", "--tail", "Jun"], ["--input", "no.jsonl", "--output", "o"]):
        command = [sys.executable, "-c", program, "predict", "--model", str(mre_text_model), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "[]\n"), done.stderr


# -------------------------------------------------------------------------------------------------------------------- many
@pytest.fixture
def pairs(here) -> Path:
    """Three good lines and three bad ones."""
    lines = [
        {"id": "a", "text": "Ada visits Oslo", "image": "x.png"},
        {"id": "b", "text": " "},
        {"tokens": ["Bob", "loves", "Paris"], "objects": [{"box": [1, 1, 20, 20]}], "image": "x.png"},
        {"id": "d", "text": "Ada", "image": "no.png"},
        {"id": "e", "text": "Ada", "image": "../x.png"},
        {"id": "f", "text": "Jun"},
    ]
    (here / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return here


def test_many_are_written_line_for_line_and_bad_ones_reported(hvp, pairs, mner_model):
    typed = hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    assert (typed.code, typed.out) == (0, "")
    assert [message.code for message in typed.said] == ["lines-predicted", "lines-failed"]
    told = typed.fields("lines-predicted")
    assert told == {"new": 6, "failed": 3, "lines": 6, "file": Path("out.jsonl"), "seconds": told["seconds"], "rate": told["rate"]}
    assert told["rate"] == pytest.approx(6 / told["seconds"])
    assert typed.warnings == ["lines-failed"]
    failed = typed.fields("lines-failed")
    assert (failed["failed"], failed["lines"], failed["file"]) == (3, 6, Path("out.jsonl"))
    assert "line 2: the text is blank" in str(failed["reason"])
    written = [json.loads(line) for line in (pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(record["id"], record["line"], "error" in record) for record in written] == [
        ("a", 1, False), ("b", 2, True), (None, 3, False), ("d", 4, True), ("e", 5, True), ("f", 6, False)
    ]  # fmt: skip
    assert [record["picture"] for record in written if "error" not in record] == [True, True, False]
    assert "no.png is missing" in written[3]["error"]
    assert written[5]["remarks"] == ["no picture was given: the text was read alone"]


def test_one_line_of_many_says_what_one_text_says(hvp, pairs, mner_model):
    hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    alone = entities(hvp("predict", "--model", str(mner_model), "--text", "Ada visits Oslo", "--image", "x.png", "--json").out)
    together = entities((pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert [(e["start"], e["end"], e["type"]) for e in together] == [(e["start"], e["end"], e["type"]) for e in alone]
    assert [e["confidence"] for e in together] == pytest.approx([e["confidence"] for e in alone], abs=1e-4)


def test_the_same_command_goes_on_and_then_has_nothing_to_do(hvp, pairs, mner_model, monkeypatch):
    words = ("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    hvp(*words)
    whole = (pairs / "out.jsonl").read_bytes()
    (pairs / "out.jsonl").write_bytes(whole[: whole.index(b"\n") + 30])
    typed = hvp(*words)
    assert [message.code for message in typed.said] == ["predictions-kept", "lines-predicted", "lines-failed"]
    assert typed.fields("predictions-kept") == {"file": Path("out.jsonl"), "kept": 1, "lines": 6}
    assert typed.fields("lines-predicted")["new"] == 5
    lines = (pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b", None, "d", "e", "f"]
    monkeypatch.setattr("hvpkit.predictor.load_model", None)
    typed = hvp(*words)
    assert typed.code == 0
    assert [message.code for message in typed.said] == ["predictions-kept", "lines-failed"]
    assert typed.fields("predictions-kept")["kept"] == 6
    assert (typed.fields("lines-failed")["failed"], typed.fields("lines-failed")["lines"]) == (3, 6)


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ["predict-stopped"]),
        (OSError(28, "No space left on device"), 1, ["predictions-stay", "disk-full"]),
        (OSError(5, "Input/output error"), 1, ["predictions-stay", "os-error"]),
    ],
)
def test_what_ends_it_early_is_told_with_how_to_go_on(hvp, pairs, mner_text_model, monkeypatch, stop, code, said):
    (pairs / "out.jsonl").write_bytes(b"")
    monkeypatch.setattr("hvpkit.prediction_files.PredictionFile.run", Mock(side_effect=stop))
    typed = hvp("predict", "--model", str(mner_text_model), "--input", "in.jsonl", "--output", "out.jsonl")
    assert (typed.code, typed.out) == (code, "")
    assert [message.code for message in typed.said] == said
    assert typed.said[0].fields == {"file": Path("out.jsonl")}


def test_many_as_json_is_one_document(hvp, pairs, mner_model):
    typed = hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl", "--json")
    assert json.loads(typed.out) == {
        "model": str(mner_model),
        "input": "in.jsonl",
        "output": "out.jsonl",
        "lines": 6,
        "kept": 0,
        "failed": 3,
        "first_error": "line 2: the text is blank",
    }


def test_when_all_failed_it_failed(hvp, here, mre_text_model):
    (here / "in.jsonl").write_text('{"text": "Ada"}\n{"text": "Bob"}\n', encoding="utf-8")
    for _ in range(2):
        typed = hvp("predict", "--model", str(mre_text_model), "--input", "in.jsonl", "--output", "out.jsonl")
        assert typed.code == 1
        assert "all 2 lines of in.jsonl failed; the first: line 1: this model tells the relation" in typed.err
        assert len(typed.errors) == 1
        typed = hvp("predict", "--model", str(mre_text_model), "--input", "in.jsonl", "--output", "out.jsonl", "--json")
        assert (typed.code, list(json.loads(typed.out))) == (1, ["error"])


def test_an_input_without_lines_is_warned_of(hvp, here, mner_text_model):
    (here / "in.jsonl").write_text("\n\n", encoding="utf-8")
    typed = hvp("predict", "--model", str(mner_text_model), "--input", "in.jsonl", "--output", "out.jsonl")
    assert typed.code == 0
    assert typed.warnings == ["input-without-lines"]
    assert typed.fields("input-without-lines") == {"file": Path("in.jsonl")}
    assert (here / "out.jsonl").read_bytes() == b""


def test_the_output_of_another_input_is_refused(hvp, pairs, mner_model):
    (pairs / "out.jsonl").write_text("my own notes\n", encoding="utf-8")
    typed = hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    assert (typed.code, typed.out) == (2, "")
    assert "out.jsonl:1 is not what this model makes of in.jsonl:1" in typed.err
    assert (pairs / "out.jsonl").read_text(encoding="utf-8") == "my own notes\n"


def test_relations_of_many(hvp, here, mre_model):
    lines = [
        {"tokens": ["Ada", "loves", "Oslo"], "head": {"start": 0, "end": 1}, "tail": {"start": 2, "end": 3}, "image": "x.png"},
        {"text": "Ada loves Oslo", "head": {"start": 0, "end": 3}, "tail": "Oslo", "image": "x.png"},
    ]
    (here / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert hvp("predict", "--model", str(mre_model), "--input", "in.jsonl", "--output", "out.jsonl").code == 0
    first, second = (json.loads(line) for line in (here / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["relation"] == second["relation"] == max(first["probabilities"], key=first["probabilities"].get)
    assert first["tail"] == second["tail"] == {"text": "Oslo", "start": 10, "end": 14}


# ----------------------------------------------------------------------------------------------------------------- colours
def test_each_type_has_its_colour_and_marks_are_legible_without():
    text = marked("Ada in Oslo", [(0, 3, "PER 98.0%", colour("PER")), (7, 11, "LOC 40.0%", colour("LOC"))])
    assert text.plain == "[Ada | PER 98.0%] in [Oslo | LOC 40.0%]"
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert (styles["Ada"], styles["Oslo"]) == ("bold magenta", "bold green")
    assert len({colour(kind) for kind in ("PER", "LOC", "ORG", "MISC")}) == 4
    assert colour("WORK") == colour("WORK")


def test_what_would_steer_the_terminal_is_shown_as_its_code():
    assert visible("a\x1b[31mb\x07\tc\n" + "👨\u200d👩") == "a\\x1b[31mb\\x07\tc\n" + "👨\u200d👩"
