"""The one path from examples to predictions: in order, streaming, and no example pays for another's fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch

from hvpkit.batching import Batcher
from hvpkit.errors import DataError, ImageError, InputError
from hvpkit.evaluation.evaluate import score_predictions
from hvpkit.features import extract
from hvpkit.features.cache import FeatureCache
from hvpkit.images.decode import read_image_bytes
from hvpkit.inference.engine import PREFETCH_BATCHES, WindowedPrediction, chunk_by_size, predict_stream, predict_windows
from hvpkit.inference.windows import Window
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.types import Entity, Example, Relation, Span, VisualObject


def opened(folder):
    """Open a model folder; gives the model and its batcher."""
    what = open_model_folder(folder)
    model = load_model(what, "cpu")
    return model, Batcher(model, what.recipe)


@pytest.fixture(scope="module")
def mner(mner_model):
    return opened(mner_model)


@pytest.fixture(scope="module")
def mre(mre_model):
    return opened(mre_model)


def alike(one, other) -> bool:
    """Compare predictions; confidences may differ by rounding, as batches do."""
    if isinstance(one, Relation):
        return one.label == other.label and abs(one.confidence - other.confidence) < 1e-4
    ends = [(e.start, e.end, e.type) for e in one], [(e.start, e.end, e.type) for e in other]
    return ends[0] == ends[1] and all(abs(a.confidence - b.confidence) < 1e-4 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_each_example_gets_what_it_would_get_alone_in_the_order_given(task, batch_size, mner, mre, mner_data, mre_data):
    (model, batcher), data = (mner, mner_data) if task == "mner" else (mre, mre_data)
    examples = [example for split in ("train", "dev", "test") for example in data.examples(split)][::-1]
    alone = [next(predict_stream(model, batcher, [example])) for example in examples]
    together = list(predict_stream(model, batcher, examples, batch_size))
    assert len(together) == len(examples)
    assert all(alike(*pair) for pair in zip(alone, together, strict=True))
    assert not all(alike(alone[0], other) for other in alone)


@pytest.mark.parametrize("place", [(0, 99), (-1, 1), (2, 2)])
def test_a_head_whose_entities_leave_the_text_is_named(mner, mner_data, monkeypatch, place):
    model, batcher = mner
    monkeypatch.setattr(
        type(model.head), "decode", lambda self, scores, text: [[Entity(*place, "PER", 0.5)]] * len(text.mask)
    )
    with pytest.raises(ValueError, match=r"CrfHead .*\[Entity\(start="):
        list(predict_stream(model, batcher, mner_data.examples("test")))


def test_a_head_that_leaves_an_example_out_is_named(mner, mner_data, monkeypatch):
    model, batcher = mner
    decode_all = type(model.head).decode
    monkeypatch.setattr(type(model.head), "decode", lambda *given: decode_all(*given)[:-1])
    with pytest.raises(ValueError, match=r"CrfHead .*\b2\b.*\b3\b"):
        list(predict_stream(model, batcher, mner_data.examples("train")[:3]))


def test_a_bad_image_fails_its_own_example_alone(mner, mner_data, tmp_path):
    model, batcher = mner
    examples = mner_data.examples("train")
    (tmp_path / "cut.png").write_bytes(tiny.draw(tmp_path / "whole.png").read_bytes()[:60])
    bad = {2: tmp_path / "cut.png", 5: tmp_path / "missing.png", 6: tmp_path}
    spoilt = [replace(example, image=bad.get(i, example.image)) for i, example in enumerate(examples)]
    spoilt[8] = replace(spoilt[8], objects=(VisualObject(tmp_path / "cut.png"),))
    sound, found = list(predict_stream(model, batcher, examples)), list(predict_stream(model, batcher, spoilt))
    assert [i for i, given in enumerate(found) if isinstance(given, InputError)] == [2, 5, 6, 8]
    assert all(isinstance(found[i], ImageError) for i in (2, 5, 6, 8))
    assert (found[2].code, found[2].fields["file"]) == ("image-damaged", tmp_path / "cut.png")
    assert all(alike(sound[i], found[i]) for i in range(len(examples)) if i not in (2, 5, 6, 8))


def test_entities_too_far_apart_fail_their_own_example_alone(mre, mre_data):
    model, batcher = mre
    sound = mre_data.examples("train")[0]
    far = replace(sound, words=("Ada", *["visits"] * 60, "Oslo"), head=Span(0, 1), tail=Span(61, 62))
    found = list(predict_stream(model, batcher, [sound, far, sound]))
    assert isinstance(found[1], DataError)
    assert (found[1].code, found[1].fields["example"]) == ("pair-too-far-apart", far.id)
    assert found[1].fields["wordpieces"] > found[1].fields["limit"]
    assert alike(found[0], found[2])


def test_a_pair_in_a_long_text_is_read_in_a_window_around_it(mre):
    model, batcher = mre
    words = ("visits",) * 200 + ("Ada", "loves", "Oslo") + ("visits",) * 200
    [found] = predict_windows(model, batcher, [Example("a", words, head=Span(200, 201), tail=Span(202, 203))])
    [window] = found.windows
    assert isinstance(found.decoded, Relation)
    assert window.start <= 200
    assert window.end >= 203
    assert 20 <= window.end - window.start <= 32


def test_ten_thousand_words_are_all_read(mner):
    model, batcher = mner
    every_word = 100 * torch.eye(len(model.head.labels.names))[model.head.labels.index("B-PER")]
    words = tuple(f"{a} {b}".split()[i % 2] for i, (a, b) in enumerate([("Ada", "visits"), ("Oslo", "!")] * 5000))
    with model.head.linear.register_forward_hook(lambda layer, given, emissions: emissions + every_word):
        [found] = predict_windows(model, batcher, [Example("a", words)])
    assert isinstance(found, WindowedPrediction)
    end = 0
    for window in found.windows:
        assert window.start <= end < window.end
        end = window.end
    assert end == len(words) == 10_000
    assert [(entity.start, entity.end) for entity in found.decoded] == [(word, word + 1) for word in range(10_000)]


def test_image_features_are_computed_once_for_all_windows(mner, mner_data, monkeypatch, tmp_path):
    model, batcher = mner
    image, opened_files = tiny.draw(tmp_path / "a.png", 4), []
    monkeypatch.setattr(extract, "read_image_bytes", lambda file: opened_files.append(file) or read_image_bytes(file))
    [long] = predict_windows(model, batcher, [Example("a", ("Ada", "visits", "Oslo") * 40, image=image)])
    assert len(long.windows) > 3
    assert len(opened_files) == 1


def test_shared_and_unshared_images_say_the_same(mner, tmp_path):
    model, batcher = mner
    image = tiny.draw(tmp_path / "a.png", 4)
    examples = [
        Example("a", ("Ada", "visits", "Oslo"), image=image),
        Example("b", ("Bob", "loves", "Paris", "!"), image=image),
    ]
    alone = [next(predict_stream(model, batcher, [example])) for example in examples]
    together = list(predict_stream(model, batcher, examples))
    cached = list(predict_stream(model, Batcher(model, batcher.recipe, FeatureCache(model.vision)), examples))
    assert all(alike(*pair) for pair in zip(alone, together, strict=True))
    assert all(alike(*pair) for pair in zip(alone, cached, strict=True))


def test_prediction_reports_whether_an_image_was_used(mner, tmp_path):
    model, batcher = mner
    image = tiny.draw(tmp_path / "a.png")
    examples = [
        Example("a", ("Ada",)),
        Example("b", ("Ada",), image=image),
        Example("c", ("Ada",), objects=(VisualObject(image),)),
    ]
    assert [given.image for given in predict_windows(model, batcher, examples)] == [False, True, True]


def test_a_stream_is_read_a_bounded_number_of_batches_ahead(mner):
    model, batcher = mner
    taken = []

    def stream():
        for number in range(10_000):
            taken.append(number)
            yield Example(str(number), ("Ada",))

    found = predict_stream(model, batcher, stream(), batch_size=2)
    next(found)
    assert len(taken) == PREFETCH_BATCHES * 2
    found.close()


def test_chunks_are_shorter_where_things_are_larger():
    assert list(chunk_by_size([1, 1, 1, 9, 1, 1, 0, 0, 0], 3, float)) == [[1, 1, 1], [9], [1, 1, 0], [0, 0]]
    assert list(chunk_by_size([], 3, float)) == []


def test_the_model_is_left_in_the_mode_it_was_in_and_without_gradients(mner, mner_data):
    model, batcher = mner
    model.train()
    try:
        found = predict_stream(model, batcher, mner_data.examples("dev"))
        first = next(found)
        assert not model.training
        assert torch.is_grad_enabled()
        assert isinstance(first, list)
        list(found)
        assert model.training
    finally:
        model.eval()


def test_what_could_not_be_read_scores_as_nothing_found(mner_data, mre_data):
    gold = mner_data.examples("train")[:2]
    right = [[Entity(0, 2, "PER", 1.0), Entity(3, 4, "LOC", 1.0)], DataError("no-words")]
    scores = score_predictions(gold, right)
    assert (scores.overall.gold, scores.overall.precision) == (4, 1.0)
    assert scores.overall.recall == pytest.approx(0.5)
    pairs = mre_data.examples("train")[:2]
    told = [Relation(str(pairs[0].relation), 1.0, ()), DataError("no-words")]
    assert score_predictions(pairs, told).overall.recall == pytest.approx(0.5)


def test_windows_of_short_texts_are_the_whole_text(mner):
    model, batcher = mner
    assert [given.windows for given in predict_windows(model, batcher, [Example("a", ("Ada", "visits"))])] == [
        (Window(0, 2),)
    ]
