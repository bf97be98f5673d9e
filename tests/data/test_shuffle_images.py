from __future__ import annotations

from pathlib import Path

import pytest
from raising import raises

from hvpkit.data.shuffle_images import shuffle_images
from hvpkit.errors import DataError
from hvpkit.types import Example, VisualObject


def example(number: int, image: str | None, objects: tuple[str, ...] = ()) -> Example:
    return Example(
        str(number),
        ("a",),
        tags=("O",),
        image=image and Path(image),
        objects=tuple(VisualObject(Path(o)) for o in objects),
    )


EXAMPLES = [example(i, f"{i}.jpg", (f"{i}_crop.jpg",)) for i in range(20)] + [example(20, None)]


def test_every_example_gets_the_image_and_objects_of_another_and_keeps_its_text():
    found = shuffle_images(EXAMPLES, 1)
    for before, after in zip(EXAMPLES, found, strict=True):
        assert (after.id, after.words, after.tags) == (before.id, before.words, before.tags)
    for before, after in zip(EXAMPLES[:20], found, strict=False):
        assert after.image != before.image
        assert after.objects[0].image == Path(f"{after.image.stem}_crop.jpg")
    assert sorted(after.image for after in found[:20]) == sorted(before.image for before in EXAMPLES[:20])
    assert found[20] == EXAMPLES[20]


def test_the_seed_fixes_who_gets_what():
    assert shuffle_images(EXAMPLES, 1) == shuffle_images(EXAMPLES, 1) != shuffle_images(EXAMPLES, 2)


def test_examples_that_share_an_image_do_not_get_it_back():
    pairs = [example(i, "same.jpg" if i < 4 else f"{i}.jpg", (f"crop{i}.jpg",)) for i in range(7)]
    for seed in range(10):
        found = shuffle_images(pairs, seed)
        assert all(after.image != Path("same.jpg") for after in found[:4])
        assert len({after.image for after in found[:4]}) == 1


def test_a_single_image_cannot_be_exchanged():
    with raises(DataError, "only-one-image"):
        shuffle_images([example(1, "a.jpg"), example(2, "a.jpg"), example(3, None)], 0)


def test_objects_alone_are_shuffled_too_and_no_images_at_all_are_no_fault():
    found = shuffle_images([example(1, None, ("a.jpg",)), example(2, None, ("b.jpg",))], 0)
    assert [each.objects[0].image for each in found] == [Path("b.jpg"), Path("a.jpg")]
    assert shuffle_images([example(1, None)], 0) == [example(1, None)]


@pytest.mark.parametrize(("seed", "crops"), [(0, "c0 a0 c0 a1 b0 c0"), (1, "b0 c0 b1 c0 a0 b0")])
def test_each_image_passes_to_one_other_and_the_objects_of_its_examples_are_handed_on_in_turn(seed, crops):
    given = [example(i, f"{name[0]}.jpg", (f"{name}.jpg",)) for i, name in enumerate("a0 b0 a1 b1 c0 a2".split())]
    found = [(after.image.stem, after.objects[0].image.stem) for after in shuffle_images(given, seed)]
    assert found == [(name[0], name) for name in crops.split()]
