"""`hvp predict` as a person types it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import tiny

from hvpkit.cli.predictions import LIKELIEST, color, marked, visible
from hvpkit.messages import Message, messages_to_json

TEXT = "Taylor Hill visits Paris with 😂 Bob"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder with an image, x.png."""
    monkeypatch.chdir(tmp_path)
    return tiny.draw(tmp_path / "x.png", 3).parent


def entities(out: str) -> list[dict]:
    return json.loads(out)["entities"]


# ---------------------------------------------------------------------------------------------------------------------
# one
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
        assert any(
            f"{entity['start']}:{entity['end']}" in line and entity["type"] in line
            for line in typed.out.splitlines()[1:]
        )
    assert first == expected
    assert "\x1b" not in typed.out
    assert (typed.notes, typed.fields("image-seen")) == (["image-seen", "objects-not-given"], {"image": Path("x.png")})


def test_a_relation_comes_with_the_likeliest_classes(hvp, here, mre_model):
    words = ("predict", "--model", str(mre_model), "--text", TEXT, "--head", "Taylor Hill", "--tail", "19:24")
    typed, said = hvp(*words), json.loads(hvp(*words, "--json").out)
    assert (typed.code, typed.err) == (0, "")
    lines = typed.out.splitlines()
    assert lines[0] == "[Taylor Hill | head] visits [Paris | tail] with 😂 Bob"
    assert lines[1] == f"Taylor Hill > {said['relation']['label']} > Paris"
    ranked = list(said["relation"]["probabilities"].items())
    rows = [line.split("\t") for line in lines if "\t" in line][1:]
    assert len(rows) == LIKELIEST == 5
    for row, (name, share) in zip(rows, ranked, strict=False):
        assert row == [name, f"{100 * share:.1f}%"]
    assert (said["head"], said["tail"]) == (
        {"text": "Taylor Hill", "start": 0, "end": 11},
        {"text": "Paris", "start": 19, "end": 24},
    )
    assert typed.notes == ["image-not-given"]
    assert said["notes"] == messages_to_json([Message("image-not-given")])


def test_json_is_one_document_and_nothing_else(hvp, here, mner_text_model):
    typed = hvp("predict", "--model", str(mner_text_model), "--text", TEXT, "--json")
    assert (typed.code, typed.err) == (0, "")
    said = json.loads(typed.out)
    assert set(said) == {"model", "text", "entities", "image_used", "notes"}
    assert (said["model"], said["text"], said["image_used"]) == (str(mner_text_model), TEXT, False)
    assert said["notes"] == messages_to_json([Message("model-without-images")])


def test_what_stands_twice_is_said(hvp, here, mre_text_model):
    typed = hvp("predict", "--model", str(mre_text_model), "--text", "Jun and Jun", "--head", "Jun", "--tail", "Jun")
    assert typed.out.startswith("[Jun | head] and [Jun | tail]\n")
    repeated = [message.fields for message in typed.printed if message.code == "mention-repeated"]
    assert repeated == [
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "number": 1, "count": 2},
        {"role": "tail", "mention": "Jun", "start": 8, "end": 11, "number": 2, "count": 2},
    ]


def test_a_text_without_entities_says_so(hvp, here, mner_text_model, monkeypatch):
    from hvpkit.model.heads.crf import CrfHead

    monkeypatch.setattr(CrfHead, "decode", lambda self, scores, text: [[]])
    typed = hvp("predict", "--model", str(mner_text_model), "--text", "so it is")
    assert typed.out.startswith(f"so it is\n{Message('no-entity-found')}\n")
    assert typed.notes == ["no-entity-found", "model-without-images"]


def test_the_newest_model_is_used_and_named(hvp, here, mner_text_model):
    for age, name in enumerate(("new", "old")):
        shutil.copytree(mner_text_model, here / "runs" / name)
        os.utime(here / "runs" / name / "model.json", (10**9 - age, 10**9 - age))
    typed = hvp("predict", "--text", TEXT, "--json")
    assert [message.code for message in typed.messages] == ["newest-model"]
    assert typed.fields("newest-model") == {"model": Path("runs/new"), "runs": Path("runs")}
    assert typed.err == f"{typed.messages[0]}\n"
    assert json.loads(typed.out)["model"] == "runs/new"


def test_a_plugin_file_is_loaded(hvp, here, mner_data):
    (here / "even.py").write_text(
        "from hvpkit.model.gates import build_flat\nfrom hvpkit.hookspecs import hookimpl\n\n\n"
        "@hookimpl\ndef register_gates(register):\n    register('even', build_flat)\n",
        encoding="utf-8",
    )
    recipe = tiny.recipe(here, mner_data.folder, "mner", overrides=("fusion.gate=even",))
    tiny.save_tiny_model(here / "model", recipe, mner_data, (here / "even.py",))
    typed = hvp("predict", "--model", "model", "--text", "Ada")
    assert typed.code == 2
    assert typed.errors == ["components-not-installed"]
    [gate] = typed.fields("components-not-installed")["components"]
    assert (gate.code, gate.fields["kind"], gate.fields["name"]) == ("component-of", "gate", "even")
    assert "even.py" in gate.fields["source"]
    words = ("predict", "--model", "model", "--text", "Ada", "--plugin")
    typed = hvp(*words, "even.py")
    assert (typed.code, typed.err) == (0, "")
    (here / "later").mkdir()
    (here / "later/even.py").write_text((here / "even.py").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    typed = hvp(*words, "later/even.py")
    assert typed.code == 0
    assert typed.warnings == ["plugin-changed"]
    changed = typed.fields("plugin-changed")
    assert changed["component"] == "gate even"
    assert changed["expected"] == gate.fields["source"] != changed["found"]
    assert "even.py" in changed["found"]


# --------------------------------------------------------------------------------------------------------------- bad
# input
@pytest.mark.parametrize(
    ("model", "words", "code", "fields"),
    [
        ("mner", ["--text", ""], "text-without-words", {"text": ""}),
        ("mner", ["--text", " \n "], "text-without-words", {"text": " \n "}),
        ("mner", ["--text", "Ada", "--head", "Ada", "--tail", "Ada"], "pair-unexpected", {}),
        ("mner", ["--text", "Ada", "--image", "no.png"], "image-missing", {"file": Path("no.png")}),
        (
            "mner",
            ["--text", "Ada", "--image", "text.png"],
            "not-image",
            {"file": Path("text.png"), "beginning": b"no image"},
        ),
        ("mner", ["--text", "Ada", "--image", "cut.png"], "image-damaged", {"file": Path("cut.png")}),
        ("mner", ["--text", "Ada", "--image", "."], "image-not-file", {"file": Path()}),
        ("mner", ["--input", "no.jsonl", "--output", "o"], "input-missing", {"file": Path("no.jsonl")}),
        ("mner", ["--input", "/dev/null", "--output", "o"], "input-not-a-file", {"file": Path("/dev/null")}),
        ("mner", ["--input", "in.jsonl", "--output", "in.jsonl"], "output-is-input", {"file": Path("in.jsonl")}),
        ("mre", ["--text", "Ada"], "pair-missing", {}),
        ("mre", ["--text", "Ada", "--head", "Ada"], "mention-missing", {"role": "tail"}),
        (
            "mre",
            ["--text", "Ada Bob", "--head", "Jun", "--tail", "Bob"],
            "mention-not-in-text",
            {"role": "head", "mention": "Jun", "text": "Ada Bob", "hint": ""},
        ),
        (
            "mre",
            ["--text", "Ada Bob", "--head", "0:", "--tail", "Bob"],
            "mention-not-start-end",
            {"role": "head", "found": "0:"},
        ),
        (
            "mre",
            ["--text", "Ada Bob", "--head", "0:99", "--tail", "Bob"],
            "span-outside",
            {"name": "head", "start": 0, "end": 99, "length": 7},
        ),
        (
            "mre",
            ["--text", "Ada Bob", "--head", "Ada Bob", "--tail", "Bob"],
            "mentions-overlap",
            {"head": "Ada Bob", "tail": "Bob"},
        ),
        ("mre", ["--text", "Ada " * 200 + "Bob", "--head", "0:3", "--tail", "Bob"], "pair-too-far-apart", {}),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(hvp, here, mner_model, mre_model, model, words, code, fields):
    (here / "text.png").write_text("no image", encoding="utf-8")
    (here / "cut.png").write_bytes((here / "x.png").read_bytes()[:60])
    (here / "in.jsonl").write_text('{"text": "Ada"}\n', encoding="utf-8")
    typed = hvp("predict", "--model", str({"mner": mner_model, "mre": mre_model}[model]), *words)
    assert (typed.code, typed.out) == (2, "")
    assert (typed.errors, len(typed.messages)) == ([code], 1)
    found = typed.fields(code)
    assert found | fields == found
    assert sorted(file.name for file in here.iterdir()) == ["cut.png", "in.jsonl", "text.png", "x.png"]


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        ([], "nothing-to-predict", {}),
        (["--image", "x.png"], "nothing-to-predict", {}),
        (["--text", "Ada", "--input", "in.jsonl"], "text-with-input", {"options": ["--text"]}),
        (["--image", "x.png", "--input", "in.jsonl", "--output", "o"], "text-with-input", {"options": ["--image"]}),
        (["--input", "-", "--output", "o"], "stdin-with-output", {}),
        (["runs/other", "--text", "Ada"], "model-twice", {"argument": Path("runs/other")}),
        (["--text", "Ada", "--output", "o"], "output-without-input", {}),
    ],
)
def test_options_that_do_not_go_together_are_refused(hvp, here, mner_model, words, code, fields):
    (here / "in.jsonl").write_text('{"text": "Ada"}\n', encoding="utf-8")
    typed = hvp("predict", "--model", str(mner_model), *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    [message] = typed.messages
    assert (message.code, message.fields | fields) == (code, message.fields)
    assert sorted(file.name for file in here.iterdir()) == ["in.jsonl", "x.png"]


@pytest.mark.parametrize(
    ("words", "code", "folder"),
    [
        (["--text", "Ada"], "no-models", Path("runs")),
        (["--model", "no", "--text", "Ada"], "model-folder-missing", Path("no")),
    ],
)
def test_no_model_is_an_error_that_says_how_to_get_one(hvp, here, words, code, folder):
    typed = hvp("predict", *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    assert typed.fields(code) == {"folder": folder}
    assert "hvp train" in typed.err


def test_damaged_model_is_reported_with_all_problems(hvp, here, mner_text_model):
    shutil.copytree(mner_text_model, here / "model")
    (here / "model/labels.json").unlink()
    (here / "model/weights.safetensors").write_bytes(b"")
    typed = hvp("predict", "--model", "model", "--text", "Ada")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["model-folder-damaged"]
    labels, weights = typed.fields("model-folder-damaged")["damage"]
    assert (labels.code, labels.fields) == ("model-file-missing", {"file": "labels.json"})
    assert (weights.code, weights.fields["file"], weights.fields["found"]) == (
        "model-file-size",
        "weights.safetensors",
        0,
    )


def test_bytes_that_are_no_text_are_refused(hvp, here, mner_text_model):
    typed = hvp("predict", "--model", str(mner_text_model), "--text", "Ada \udcff")
    assert (typed.code, typed.errors) == (2, ["lone-surrogate"])
    assert typed.fields("lone-surrogate") == {"character": "U+DCFF", "before": "Ada "}


def test_errors_that_need_no_torch_are_reported_before_importing_it(here, mre_text_model):
    program = (
        "import sys; from hvpkit.cli import main; sys.argv = ['hvp', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    for words in (["--text", "Ada", "--head", "Bob", "--tail", "Jun"], ["--input", "no.jsonl", "--output", "o"]):
        command = [sys.executable, "-c", program, "predict", "--model", str(mre_text_model), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "[]\n"), done.stderr


# --------------------------------------------------------------------------------------------------------------------
# many
@pytest.fixture
def pairs(here) -> Path:
    """Four good lines, one of them with an image that it may not have, and two bad ones."""
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
    assert [message.code for message in typed.messages] == ["lines-predicted", "lines-failed"]
    status = typed.fields("lines-predicted")
    assert status == {
        "new": 6,
        "failed": 2,
        "lines": 6,
        "file": Path("out.jsonl"),
        "seconds": status["seconds"],
        "rate": status["rate"],
    }
    assert status["rate"] == pytest.approx(6 / status["seconds"])
    assert typed.warnings == ["lines-failed"]
    failed = typed.fields("lines-failed")
    assert failed == {
        "failed": 2,
        "lines": 6,
        "file": Path("out.jsonl"),
        "reason": f"line 2: {Message('text-without-words', text=' ')}",
    }
    written = [json.loads(line) for line in (pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(record["id"], record["line"], "error" in record) for record in written] == [
        ("a", 1, False), ("b", 2, True), (None, 3, False), ("d", 4, True), ("e", 5, False), ("f", 6, False)
    ]  # fmt: skip
    assert [record["image_used"] for record in written if "error" not in record] == [True, True, False, False]
    assert [record["code"] for record in written if "error" in record] == [
        "text-without-words",
        "image-missing",
    ]
    assert "no.png" in written[3]["error"]
    outside = Message("image-outside-folder", image="../x.png", folder=pairs)
    assert written[4]["notes"] == messages_to_json([outside, Message("image-not-given")])
    assert written[5]["notes"] == messages_to_json([Message("image-not-given")])


def test_one_line_of_many_says_what_one_text_says(hvp, pairs, mner_model):
    hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    alone = entities(
        hvp("predict", "--model", str(mner_model), "--text", "Ada visits Oslo", "--image", "x.png", "--json").out
    )
    together = entities((pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert [(e["start"], e["end"], e["type"]) for e in together] == [(e["start"], e["end"], e["type"]) for e in alone]
    assert [e["confidence"] for e in together] == pytest.approx([e["confidence"] for e in alone], abs=1e-4)


def test_the_same_command_goes_on_and_then_has_nothing_to_do(hvp, pairs, mner_model, monkeypatch):
    words = ("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl")
    hvp(*words)
    whole = (pairs / "out.jsonl").read_bytes()
    (pairs / "out.jsonl").write_bytes(whole[: whole.index(b"\n") + 30])
    typed = hvp(*words)
    assert [message.code for message in typed.messages] == ["predictions-kept", "lines-predicted", "lines-failed"]
    assert typed.fields("predictions-kept") == {"file": Path("out.jsonl"), "kept": 1, "lines": 6}
    assert typed.fields("lines-predicted")["new"] == 5
    lines = (pairs / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b", None, "d", "e", "f"]
    monkeypatch.setattr("hvpkit.inference.predictor.load_model", None)
    typed = hvp(*words)
    assert typed.code == 0
    assert [message.code for message in typed.messages] == ["predictions-kept", "lines-failed"]
    assert typed.fields("predictions-kept")["kept"] == 6
    assert (typed.fields("lines-failed")["failed"], typed.fields("lines-failed")["lines"]) == (2, 6)


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ["predict-stopped"]),
        (OSError(28, "No space left on device"), 1, ["predictions-stay", "disk-full"]),
        (OSError(5, "Input/output error"), 1, ["predictions-stay", "os-error"]),
    ],
)
def test_early_end_is_reported_with_how_to_resume(hvp, pairs, mner_text_model, monkeypatch, stop, code, said):
    (pairs / "out.jsonl").write_bytes(b"")
    monkeypatch.setattr("hvpkit.inference.bulk.PredictionFile.run", Mock(side_effect=stop))
    typed = hvp("predict", "--model", str(mner_text_model), "--input", "in.jsonl", "--output", "out.jsonl")
    assert (typed.code, typed.out) == (code, "")
    assert [message.code for message in typed.messages] == said
    assert typed.messages[0].fields == {"file": Path("out.jsonl")}


def test_many_as_json_is_one_document(hvp, pairs, mner_model):
    typed = hvp("predict", "--model", str(mner_model), "--input", "in.jsonl", "--output", "out.jsonl", "--json")
    assert json.loads(typed.out) == {
        "model": str(mner_model),
        "input": "in.jsonl",
        "output": "out.jsonl",
        "lines": 6,
        "kept": 0,
        "failed": 2,
        "first_error": f"line 2: {Message('text-without-words', text=' ')}",
    }


def test_when_all_failed_it_failed(hvp, here, mre_text_model):
    (here / "in.jsonl").write_text('{"text": "Ada"}\n{"text": "Bob"}\n', encoding="utf-8")
    for _ in range(2):
        typed = hvp("predict", "--model", str(mre_text_model), "--input", "in.jsonl", "--output", "out.jsonl")
        assert (typed.code, typed.errors) == (1, ["all-lines-failed"])
        reason = f"line 1: {Message('pair-missing')}"
        assert typed.fields("all-lines-failed") == {"count": 2, "file": Path("in.jsonl"), "reason": reason}
        typed = hvp("predict", "--model", str(mre_text_model), "--input", "in.jsonl", "--output", "out.jsonl", "--json")
        assert (typed.code, list(json.loads(typed.out))) == (1, ["error"])
        assert json.loads(typed.out)["error"]["code"] == "all-lines-failed"


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
    assert typed.errors == ["output-exists"]
    assert typed.fields("output-exists") == {"output": Path("out.jsonl")}
    assert (pairs / "out.jsonl").read_text(encoding="utf-8") == "my own notes\n"


def test_relations_of_many(hvp, here, mre_model):
    lines = [
        {
            "tokens": ["Ada", "loves", "Oslo"],
            "head": {"start": 0, "end": 1},
            "tail": {"start": 2, "end": 3},
            "image": "x.png",
        },
        {"text": "Ada loves Oslo", "head": {"start": 0, "end": 3}, "tail": "Oslo", "image": "x.png"},
    ]
    (here / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert hvp("predict", "--model", str(mre_model), "--input", "in.jsonl", "--output", "out.jsonl").code == 0
    first, second = (json.loads(line) for line in (here / "out.jsonl").read_text(encoding="utf-8").splitlines())
    relation = first["relation"]
    assert relation == second["relation"]
    assert relation["label"] == max(relation["probabilities"], key=relation["probabilities"].get)
    assert first["tail"] == second["tail"] == {"text": "Oslo", "start": 10, "end": 14}


# -----------------------------------------------------------------------------------------------------------------
# colors
def test_each_type_has_its_color_and_marks_are_legible_without():
    text = marked("Ada in Oslo", [(0, 3, "PER 98.0%", color("PER")), (7, 11, "LOC 40.0%", color("LOC"))])
    assert text.plain == "[Ada | PER 98.0%] in [Oslo | LOC 40.0%]"
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert (styles["Ada"], styles["Oslo"]) == ("bold magenta", "bold green")
    assert len({color(kind) for kind in ("PER", "LOC", "ORG", "MISC")}) == 4
    assert color("WORK") == color("WORK")


def test_what_would_steer_the_terminal_is_shown_as_its_code():
    assert visible("a\x1b[31mb\x07\tc\n" + "👨\u200d👩") == "a\\x1b[31mb\\x07\tc\n" + "👨\u200d👩"


# ---------------------------------------------------------------------------------------------------------------------
# to stdout
def type_stdin(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def test_texts_of_stdin_are_predicted_line_by_line(hvp, here, mner_model, monkeypatch):
    type_stdin(monkeypatch, f"{TEXT}\n\nAda in Paris\n".encode())
    typed = hvp("predict", "-", "--model", str(mner_model))
    assert (typed.code, typed.err) == (0, "")
    first, second = map(json.loads, typed.out.splitlines())
    assert (first["line"], first["text"], second["line"], second["text"]) == (1, TEXT, 3, "Ada in Paris")
    alone = json.loads(hvp("predict", str(mner_model), "--text", "Ada in Paris", "--json").out)
    assert second["entities"] == alone["entities"]


def test_records_of_stdin_are_predicted_and_bad_ones_are_reported(hvp, here, mner_model, monkeypatch):
    type_stdin(monkeypatch, b'{"id": "a", "text": "Ada in Paris", "image": "x.png"}\n{"id": 7}\n')
    typed = hvp("predict", str(mner_model), "--input", "-")
    assert typed.code == 0
    good, bad = map(json.loads, typed.out.splitlines())
    assert (good["id"], good["image_used"]) == ("a", True)
    assert (bad["id"], bad["code"]) == (7, "no-tokens-or-text")


def test_a_file_without_output_is_printed(hvp, here, mner_model, monkeypatch):
    (here / "in.txt").write_text("Ada in Paris\nBob\n", encoding="utf-8")
    typed = hvp("predict", str(mner_model), "--input", "in.txt")
    assert [json.loads(line)["text"] for line in typed.out.splitlines()] == ["Ada in Paris", "Bob"]
    assert sorted(file.name for file in here.iterdir()) == ["in.txt", "x.png"]


def test_all_lines_failing_is_a_failure(hvp, here, mner_model, monkeypatch):
    type_stdin(monkeypatch, b'{"id": 1}\n{"id": 2}\n')
    typed = hvp("predict", "-", "--model", str(mner_model))
    assert (typed.code, typed.errors, len(typed.out.splitlines())) == (1, ["all-lines-failed"], 2)


def test_a_text_may_come_from_stdin(hvp, here, mner_model, monkeypatch):
    type_stdin(monkeypatch, b"Ada in Paris\n")
    assert json.loads(hvp("predict", str(mner_model), "--text", "-", "--json").out)["text"] == "Ada in Paris"
