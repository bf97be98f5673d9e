"""Lines of JSON, each for itself; a file in another encoding is refused whole."""

from __future__ import annotations

import json

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.records import json_lines
from hvpkit.records.issues import RecordError
from hvpkit.records.json_lines import RECORD_FORMAT, JsonLine, parse_json_object, read_json_lines


def read(tmp_path, content: bytes) -> list[JsonLine]:
    (tmp_path / "in.jsonl").write_bytes(content)
    return list(read_json_lines(tmp_path / "in.jsonl"))


@pytest.mark.parametrize(
    ("content", "code", "fields"),
    [
        (b'{"text": ', "line-not-json", {"text": '{"text":', "expected": RECORD_FORMAT}),
        (b"[" * 100_000, "line-not-json", {"text": "[" * 60}),
        (b'{"id": ' + b"9" * 5000 + b"}", "line-not-json", {}),
        (b"\xff", "line-not-utf8", {"byte": 1}),
        (b'{"text": "Zo\xeb"}', "line-not-utf8", {"byte": 13}),
        ('{"text": "Ada"}'.encode("utf-16-le"), "line-not-json", {}),
        (b"[1]", "record-not-object", {"found": "[1]", "expected": RECORD_FORMAT}),
        (b'"Ada"', "record-not-object", {"found": '"Ada"'}),
        (b'{"text": "a\\ud83d"}', "lone-surrogate", {"character": "U+D83D"}),
        (b'{"a": [{"\\ud83d": 1}]}', "lone-surrogate", {"character": "U+D83D"}),
    ],
)
def test_a_line_that_is_no_object_is_refused(content, code, fields):
    with raises(RecordError, code, **fields):
        parse_json_object(content)


def test_lines_are_numbered_blank_ones_passed_over_and_errors_are_values(tmp_path):
    lines = read(tmp_path, b'\xef\xbb\xbf{"id": 7}\r\n\n[]\n  \n{"id": [7]}\n{"id": "a"')
    assert [(line.number, line.id) for line in lines] == [(1, 7), (3, None), (5, None), (6, None)]
    assert (lines[0].record, lines[2].record) == ({"id": 7}, {"id": [7]})
    assert (lines[1].record.code, lines[3].record.code) == ("record-not-object", "file-truncated")
    assert lines[3].record.fields["reason"].code == "line-not-json"


def test_the_last_line_needs_no_end(tmp_path):
    assert read(tmp_path, b'\n  \n{"text": "a"}') == [JsonLine(3, b'{"text": "a"}', is_ended=False)]


def test_a_line_too_long_for_memory_is_refused_and_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 100)
    lines = read(tmp_path, b'{"text": "' + b"x" * 1000 + b'"}\n{"text": "b"}\n' + b"y" * 101)
    assert [(line.number, len(line.content)) for line in lines] == [(1, 101), (2, 13), (3, 101)]
    assert [getattr(line.record, "code", None) for line in lines] == ["line-too-long", None, "file-truncated"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_encoding_is_refused_before_any_line(tmp_path, encoding):
    content = "".join(json.dumps({"text": f"Ada {number}"}) + "\n" for number in range(3))
    with raises(DataError, "not-utf8", file=tmp_path / "in.jsonl"):
        read(tmp_path, content.encode(encoding))
