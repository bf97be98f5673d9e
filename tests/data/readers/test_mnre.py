"""The text files of MNRE: literals and JSON, never run, every fault counted with its place."""

from __future__ import annotations

import json

import pytest
from fabricate import RESIDENCE, kinds, pair, some, write, write_pairs
from raising import raises

from hvpkit.data.readers.deepke import RECORD_FORMAT
from hvpkit.data.readers.mnre import read_pairs
from hvpkit.errors import DataError, did_you_mean
from hvpkit.labels.inventory import MNRE_RELATIONS
from hvpkit.records.issues import IssueLog, ReadingContext
from hvpkit.types import Span


def read(tmp_path, content):
    file = tmp_path / "train.txt"
    if isinstance(content, list):
        write_pairs(file, content)
    else:
        write(file, content)
    problems = IssueLog()
    return read_pairs(ReadingContext(file, "train", problems)), problems


def ids(drafts):
    return [draft.example.id for draft in drafts]


@pytest.mark.parametrize("as_json", [False, True])
def test_literals_and_json_lines_read_alike(tmp_path, as_json):
    write_pairs(tmp_path / "train.txt", [pair(), pair(relation="None", token=["Ann", "'s", 'say "Rome"'])], as_json)
    drafts = read_pairs(ReadingContext(tmp_path / "train.txt", "train", IssueLog()))
    first, second = (draft.example for draft in drafts)
    assert (first.words, first.head, first.tail, first.relation) == (
        ("Ann", "of", "Rome"),
        Span(0, 1),
        Span(2, 3),
        RESIDENCE,
    )
    assert (second.words, second.relation) == (("Ann", "'s", 'say "Rome"'), "None")
    assert drafts[0].image == "a.jpg"


def test_pairs_of_one_image_have_ids_of_their_own(tmp_path):
    drafts, problems = read(tmp_path, [pair(), pair(), pair("b.jpg")])
    assert ids(drafts) == ["a:1", "a:2", "b:3"]
    assert [draft.line for draft in drafts] == [1, 2, 3]
    assert problems.issues() == []


def test_code_is_not_run_but_reported_and_skipped(tmp_path):
    evil = f"__import__('pathlib').Path({str(tmp_path / 'pwned')!r}).touch()"
    drafts, problems = read(tmp_path, f"{evil}\n{pair()!r}\n{{'token': {evil}}}\n")
    assert ids(drafts) == ["a:2"]
    assert not (tmp_path / "pwned").exists()
    [problem] = problems.issues()
    assert (problem.code, problem.count, problem.skipped) == ("line-not-literal", 2, True)
    assert problem.messages[0].fields == {"text": evil[:60]}
    assert problem.places[0] == f"{tmp_path / 'train.txt'}:1: {problem.messages[0]}"


DEEP = '{"a": ' * 900 + "1" + "}" * 900


@pytest.mark.parametrize("line", ["[" * 100_000, "{'a': " * 5_000, '{"a": ' * 100_000, "{'token': '\\d'}", DEEP])
def test_hostile_lines_are_skipped(tmp_path, line):
    drafts, problems = read(tmp_path, f"{line}\n{pair()!r}\n")
    assert len(drafts) == 1
    assert sum(problem.count for problem in problems.issues()) == 1


def at(*place, key="h"):
    return pair(**{key: {"name": "", "pos": list(place)}})


@pytest.mark.parametrize(
    ("record", "code", "fields"),
    [
        (at(0, 4), "span-outside", {"name": "h", "start": 0, "end": 4, "length": 3, "unit": "words"}),
        (at(-1, 1), "span-outside", {"start": -1, "end": 1}),
        (at(1, 1), "span-empty", {"start": 1, "end": 1}),
        (at(2, 1, key="t"), "span-empty", {"name": "t", "start": 2, "end": 1}),
        (at(0.0, 1), "span-not-integers", {"start": 0.0, "end": 1}),
        (at(True, 2), "span-not-integers", {"start": True, "end": 2}),
        (at(1), "span-missing", {"name": "h", "found": {"name": "", "pos": [1]}}),
        (pair(h="Ann"), "span-missing", {"name": "h", "found": "Ann"}),
        (
            pair(relation="/per/per/peers"),
            "unknown-relation",
            {"relation": "/per/per/peers", "hint": did_you_mean("/per/per/peers", MNRE_RELATIONS)},
        ),
        (pair(relation=None), "unknown-relation", {"relation": None}),
        (pair(relation=["None"]), "unknown-relation", {"relation": ["None"]}),
        (pair(token=[]), "no-words", {}),
        (pair(token="Ann of Rome"), "tokens-not-strings", {"found": "Ann of Rome"}),
        (pair(token=["Ann", 3, "Rome"]), "tokens-not-strings", {"found": ["Ann", 3, "Rome"]}),
        ({"token": ["x"]}, "keys-missing", {"missing": ["h", "t", "img_id", "relation"], "keys": ["token"]}),
        (["x"], "record-not-object", {"found": "['x']", "expected": RECORD_FORMAT}),
    ],
)
def test_a_bad_pair_is_left_out_and_placed(tmp_path, record, code, fields):
    drafts, problems = read(tmp_path, [pair(), record])
    assert ids(drafts) == ["a:1"]
    [problem] = problems.issues()
    assert (problem.code, problem.skipped) == (code, True)
    assert problem.places == [f"{tmp_path / 'train.txt'}:2: {problem.messages[0]}"]
    assert some(problem.messages[0], fields) == fields


def test_an_entity_within_another_stays_and_is_counted(tmp_path):
    drafts, problems = read(tmp_path, [pair(h={"name": "Ann of Rome", "pos": [0, 3]})])
    assert drafts[0].example.head == Span(0, 3)
    assert kinds(problems) == {"head-tail-overlap": 1}


def test_neighbouring_entities_share_nothing(tmp_path):
    _, problems = read(tmp_path, [pair(h={"name": "Ann of", "pos": [0, 2]})])
    assert problems.issues() == []


def test_a_name_that_is_not_at_its_place_is_counted(tmp_path):
    _, problems = read(tmp_path, [pair(h={"name": "Rome", "pos": [0, 1]})])
    assert kinds(problems) == {"name-mismatch": 1}


def test_spans_move_with_the_words_of_blanks_that_are_dropped(tmp_path):
    tokens = [" ", "Ann", "", " of", "\u3000", "Rome"]
    drafts, problems = read(
        tmp_path, [pair(token=tokens, h={"name": "Ann", "pos": [0, 3]}, t={"name": "Rome", "pos": [5, 6]})]
    )
    example = drafts[0].example
    assert (example.words, example.head, example.tail) == (("Ann", "of", "Rome"), Span(0, 1), Span(2, 3))
    assert kinds(problems) == {"blank-token": 3, "blanks-removed": 1}


def test_a_span_of_blanks_alone_is_empty(tmp_path):
    _, problems = read(tmp_path, [pair(), pair(token=["Ann", " ", "Rome"], h={"name": "", "pos": [1, 2]})])
    assert kinds(problems) == {"span-empty": 1}


@pytest.mark.parametrize("image", [None, "", 7])
def test_pair_without_an_image_name_is_kept(tmp_path, image):
    drafts, problems = read(tmp_path, [pair(image)])
    assert (ids(drafts), drafts[0].image) == (["train:1"], None)
    assert kinds(problems) == {"pair-without-image-name": 1}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (repr(pair()).encode().replace(b"Ann", b"\xc4nn"), "line-not-utf8"),
        (json.dumps(pair()).encode().replace(b"Ann", rb"\ud83dnn"), "lone-surrogate"),
        (repr(pair()).encode().replace(b"Ann", rb"\ud83dnn"), "lone-surrogate"),
    ],
)
def test_what_is_no_text_is_left_out(tmp_path, line, code):
    drafts, problems = read(tmp_path, line + b"\n" + repr(pair()).encode() + b"\n")
    assert ids(drafts) == ["a:2"]
    assert kinds(problems) == {code: 1}


@pytest.mark.parametrize("write_record", [repr, json.dumps])
def test_a_last_line_cut_short_is_called_that(tmp_path, write_record):
    drafts, problems = read(tmp_path, f"{write_record(pair())}\n{write_record(pair())[:-20]}")
    assert len(drafts) == 1
    assert kinds(problems) == {"file-truncated": 1}


def test_empty_lines_are_passed_over(tmp_path):
    drafts, problems = read(tmp_path, f"\n  {pair()!r}  \r\n\n")
    assert ids(drafts) == ["a:2"]
    assert list(kinds(problems)) == ["windows-line-ends"]


def test_a_file_of_code_alone_is_refused(tmp_path):
    file = tmp_path / "train.txt"
    with raises(DataError, "nothing-usable", file=file) as caught:
        read(tmp_path, "print('hello')\n")
    assert [(problem.location, problem.message.code) for problem in caught.value.problems] == [
        (f"{file}:1", "line-not-literal")
    ]
