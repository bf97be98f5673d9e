from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest
import torch
from raising import raises

from hvpkit.errors import ComponentError
from hvpkit.interfaces import TextContext
from hvpkit.model.text.vocabulary import UNKNOWN
from hvpkit.model.text.word_embedding import WordEmbeddingConfig, build_word_embedding
from hvpkit.types import Example, Span

EXAMPLES = (
    Example("1", ("Ada", "visits", "Paris", "in", "1843")),
    Example("2", ("Bob", "visits", "Rome", "in", "2026")),
)


@pytest.fixture
def glove(tmp_path) -> Path:
    file = tmp_path / "glove.txt"
    file.write_text("the 9 9 9\nparis 1 2 3\nvisits 4 5 6\nlondon 7 8 9\n", encoding="utf-8")
    return file


def words_of(**options):
    torch.manual_seed(0)
    return build_word_embedding(TextContext("mner", EXAMPLES), WordEmbeddingConfig(**{"width": 3} | options))


def test_vectors_begin_uniform_within_their_bound_and_padding_is_zero():
    weight = words_of(width=48).weight.detach()
    assert not weight[0].any()
    bound = math.sqrt(3 / 48)
    assert float(weight[1:].abs().max()) <= bound
    assert float(weight[1:].abs().max()) > 0.9 * bound
    assert float(weight[1:].std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_vectors_of_a_file_are_assigned_to_its_words(glove):
    words = words_of(file=glove, file_words=1)
    assert words.weight[words.vocabulary.index("Paris")].tolist() == [1, 2, 3]
    assert words.weight[words.vocabulary.index("visits")].tolist() == [4, 5, 6]
    assert words.weight[words.vocabulary.index("the")].tolist() == [9, 9, 9]
    assert words.vocabulary.index("london") == UNKNOWN
    assert float(words.weight[words.vocabulary.index("Ada")].detach().abs().max()) <= 1


def test_coverage_of_word_vectors_is_logged_and_noted(glove, logged):
    words = words_of(file=glove)
    (coverage,) = logged(logging.INFO)
    numbers = {"found": 2, "words": 8, "fraction": 0.25, "exact": 1, "lower_case": 1, "running": 0.3}
    assert (coverage.code, coverage.fields) == ("word-vectors-coverage", {"file": "glove.txt", **numbers})
    (note,) = words.provenance_notes()
    assert (note.code, note.fields) == ("text-encoder-random-but-word-vectors", {"coverage": coverage})


def test_random_word_vectors_are_noted_and_not_logged(logged):
    assert [note.code for note in words_of().provenance_notes()] == ["text-encoder-and-word-vectors-random"]
    assert not logged()


def test_padding_stays_zero_in_training():
    words = words_of().train()
    optimizer = torch.optim.SGD(words.parameters(), lr=1.0)
    words(torch.tensor([[2, 0], [3, 1]])).sum().backward()
    optimizer.step()
    assert not words.weight[0].any()


def test_singletons_are_masked_with_a_probability_in_training_only():
    words = words_of(singleton_unk=0.3)
    ids = torch.tensor([[words.vocabulary.index(word) for word in ("visits", "Ada")]] * 10_000)
    unknown = words.weight[UNKNOWN]
    torch.manual_seed(1)
    hidden = (words.train()(ids) == unknown).all(-1).float().mean(0)
    assert hidden[0] == 0
    assert float(hidden[1]) == pytest.approx(0.3, abs=0.02)
    assert not (words.eval()(ids) == unknown).all(-1).any()


def test_digits_are_read_as_zeros_on_request():
    plain, zeros = words_of(), words_of(zeros=True)
    assert plain.vocabulary.index("1815") == UNKNOWN
    assert zeros.vocabulary.index("1815") == zeros.vocabulary.index("1843") != UNKNOWN


def test_one_position_a_word_in_a_window_around_the_pair():
    long = Example("long", tuple(f"w{i}" for i in range(30)), head=Span(20, 21), tail=Span(17, 19))
    encoded = words_of().encode(long, 8)
    kept = len(encoded.word_starts)
    assert (kept, encoded.num_truncated_words) == (8, 22)
    assert encoded.word_starts.tolist() == encoded.word_ids.tolist() == [*range(8)]
    assert (encoded.head_position, encoded.tail_position) == (20 - encoded.first_word, 17 - encoded.first_word)


def test_a_saved_folder_needs_neither_examples_nor_the_file(glove, tmp_path):
    words = words_of(file=glove, zeros=True)
    words.save(tmp_path)
    glove.unlink()
    again = build_word_embedding(TextContext("mner", folder=tmp_path), WordEmbeddingConfig(3, glove, zeros=True))
    assert again.vocabulary == words.vocabulary
    again.load_state_dict(words.state_dict())


def test_without_training_text_there_is_no_vocabulary():
    with raises(ComponentError, "vocabulary-without-examples"):
        build_word_embedding(TextContext("mner"), WordEmbeddingConfig(3))
