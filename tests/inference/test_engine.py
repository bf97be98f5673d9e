"""The one path from examples to predictions: in order, streaming, and no example pays for another's fault."""

from __future__ import annotations

import multiprocessing.process
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
from hvpkit.inference.decode import WindowedPrediction, decode_batch, merge_windows, predict_stream
from hvpkit.inference.engine import PREFETCH_BATCHES, InferenceEngine, chunk_by_size, encode_windows
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


def predict_windows(model, batcher, examples):
    """Predict examples; gives a WindowedPrediction of each."""
    return [merge_windows(result) for result in InferenceEngine(model, batcher).run(examples, decode_batch)]


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
    assert [given.image_used for given in predict_windows(model, batcher, examples)] == [False, True, True]


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


def test_the_model_is_in_eval_mode_without_gradients_in_a_reader_and_as_before_outside(mner, mner_data):
    model, batcher = mner
    modes = []

    def read(model, batch):
        modes.append((model.training, model.head.training, torch.is_grad_enabled()))
        return decode_batch(model, batch)

    model.train()
    try:
        results = InferenceEngine(model, batcher, batch_size=2).run(mner_data.examples("dev") * 10, read)
        next(results)
        assert (model.training, model.head.training, torch.is_grad_enabled()) == (True, True, True)
        list(results)
        assert model.training
    finally:
        model.eval()
    assert len(modes) > 1
    assert set(modes) == {(False, False, False)}


def test_a_reader_that_fails_leaves_the_model_in_its_mode(mner, mner_data):
    model, batcher = mner

    def read(model, batch):
        raise RuntimeError

    model.train()
    try:
        with pytest.raises(RuntimeError):
            list(InferenceEngine(model, batcher).run(mner_data.examples("dev"), read))
        assert model.training
    finally:
        model.eval()


def test_a_reader_gets_each_window_once_and_its_values_come_back_in_order(mner):
    model, batcher = mner
    examples = [Example(str(n), ("Ada", "visits", "Oslo") * n) for n in (40, 1, 17, 3)]
    sizes = []

    def count_words(model, batch):
        sizes.append(len(batch.text.mask))
        return batch.text.word_mask.sum(1).tolist()

    results = list(InferenceEngine(model, batcher, batch_size=2).run(examples, count_words))
    for example, result in zip(examples, results, strict=True):
        assert [window.end - window.start for window, _ in result.windows] == list(result.values)
        assert result.windows[-1][0].end == len(example.words)
    assert len(results[0].windows) > 3
    assert max(sizes) == 2
    assert sum(sizes) == sum(len(result.windows) for result in results)


def test_truncated_texts_have_one_window(mner):
    model, batcher = mner
    example = Example("a", ("Ada", "visits", "Oslo") * 40)
    [result] = InferenceEngine(model, batcher).run([example], decode_batch, long_texts="truncate")
    [(window, item)] = result.windows
    assert (window.start, window.end) == (0, len(item.text.word_starts))
    assert window.end == len(example.words) - item.text.num_truncated_words < len(example.words)


def test_a_reader_that_leaves_a_row_out_is_refused(mner, mner_data):
    model, batcher = mner
    with pytest.raises(ValueError, match=r"\b2\b.*\b3\b"):
        list(InferenceEngine(model, batcher).run(mner_data.examples("train")[:3], lambda model, batch: [1, 2]))


def test_encoded_examples_and_errors_pass_in_order(mner, mner_data):
    model, batcher = mner
    error = DataError("no-words")
    encoded = [encode_windows(batcher, example) for example in mner_data.examples("dev")]
    results = list(InferenceEngine(model, batcher).run_encoded([error, *encoded, error], decode_batch))
    assert results[0] is results[-1] is error
    expected = list(predict_stream(model, batcher, mner_data.examples("dev")))
    assert all(
        alike(merge_windows(result).decoded, alone) for result, alone in zip(results[1:-1], expected, strict=True)
    )


def test_without_workers_no_process_is_started(mner, tmp_path, monkeypatch):
    model, batcher = mner
    images = [tiny.draw(tmp_path / f"{n}.png", n) for n in range(extract.MIN_FILES_FOR_WORKERS + 8)]
    examples = [Example(image.stem, ("Ada", "visits", "Oslo"), image=image) for image in images]
    expected = list(predict_stream(model, batcher, examples))

    def refuse(process):
        raise AssertionError(f"{process} was started")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
    with pytest.raises(AssertionError):  # so many images are decoded in processes by default
        list(InferenceEngine(model, batcher).run(examples, decode_batch))
    results = list(InferenceEngine(model, batcher, workers=0).run(examples, decode_batch))
    cached = Batcher(model, batcher.recipe, FeatureCache(model.vision, keep_all=True))
    from_cache = list(InferenceEngine(model, cached, workers=0).run(examples, decode_batch))
    for others in (results, from_cache):
        decoded = [merge_windows(result).decoded for result in others]
        assert all(alike(*pair) for pair in zip(expected, decoded, strict=True))


def test_what_could_not_be_read_scores_as_nothing_found(mner_data, mre_data):
    gold = mner_data.examples("train")[:2]
    right = [[Entity(0, 2, "PER", 1.0), Entity(3, 4, "LOC", 1.0)], DataError("no-words")]
    scores = score_predictions(gold, right)
    assert (scores.overall.gold, scores.overall.precision) == (4, 1.0)
    assert scores.overall.recall == pytest.approx(0.5)
    pairs = mre_data.examples("train")[:2]
    results = [Relation(str(pairs[0].relation), 1.0, ()), DataError("no-words")]
    assert score_predictions(pairs, results).overall.recall == pytest.approx(0.5)


def test_windows_of_short_texts_are_the_whole_text(mner):
    model, batcher = mner
    assert [given.windows for given in predict_windows(model, batcher, [Example("a", ("Ada", "visits"))])] == [
        (Window(0, 2),)
    ]
