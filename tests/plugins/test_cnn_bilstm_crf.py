from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises
from torch import nn

import hvpkit_plugins
from hvpkit.batching import pad_texts
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.interfaces import TextBatch, TextContext
from hvpkit.messages import message_to_json
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing import check_text_encoder
from hvpkit.testing.inputs import EXAMPLES
from hvpkit.training.train import train
from hvpkit.types import Example

FACTORY = load_registry().get("text encoder", "cnn-bilstm").factory
SMALL = {"hidden": 6, "word_width": 5, "character_width": 4}
RELEASE = {"character_layers": 2, "projection": 7}


def encoder_of(**options):
    torch.manual_seed(0)
    return FACTORY(TextContext("mner", EXAMPLES["mner"]), **SMALL, **options).eval()


def batch_of(encoder, *examples: Example) -> TextBatch:
    return pad_texts([encoder.encode(example, 64) for example in examples], encoder.pad_values())


# -------------------------------------------------------------------------------------------------------------- the
# contract
@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", [{}, RELEASE, {"singleton_unk": 0.0, "zero_digits": False}])
def test_it_keeps_the_contract(task, options):
    check_text_encoder(FACTORY, task=task, **SMALL, **options)


def test_its_module_comes_without_torch():
    file = Path(hvpkit_plugins.__path__[0]) / "cnn_bilstm_crf" / "__init__.py"
    program = f"import runpy, sys; runpy.run_path({str(file)!r}); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


# ------------------------------------------------------------------------------------------------------------- the
# published
def test_default_sizes_are_those_of_the_paper():
    encoder = FACTORY(TextContext("mner", EXAMPLES["mner"]))
    assert encoder.width == 400
    assert (encoder.lstm.input_size, encoder.lstm.hidden_size, encoder.lstm.num_layers) == (100 + 30, 200, 1)
    (layer,) = encoder.characters.layers
    assert (layer.in_channels, layer.out_channels, layer.kernel_size, layer.padding) == (30, 30, (3,), (1,))
    release = FACTORY(TextContext("mner", EXAMPLES["mner"]), hidden=256, projection=128, character_layers=2)
    assert [(one.in_channels, one.out_channels) for one in release.characters.layers] == [(30, 120), (120, 30)]
    assert (release.width, release.project[0].in_features) == (128, 512)


def test_a_word_s_spelling_is_the_largest_value_of_each_filter_over_its_characters():
    encoder = encoder_of()
    letters = torch.tensor([[2, 3, 4, 0, 0], [5, 0, 0, 0, 0], [2, 3, 4, 5, 6]])
    spelt = encoder.characters(letters)
    (layer,) = encoder.characters.layers
    for row in range(3):
        real = [int(letter) for letter in letters[row] if letter]
        vectors = [encoder.characters.vectors.weight[letter] for letter in real]
        zero = torch.zeros(4)
        windows = zip([zero, *vectors[:-1]], vectors, [*vectors[1:], zero], strict=True)
        values = [
            sum(layer.weight[:, :, place] @ one for place, one in enumerate(window)) + layer.bias for window in windows
        ]
        torch.testing.assert_close(spelt[row], torch.stack(values).amax(0))


@pytest.mark.parametrize("options", [{}, RELEASE])
def test_the_states_are_the_written_out_bilstm_s(options):
    encoder = encoder_of(**options)
    text = batch_of(encoder, *EXAMPLES["mner"])
    states = encoder(text).states
    for row, example in enumerate(EXAMPLES["mner"]):
        words = [encoder.words.weight[encoder.words.vocabulary.index(word)] for word in example.words]
        letters = [
            torch.tensor([[encoder.known_characters.index(letter) for letter in word]]) for word in example.words
        ]
        inputs = [
            torch.cat([word, encoder.characters(spelling)[0]]) for word, spelling in zip(words, letters, strict=True)
        ]
        onward, back = one_way(encoder.lstm, inputs, ""), one_way(encoder.lstm, inputs[::-1], "_reverse")[::-1]
        both = torch.stack([torch.cat(pair) for pair in zip(onward, back, strict=True)])
        torch.testing.assert_close(states[row, : len(example.words)], encoder.project(both), atol=1e-6, rtol=1e-5)


def one_way(lstm: nn.LSTM, inputs, direction: str):
    """Walk one direction of an LSTM step by step (Hochreiter & Schmidhuber 1997, with forget gates)."""
    weights = [getattr(lstm, f"{name}_l0{direction}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    state, cell, states = torch.zeros(lstm.hidden_size), torch.zeros(lstm.hidden_size), []
    for one in inputs:
        enter, forget, new, out = (weights[0] @ one + weights[2] + weights[1] @ state + weights[3]).chunk(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        state = out.sigmoid() * cell.tanh()
        states.append(state)
    return states


def test_a_forget_gate_begins_open_and_other_biases_at_zero():
    lstm = encoder_of().lstm
    for direction in ("", "_reverse"):
        bias = getattr(lstm, f"bias_ih_l0{direction}") + getattr(lstm, f"bias_hh_l0{direction}")
        assert bias.tolist() == [0] * 6 + [1] * 6 + [0] * 12


def test_a_very_long_word_is_read_by_its_beginning():
    encoder = encoder_of()
    encoded = encoder.encode(Example("1", ("a" * 10_000, "b")), 64)
    assert encoded.features["characters"].shape == (2, 50)


# ----------------------------------------------------------------------------------------------------------------- its
# words
def test_unseen_words_differ_by_their_characters():
    encoder = encoder_of()
    first, second = (batch_of(encoder, Example("1", (word,))) for word in ("Adax", "Zoëy"))
    assert torch.equal(first.features["words"], second.features["words"])
    assert not torch.allclose(encoder(first).states, encoder(second).states)


def test_coverage_of_a_glove_file_is_logged_and_saved(mner_data, tmp_path, logged):
    glove = tmp_path / "glove.txt"
    glove.write_text("paris 1 2 3 4 5\nbob 1 1 1 1 1\nunseen 2 2 2 2 2\n", encoding="utf-8")
    text = f"text={{encoder: cnn-bilstm, hidden: 6, word_width: 5, glove: {glove}}}"
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=(text,))
    finished = train(recipe, load_registry(), tmp_path / "model")
    coverage = logged()[0]
    assert (coverage.code, coverage.fields["file"], coverage.fields["found"]) == (
        "word-vectors-coverage",
        "glove.txt",
        2,
    )
    assert coverage in (finished.folder / "README.md").read_text(encoding="utf-8")
    notes = json.loads((finished.folder / "metrics.json").read_text(encoding="utf-8"))["notes"]
    assert [note["code"] for note in notes] == ["text-encoder-random-but-word-vectors"]
    assert message_to_json(coverage) in notes[0]["fields"].values()
    glove.unlink()  # a model folder needs nothing of the training machine
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test


def test_a_glove_file_that_is_not_there_is_refused_before_anything_is_written(mner_data, tmp_path):
    recipe = tiny.recipe(
        tmp_path, mner_data.folder, "mner", images=False, overrides=("text={encoder: cnn-bilstm, glove: none.txt}",)
    )
    with raises(ModelFolderError, "word-vectors-unreadable", file=Path("none.txt"), reason="No such file or directory"):
        train(recipe, load_registry(), tmp_path / "model")
    assert not list(tmp_path.glob("model*"))


def test_missing_training_examples_are_an_error():
    with raises(ComponentError, "vocabulary-without-examples"):
        FACTORY(TextContext("mner"))


def test_a_model_folder_without_its_vocabulary_is_refused(tmp_path):
    encoder_of().save(tmp_path)
    (tmp_path / "characters.json").write_text("{}", encoding="utf-8")
    with raises(ModelFolderError, "vocabulary-unreadable", file=tmp_path / "characters.json"):
        FACTORY(TextContext("mner", folder=tmp_path), **SMALL)


# -----------------------------------------------------------------------------------------------------------------
# recipes
def test_the_recipe_holds_the_paper_s_settings_and_the_common_one_stops_early():
    paper, common = (
        load_recipe("cnn_bilstm_crf_mner", registry=load_registry()),
        load_recipe("cnn_bilstm_crf_common_mner"),
    )
    settings = paper.train
    assert (settings.optimizer, settings.lr, settings.momentum, settings.lr_decay) == ("sgd", 0.015, 0.9, 0.05)
    assert (settings.epochs, settings.batch_size, settings.max_grad_norm, settings.warmup) == (50, 10, 5, 0)
    assert paper.head.options == {"dropout": 0.5}
    assert common == load_recipe("cnn_bilstm_crf_mner", ["train.patience=10"])


def test_the_later_release_s_recipe_builds_its_layers():
    recipe = load_recipe("cnn_bilstm_crf_later_mner", registry=load_registry())
    encoder = load_registry().build(
        "text encoder", "cnn-bilstm", TextContext("mner", EXAMPLES["mner"]), recipe.text.options
    )
    assert [tuple(layer.weight.shape) for layer in encoder.characters.layers] == [(120, 30, 3), (30, 120, 3)]
    assert (encoder.lstm.hidden_size, encoder.width) == (256, 128)
    settings = recipe.train
    assert (settings.optimizer, settings.lr, settings.batch_size, settings.epochs, settings.max_grad_norm) == (
        "sgd",
        0.01,
        16,
        400,
        0,
    )


def test_it_learns_what_the_sentences_hold(mner_data, tmp_path):
    overrides = (
        "text={encoder: cnn-bilstm, hidden: 16, word_width: 16, character_width: 8}",
        "train.epochs=25",
        "train.lr=1e-2",
    )
    finished = train(
        tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=overrides),
        load_registry(),
        tmp_path / "model",
    )
    assert finished.test.overall.f1 > 0.8
