from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from raising import raises

from hvpkit.errors import ModelFolderError
from hvpkit.model.text.word_vectors import WordVectors, load_vectors

LINES = ["the 0.1 0.2", "Paris 1 2", "paris 3 4", "rome 5 6", "oslo 7 8", "oslo 9 9"]


@pytest.fixture
def write(tmp_path):
    def write(lines: list[str], end: str = "\n") -> Path:
        file = tmp_path / "glove.txt"
        file.write_bytes("".join(line + end for line in lines).encode("utf-8", "surrogateescape"))
        return file

    return write


def read(file: Path, *words: str, width: int = 2, first: int = 0) -> WordVectors:
    return load_vectors(file, width=width, words=words, first=first)


def test_a_word_is_matched_as_it_is_written_else_in_lower_case_else_not(write):
    vectors = read(write(LINES), "Paris", "Rome", "Berlin")
    assert [
        None if found is None else found.tolist()
        for found in map(vectors.vector, ("Paris", "paris", "Rome", "PARIS", "Berlin"))
    ] == [
        [1, 2],
        [3, 4],
        [5, 6],
        [3, 4],
        None,
    ]


def test_requested_words_and_the_first_ones_are_kept_in_file_order(write):
    assert [*read(write(LINES), "Rome").rows] == ["rome"]
    assert [*read(write(LINES), "oslo", first=2).rows] == ["the", "Paris", "oslo"]


def test_first_vector_of_a_repeated_word_counts(write):
    assert read(write(LINES), "oslo").vector("oslo").tolist() == [7, 8]


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_a_header_that_counts_words_and_numbers_is_skipped(write, end):
    vectors = read(write(["3 2", "the 1 2", "2 3 4"], end), "3", "2", first=9)
    assert {word: row.tolist() for word, row in vectors.rows.items()} == {"the": [1, 2], "2": [3, 4]}


def test_words_that_are_not_utf8_are_skipped(write):
    assert read(write(["caf\udce9 1 2", "the 3 4"]), "the", first=9).vector("the").tolist() == [3, 4]


def test_words_with_blanks_are_skipped(write):
    vectors = read(write(["the 1 2", ". . . 0.4 0.5", "at name@domain.com 0.1 0.2", "at 3 4"]), "at", ".", first=3)
    assert {word: row.tolist() for word, row in vectors.rows.items()} == {"the": [1, 2], "at": [3, 4]}


@pytest.mark.parametrize(
    ("line", "code", "fields"),
    [
        ("paris 1", "word-vectors-width", {"expected": 2, "found": 1}),
        ("paris 1 2 3", "word-vectors-width", {"expected": 2, "found": 3}),
        ("paris", "word-vectors-width", {"expected": 2, "found": 0}),
        ("paris one 2", "word-vectors-no-numbers", {"expected": 2}),
        ("paris nan 2", "word-vectors-not-finite", {}),
    ],
)
def test_a_line_that_holds_something_else_is_named(write, line, code, fields):
    file = write(["the 1 2", line])
    with raises(ModelFolderError, code, file=file, line=2, **fields) as refused:
        read(file, "Paris")
    assert ("one" in line) == ("one" in refused.value.fields.get("reason", ""))


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    with raises(
        ModelFolderError, "word-vectors-unreadable", file=tmp_path / "none.txt", reason="No such file or directory"
    ):
        read(tmp_path / "none.txt")
    with raises(ModelFolderError, "word-vectors-unreadable", file=tmp_path, reason="Is a directory"):
        read(tmp_path)


def test_coverage_counts_words_and_running_words(write):
    vectors = read(write(LINES), "the", "Paris", "Rome", "Berlin")
    message = vectors.coverage(Counter({"the": 5, "Paris": 1, "Rome": 1, "Berlin": 3}))
    numbers = {"found": 3, "words": 4, "fraction": 0.75, "exact": 2, "lower_case": 1, "running": 0.7}
    assert (message.code, message.fields) == ("word-vectors-coverage", {"file": "glove.txt", **numbers})
