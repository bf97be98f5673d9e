"""Many predictions: a line for a line, in bounded memory, and going on where it stopped.

For this input and this model alone.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from itertools import islice
from pathlib import Path

import pytest
from raising import raises

from hvpkit.errors import DataError, HvpkitError, InputError
from hvpkit.inference.bulk import BulkStatus, model_fingerprint, open_prediction_file, require_any_success
from hvpkit.messages import render
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.types import EntityPrediction

AHEAD = 4


class Echo:
    """Stands in for a predictor: reads `AHEAD` inputs ahead, says their texts again.

    And breaks off after `last` of them.
    """

    def __init__(self, last: int | None = None) -> None:
        self.last, self.asked, self.most_waiting = last, 0, 0

    def predict_many(self, inputs):
        remaining, waiting = iter(inputs), deque()
        while waiting or (ahead := list(islice(remaining, AHEAD))):
            waiting.extend(ahead if not waiting else ())
            given = waiting.popleft()
            if self.asked == self.last:
                raise KeyboardInterrupt
            self.asked += 1
            yield given if isinstance(given, InputError) else EntityPrediction(str(given.text), (), False)


@pytest.fixture(scope="module")
def model(mner_text_model) -> ModelFolder:
    return open_model_folder(mner_text_model)


@pytest.fixture
def source(tmp_path) -> Path:
    """Ten lines, of which the fourth is bad and one is blank."""
    lines = [json.dumps({"id": f"a{i}", "text": f"text {i} 😂"}, ensure_ascii=False) for i in range(9)]
    lines[3:3] = ['{"id": "bad", "text": 5}', ""]
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def predict(source: Path, target: Path, model: ModelFolder, echo: Echo | None = None) -> BulkStatus:
    return open_prediction_file(source, target, model).run(echo or Echo())  # type: ignore[arg-type]


def records(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# -------------------------------------------------------------------------------------------------------------------
# lines
def test_each_line_gives_one_with_its_id_and_number(source, tmp_path, model):
    done = predict(source, tmp_path / "deep/out.jsonl", model)
    written = records(tmp_path / "deep/out.jsonl")
    assert [(record["id"], record["line"]) for record in written] == [
        ("a0", 1), ("a1", 2), ("a2", 3), ("bad", 4), *[(f"a{i}", i + 3) for i in range(3, 9)]
    ]  # fmt: skip
    assert [record.get("text") for record in written] == [
        *[f"text {i} 😂" for i in range(3)],
        None,
        *[f"text {i} 😂" for i in range(3, 9)],
    ]
    assert (written[3]["code"], written[3]["error"]) == ("text-not-a-string", render("text-not-a-string", {"found": 5}))
    assert set(written[3]) == {"id", "line", "error", "code"}
    assert (done.lines, done.failed, done.first_code) == (10, 1, "text-not-a-string")
    assert done.first_error == f"line 4: {written[3]['error']}"


def test_all_that_can_be_wrong_with_a_line_is_its_own_affair(tmp_path, model):
    lines = [
        b'{"id": 7, "text": "a"}',
        b"\xff\xfe",
        b"[]",
        b'{"id": [1], "text": "b"}',
        b'{"text": "\\ud83d", "id": "\\ud83d"}',
        b"{" * 99,
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    done = predict(tmp_path / "in.jsonl", tmp_path / "out.jsonl", model)
    written = records(tmp_path / "out.jsonl")
    assert [(record["id"], "error" in record) for record in written] == [
        (7, False), (None, True), (None, True), (None, False), (None, True), (None, True)
    ]  # fmt: skip
    codes = ["line-not-utf8", "record-not-object", "lone-surrogate", "file-truncated"]
    assert [record["code"] for record in written if "code" in record] == codes
    assert (done.lines, done.failed) == (6, 4)


def test_an_input_in_another_encoding_is_refused_before_any_line(source, tmp_path, model):
    source.write_bytes(source.read_text(encoding="utf-8").encode("utf-16"))
    with raises(DataError, "not-utf8", file=source):
        open_prediction_file(source, tmp_path / "out.jsonl", model)
    assert not (tmp_path / "out.jsonl").exists()


def test_no_more_lines_are_held_than_the_predictor_reads_ahead(source, tmp_path, model):
    file, held = open_prediction_file(source, tmp_path / "out.jsonl", model), []
    inputs = file._inputs(waiting := deque())
    for _ in islice(inputs, 5):
        held.append(len(waiting))
        waiting.popleft()
    assert held == [1] * 5


# -------------------------------------------------------------------------------------------------------------------
# resume
@pytest.mark.parametrize("last", range(10))
def test_a_broken_off_run_goes_on_and_ends_the_same(last, source, tmp_path, model, bars):
    predict(source, tmp_path / "whole.jsonl", model)
    target, echo = tmp_path / "out.jsonl", Echo()
    with pytest.raises(KeyboardInterrupt):
        predict(source, target, model, Echo(last))
    assert len(records(target)) == last
    done = predict(source, target, model, echo)
    assert echo.asked == 10 - last
    assert [(bar.total, bar.done) for bar in bars] == [(10, 10), (10, last), (10 - last, 10 - last)]
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (done.lines, done.failed) == (10, 1)


def test_wherever_it_was_cut_the_output_is_completed(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    whole = target.read_bytes()
    for size in range(0, len(whole) + 1, 7):
        target.write_bytes(whole[:size])
        file = open_prediction_file(source, target, model)
        assert file.kept.lines == whole[:size].count(b"\n")
        assert target.read_bytes() == whole[:size]  # looking changes nothing
        file.run(Echo())  # type: ignore[arg-type]
        assert target.read_bytes() == whole


def test_what_was_kept_counts_with_its_errors(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    file = open_prediction_file(source, target, model)
    assert (file.total, file.kept.lines, file.kept.failed) == (10, 10, 1)
    assert file.kept.first_code == "text-not-a-string"
    assert file.kept.first_error == f"line 4: {records(target)[3]['error']}"
    assert file.kept.size == target.stat().st_size


def test_an_input_that_grew_is_gone_on_with(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    with source.open("a", encoding="utf-8") as lines:
        lines.write('{"text": "more"}\n')
    assert open_prediction_file(source, target, model).kept.lines == 10
    assert predict(source, target, model).lines == 11


# ------------------------------------------------------------------------------------------------------ other inputs,
# models
def refuse(source, target, model, *keys, **options):
    """Open an output of another run, whose settings `keys` differ."""
    before = target.read_bytes()
    with raises(InputError, "run-mismatch", run=target.name, folder=target.parent) as caught:
        open_prediction_file(source, target, model, **options)
    assert [difference.fields["key"] for difference in caught.value.fields["differences"]] == list(keys)
    assert target.read_bytes() == before


def test_the_output_of_another_input_is_refused_and_left_alone(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("text 2", "text two"), encoding="utf-8")
    refuse(source, target, model, "input")
    source.write_text("\n" + text, encoding="utf-8")  # other line numbers
    refuse(source, target, model, "input")
    source.write_text("".join(text.splitlines(keepends=True)[:3]), encoding="utf-8")
    refuse(source, target, model, "input", "lines")


def test_a_last_line_that_grew_is_another_input(tmp_path, model):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}', encoding="utf-8")
    predict(source, tmp_path / "out.jsonl", model)
    source.write_text('{"text": "a"} {"text": "b"}', encoding="utf-8")
    refuse(source, tmp_path / "out.jsonl", model, "input")


def test_an_output_with_other_detection_is_refused(source, tmp_path, model):
    predict(source, tmp_path / "out.jsonl", model)
    refuse(source, tmp_path / "out.jsonl", model, "detect_objects", detect_objects=False)


def test_the_output_of_another_model_is_refused(source, tmp_path, model, mner_text_model):
    predict(source, tmp_path / "out.jsonl", model)
    shutil.copytree(mner_text_model, tmp_path / "other")
    weights = bytearray((tmp_path / "other/weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "other/weights.safetensors").write_bytes(weights)
    other = open_model_folder(tmp_path / "other")
    assert model_fingerprint(other) != model_fingerprint(model)
    refuse(source, tmp_path / "out.jsonl", other, "model")


def test_a_removed_output_is_written_again_by_any_model(source, tmp_path, model, monkeypatch):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    whole = target.read_bytes()
    target.unlink()
    monkeypatch.setattr("hvpkit.inference.bulk.model_fingerprint", lambda model: "other")
    assert predict(source, target, model).lines == 10
    assert target.read_bytes() == whole
    assert json.loads((tmp_path / "out.jsonl.run.json").read_text())["model"] == "other"


def test_a_model_that_was_moved_is_the_same(model, mner_text_model, tmp_path):
    shutil.copytree(mner_text_model, tmp_path / "moved")
    assert model_fingerprint(open_model_folder(tmp_path / "moved")) == model_fingerprint(model)


@pytest.mark.parametrize("identity", [False, True], ids=["without run.json", "with that of an earlier output"])
@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b'{"id": "a0", "line": 1, my notes\n',
        b"my notes\n",
        b"my notes\nmore\n",
        b"[]\n",
        b'{"id": "a1"}\n',
        b"\n",
    ],
)
def test_a_file_of_the_users_own_is_never_overwritten(content, identity, source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    if identity:
        predict(source, target, model)
    target.write_bytes(content)
    with raises(InputError, "output-exists", output=target):
        open_prediction_file(source, target, model)
    assert target.read_bytes() == content


def test_lines_added_to_an_output_are_never_removed(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    predict(source, target, model)
    with target.open("a") as lines:
        lines.write("my notes\n")
    with raises(InputError, "output-exists", output=target):
        open_prediction_file(source, target, model)


def test_a_damaged_identity_is_reported(source, tmp_path, model):
    predict(source, tmp_path / "out.jsonl", model)
    (tmp_path / "out.jsonl.run.json").write_text("{")
    with raises(InputError, "run-file-damaged", file=tmp_path / "out.jsonl.run.json"):
        open_prediction_file(source, tmp_path / "out.jsonl", model)


def test_places_that_cannot_be_are_refused(source, tmp_path, model):
    with raises(InputError, "input-missing", file=tmp_path / "no.jsonl"):
        open_prediction_file(tmp_path / "no.jsonl", tmp_path / "out.jsonl", model)
    with raises(InputError, "input-not-a-file", file=tmp_path):
        open_prediction_file(tmp_path, tmp_path / "out.jsonl", model)
    with raises(InputError, "output-is-input", file=source):
        open_prediction_file(source, tmp_path / "." / "in.jsonl", model)
    with raises(InputError, "output-not-a-file", file=tmp_path):
        open_prediction_file(source, tmp_path, model)


def test_two_commands_do_not_write_one_output(source, tmp_path, model):
    target = tmp_path / "out.jsonl"

    class Other(Echo):
        def predict_many(self, inputs):
            with raises(InputError, "predictions-in-use", file=target):
                predict(source, target, model)
            return super().predict_many(inputs)

    assert predict(source, target, model, Other()).lines == 10
    assert [path.name for path in tmp_path.iterdir() if ".out" in path.name] == []
    assert predict(source, target, model).lines == 10


def test_an_output_that_another_command_has_written_meanwhile_is_left_alone(source, tmp_path, model):
    target = tmp_path / "out.jsonl"
    late = open_prediction_file(source, target, model)
    predict(source, target, model)
    written = target.read_bytes()
    with raises(InputError, "predictions-in-use", file=target):
        late.run(Echo())
    assert target.read_bytes() == written


def test_only_a_run_in_which_all_failed_has_failed(source, tmp_path, model):
    file = open_prediction_file(source, tmp_path / "out.jsonl", model)
    require_any_success(BulkStatus(3, 2, "line 1: x"), file)
    require_any_success(BulkStatus(), file)
    with raises(HvpkitError, "all-lines-failed", count=3, file=source, reason="line 1: x") as error:
        require_any_success(BulkStatus(3, 3, "line 1: x"), file)
    assert error.value.exit_code == 1
