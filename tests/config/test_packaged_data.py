from __future__ import annotations

import pytest
from pydantic import ValidationError

from hvpkit.config.packaged_data import PackagedData, load_packaged_data
from hvpkit.detection.function_words import load_function_words


class Words(PackagedData):
    words: tuple[str, ...]


def load(tmp_path, text: str) -> Words:
    file = tmp_path / "words.yaml"
    file.write_text(text, encoding="utf-8")
    return load_packaged_data(file, Words)


def test_words_that_yaml_1_1_reads_as_booleans_stay_words(tmp_path):
    assert load(tmp_path, "words: [on, no, yes, off, don't]").words == ("on", "no", "yes", "off", "don't")
    words = load_function_words()
    assert words.is_function_word("no") and words.starts_group("on") and not words.is_function_word("dog")


@pytest.mark.parametrize("text", ["words: [a]\nmore: b", "words: 3", "", "words: [1]"])
def test_file_that_does_not_fit_its_schema_is_an_error(tmp_path, text):
    with pytest.raises(ValidationError):
        load(tmp_path, text)


def test_file_that_is_not_yaml_is_an_error_with_its_line(tmp_path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its line is asserted
        load(tmp_path, "words: [a]\nwords: [b]")
    assert f"{tmp_path / 'words.yaml'}:2:" in str(caught.value)
