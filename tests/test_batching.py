from __future__ import annotations

import random
from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises

from hvpkit.batching import Batcher, EncodedDataset, LengthSampler, pad, pad_texts, round_up_to_8
from hvpkit.errors import DataError, MissingImageError
from hvpkit.features.cache import FeatureCache
from hvpkit.interfaces import EncodedText
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.types import Example, VisualObject


# --------------------------------------------------------------------------------------------------------------------
# padding
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [0, -1, 7])
def test_tensors_are_padded_to_the_largest_in_every_dimension(rank, value):
    chance = random.Random(rank)
    tensors = [torch.randint(1, 5, [chance.randint(1, 4) for _ in range(rank)]) for _ in range(5)]
    padded = pad(tensors, value)
    assert padded.shape == (5, *[max(tensor.shape[d] for tensor in tensors) for d in range(rank)])
    for row, tensor in zip(padded, tensors, strict=True):
        for index in torch.ones(padded.shape[1:]).nonzero().tolist():
            inside = all(i < size for i, size in zip(index, tensor.shape, strict=True))
            assert row[tuple(index)] == (tensor[tuple(index)] if inside else value)


def test_padding_keeps_the_kind_of_number():
    assert pad([torch.tensor([True]), torch.tensor([True, True])]).dtype == torch.bool
    assert pad([torch.ones(1, dtype=torch.float64)]).dtype == torch.float64


def encoded(wordpieces: list[int], head: int | None = None) -> EncodedText:
    """A special position, then words of so many wordpieces."""
    starts = [1 + sum(wordpieces[:i]) for i in range(len(wordpieces))]
    word_ids = [-1, *[word for word, count in enumerate(wordpieces) for _ in range(count)]]
    ids = torch.arange(len(word_ids)) + 5
    return EncodedText(
        {"ids": ids, "grid": ids[:, None].expand(-1, 2)}, torch.tensor(starts), torch.tensor(word_ids), 0, 0, head, head
    )


def test_texts_are_padded_to_the_longest_of_the_batch():
    batch = pad_texts([encoded([1, 2]), encoded([1]), encoded([3, 1, 1])], {"ids": 9})
    assert batch.features["ids"].tolist() == [[5, 6, 7, 8, 9, 9], [5, 6, 9, 9, 9, 9], [5, 6, 7, 8, 9, 10]]
    assert batch.features["grid"].shape == (3, 6, 2)
    assert batch.features["grid"][1, 2:].tolist() == [[0, 0]] * 4
    assert batch.mask.tolist() == [[True] * 4 + [False] * 2, [True] * 2 + [False] * 4, [True] * 6]
    assert batch.word_starts.tolist() == [[1, 2, 0], [1, 0, 0], [1, 4, 5]]
    assert batch.word_mask.tolist() == [[True, True, False], [True, False, False], [True] * 3]
    assert batch.word_ids.tolist() == [[-1, 0, 1, 1, -1, -1], [-1, 0, -1, -1, -1, -1], [-1, 0, 0, 0, 1, 2]]
    assert batch.head_position is batch.tail_position is None


def test_pairs_keep_their_positions():
    batch = pad_texts([encoded([1, 2], head=2), encoded([1], head=1)], {})
    assert (batch.head_position.tolist(), batch.tail_position.tolist()) == ([2, 1], [2, 1])


# ------------------------------------------------------------------------------------------------------------------
# batches
@pytest.fixture(scope="module")
def settings(mner_data, tmp_path_factory):
    recipe = tiny.recipe(tmp_path_factory.mktemp("batching"), mner_data.folder, "mner")
    return build_model(recipe, load_registry(), mner_data.labels, mner_data.examples("train")).eval(), recipe


@pytest.fixture(scope="module")
def examples(mner_data) -> list[Example]:
    return list(mner_data.examples("train"))[:8]


def test_batch_has_the_pixels_of_existing_regions_in_mask_order(settings, examples):
    batcher = Batcher(*settings)
    items = [batcher.encode(example, labeled=True) for example in examples]
    images = batcher.collate(items).images
    assert images.features is None
    rows = [[example.image is not None, len(example.objects) > 0, len(example.objects) > 1] for example in examples]
    assert images.mask.tolist() == rows
    assert [True, True, True] in rows and [True, False, False] in rows and [False, False, False] in rows
    for pixels, (b, v) in zip(images.pixels, images.mask.nonzero().tolist(), strict=True):
        region = items[b].regions[v]
        assert torch.equal(pixels, settings[0].vision.transform(region.open()))
        assert images.boxes[b, v].tolist() == pytest.approx(region.normalized_box)
    assert not images.boxes[~images.mask].any()


def test_a_batch_without_any_image_has_none(settings, examples):
    batcher = Batcher(*settings)
    bare = [replace(example, image=None, objects=()) for example in examples]
    assert batcher.collate([batcher.encode(example, labeled=True) for example in bare]).images is None


def test_model_without_vision_opens_no_image(mner_data, tmp_path, examples):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False)
    batcher = Batcher(build_model(recipe, load_registry(), mner_data.labels, examples), recipe)
    items = [batcher.encode(replace(example, image=tmp_path / "gone.png"), labeled=True) for example in examples]
    assert all(item.regions == () for item in items)
    assert batcher.collate(items).images is None


def test_cached_features_are_those_of_the_pixels(settings, examples):
    model, recipe = settings
    batches = []
    for features in (None, FeatureCache(model.vision)):
        batcher = Batcher(model, recipe, features)
        batches.append(batcher.collate([batcher.encode(example, labeled=True) for example in examples]))
    fresh, cached = batches
    assert cached.images.pixels is None
    for a, b in zip(model.vision(fresh.images).levels, model.vision(cached.images).levels, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)  # rounded to float16
    with torch.no_grad():
        torch.testing.assert_close(model(fresh).scores, model(cached).scores, atol=1e-3, rtol=1e-3)


def test_padding_to_few_shapes_does_not_change_the_output(settings, examples):
    model, recipe = settings
    batcher = Batcher(model, recipe, FeatureCache(model.vision))
    items = [batcher.encode(example, labeled=True) for example in examples[:4]]
    tight, wide = batcher.collate(items), batcher.collate(items, round_up_to_8(64))
    positions, words = tight.text.mask.shape[1], tight.text.word_mask.shape[1]
    assert positions % 8 and words % 8
    assert wide.text.features["input_ids"].shape[1] == wide.text.mask.shape[1] == -(-positions // 8) * 8
    assert (
        wide.targets["tags"].shape
        == wide.text.word_mask.shape
        == wide.text.word_starts.shape
        == (4, -(-words // 8) * 8)
    )
    assert len(wide.images.features[0]) == wide.images.mask.numel() > len(tight.images.features[0])
    for a, b in zip(model.vision(tight.images).levels, model.vision(wide.images).levels, strict=True):
        assert torch.equal(a, b)
    with torch.no_grad():
        torch.testing.assert_close(model(tight).loss, model(wide).loss)
        torch.testing.assert_close(model(tight).scores, model(wide).scores[:, :words])


@pytest.mark.parametrize(
    ("largest", "most", "padded"), [(1, 64, 8), (8, 64, 8), (9, 64, 16), (76, 77, 77), (77, 77, 77), (80, 77, 80)]
)
def test_eights_end_where_the_longest_text_does(largest, most, padded):
    assert round_up_to_8(most)(largest) == padded


def test_inputs_of_a_fusion_keep_their_sizes(settings, examples):
    batcher = Batcher(*settings)
    items = [
        replace(batcher.encode(example, labeled=True), extras={"edges": torch.ones(3, 2)}) for example in examples[:4]
    ]
    tight, wide = batcher.collate(items), batcher.collate(items, round_up_to_8(64))
    assert [a.shape for a in tight.tensors()] == [b.shape for b in wide.tensors()]


def test_targets_of_other_sizes_than_the_text_s_are_padded_to_the_largest(settings, examples):
    batcher = Batcher(*settings)
    items = [batcher.encode(example, labeled=True) for example in examples[:4]]
    further = [{"classes": torch.ones(11), "pieces": torch.ones_like(item.text.word_ids)} for item in items]
    items = [replace(item, targets=item.targets | more) for item, more in zip(items, further, strict=True)]
    batch = batcher.collate(items, round_up_to_8(64))
    assert batch.targets["classes"].shape == (4, 11)
    assert batch.targets["pieces"].shape == batch.text.mask.shape
    assert batch.targets["tags"].shape == batch.text.word_mask.shape


def test_targets_are_there_for_labelled_examples_alone(settings, examples, mner_data):
    batcher = Batcher(*settings)
    labelled, bare = ([batcher.encode(example, labeled=wanted) for example in examples] for wanted in (True, False))
    assert batcher.collate(bare).targets == {}
    batch = batcher.collate(labelled)
    for row, example in zip(batch.targets["tags"].tolist(), examples, strict=True):
        assert row == [mner_data.labels.index(tag) for tag in example.tags] + [0] * (len(row) - len(example.words))
    assert batch.targets["tags"].shape == batch.text.word_mask.shape


def test_tags_of_words_that_were_cut_are_cut_as_well(settings):
    batcher = Batcher(*settings)
    example = Example("long", ("Ada",) * 50, tags=("B-PER",) * 50)
    batch = batcher.collate([batcher.encode(example, labeled=True)])
    assert batch.targets["tags"].shape == batch.text.word_mask.shape
    assert batch.text.mask.shape[1] <= 32
    assert settings[0](batch).loss.isfinite()


def test_examples_that_do_not_fit_or_cannot_be_read_are_reported(settings, examples, tmp_path):
    batcher = Batcher(*settings)
    with raises(DataError, "first-word-too-long", example="wide"):
        batcher.encode(Example("wide", ("!" * 40,)), labeled=False)
    missing = replace(examples[0], image=tmp_path / "gone.png", objects=(VisualObject(tmp_path / "crop.png"),))
    with raises(MissingImageError, "image-missing", file=tmp_path / "gone.png"):
        batcher.collate([batcher.encode(missing, labeled=False)])


def test_items_have_lengths(settings, examples):
    batcher = Batcher(*settings)
    items = EncodedDataset([batcher.encode(example, labeled=True) for example in examples])
    assert len(items) == len(examples)
    assert items.lengths == [len(items[i].text.word_ids) for i in range(len(items))]


# -----------------------------------------------------------------------------------------------------------------
# sampling
LENGTHS = [random.Random(i).randint(3, 60) for i in range(203)]


def batches_of(sampler: LengthSampler, size: int = 8) -> list[list[int]]:
    order = list(sampler)
    return [order[i : i + size] for i in range(0, len(order), size)]


def test_every_example_is_sampled_once_per_epoch():
    sampler = LengthSampler(LENGTHS, 8, seed=1)
    assert sorted(sampler) == list(range(203))
    assert len(sampler) == 203


def test_the_order_comes_from_seed_and_epoch_alone():
    first, second = LengthSampler(LENGTHS, 8, seed=1), LengthSampler(LENGTHS, 8, seed=1)
    first.epoch = second.epoch = 3
    torch.manual_seed(0)
    order = list(first)
    torch.manual_seed(99)
    assert list(second) == order == list(first)
    second.epoch = 4
    assert list(second) != order
    assert list(LengthSampler(LENGTHS, 8, seed=2)) != list(LengthSampler(LENGTHS, 8, seed=1))


def test_batches_have_texts_of_similar_length_and_are_shuffled():
    found = batches_of(LengthSampler(LENGTHS, 8, seed=1))
    spreads = [max(LENGTHS[i] for i in batch) - min(LENGTHS[i] for i in batch) for batch in found[:-1]]
    assert sum(spreads) / len(spreads) < 15  # of 57 in all
    longest = [max(LENGTHS[i] for i in batch) for batch in found]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_the_smaller_batch_comes_last():
    assert [len(batch) for batch in batches_of(LengthSampler(LENGTHS, 8, seed=5))] == [8] * 25 + [3]


def test_few_examples_make_one_batch():
    assert sorted(LengthSampler([4, 2], 8, seed=0)) == [0, 1]
