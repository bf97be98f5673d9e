from functools import cache
from random import Random

import pytest
from PIL import Image, ImageChops, ImageStat

from hvpkit.synthetic.images import CROP, LARGE, MOTIFS, SIDE, SMALL, render_image
from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import CLUES

KINDS = ("PER", "LOC", "ORG", "MISC", "None")


@cache
def image(seed, clue=None, answer=None):
    return render_image(Random(f"{seed} {clue} {answer}"), clue, answer)


def deciding_crop(drawn):
    return drawn.objects[drawn.deciding].crop


def thumbnail(image, mode, side):
    """An image as a short list of numbers, its brightness evened out."""
    values = list(image.convert(mode).resize((side, side), Image.Resampling.BOX).tobytes())
    mean = sum(values) / len(values)
    spread = max(1.0, (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5)
    return [(v - mean) / spread for v in values]


def hues(image):
    """How often each of twelve hues stands among the strong colors."""
    hue, saturation, _ = image.convert("HSV").split()
    strong = [h * 12 // 256 for h, s in zip(hue.tobytes(), saturation.tobytes(), strict=True) if s > 120]
    return [strong.count(i) / (len(strong) or 1) for i in range(12)]


def accuracy(clue, describe, known=24, asked=8):
    """Return how often the nearest of images with known answers has the right answer."""
    memory = [(describe(image(i, clue, kind)), kind) for kind in KINDS for i in range(known)]
    right = 0
    for kind in KINDS:
        for i in range(known, known + asked):
            seen = describe(image(i, clue, kind))
            right += (
                min(memory, key=lambda one: sum((a - b) ** 2 for a, b in zip(one[0], seen, strict=True)))[1] == kind
            )
    return right / (asked * len(KINDS))


@pytest.mark.parametrize("clue", [*CLUES, None])
def test_images_and_crops_have_their_sizes_and_boxes_lie_apart_inside(clue):
    for seed in range(8):
        drawn = image(seed, clue, "ORG")
        assert drawn.image.size == (SIDE, SIDE) and drawn.image.mode == "RGB"
        assert 2 <= len(drawn.objects) <= 3
        for item in drawn.objects:
            assert item.crop.size == (CROP, CROP)
            assert 0 <= item.box.left < item.box.right <= SIDE and 0 <= item.box.top < item.box.bottom <= SIDE
        boxes = [item.box for item in drawn.objects]
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top


@pytest.mark.parametrize("clue", CLUES)
def test_a_crop_shows_what_is_in_its_box(clue):
    for seed in range(4):
        drawn = image(seed, clue, "LOC")
        for item in drawn.objects:
            box = tuple(int(edge) for edge in (item.box.left, item.box.top, item.box.right, item.box.bottom))
            inside = drawn.image.crop(box)
            difference = ImageChops.difference(inside, item.crop.resize(inside.size, Image.Resampling.BOX))
            assert sum(ImageStat.Stat(difference).mean) / 3 < 12


def test_objects_are_sorted_by_score_and_the_deciding_one_is_at_any_index():
    made = [image(seed, "shape", "PER") for seed in range(24)]
    for drawn in made:
        scores = [item.score for item in drawn.objects]
        assert scores == sorted(scores, reverse=True) and 0 < min(scores) and max(scores) < 1
    assert {drawn.deciding for drawn in made} == {0, 1, 2}


def test_scenes_and_uninformative_images_have_no_deciding_object():
    assert image(1, "scene", "PER").deciding is None
    assert image(1).deciding is None


def test_deciding_small_object_is_small_and_others_are_large():
    for seed in range(8):
        for clue, (least, most) in (("small", SMALL), ("texture", LARGE), ("shape", LARGE)):
            drawn = image(seed, clue, "MISC")
            box = drawn.objects[drawn.deciding].box
            assert least <= box.right - box.left <= most


def test_the_same_seed_draws_the_same_pixels_and_another_does_not():
    one, again, other = (render_image(Random(seed), "texture", "PER") for seed in ("a", "a", "b"))
    assert one.image.tobytes() == again.image.tobytes() != other.image.tobytes()
    assert [item.crop.tobytes() for item in one.objects] == [item.crop.tobytes() for item in again.objects]


def test_uninformative_image_does_not_depend_on_the_label():
    assert render_image(Random(3), None, "PER").image.tobytes() == render_image(Random(3), None, "LOC").image.tobytes()


@pytest.mark.parametrize("clue", CLUES)
def test_images_of_one_label_vary(clue):
    made = {image(seed, clue, "ORG").image.tobytes() for seed in range(8)}
    assert len(made) == 8


def test_every_motif_is_used():
    assert {load_lexicon().motifs[kind] for kind in KINDS} == set(MOTIFS)


# eyes
def test_deciding_crop_shows_texture_shape_and_small_objects():
    assert accuracy("texture", lambda drawn: hues(deciding_crop(drawn))) > 0.7
    assert accuracy("shape", lambda drawn: thumbnail(deciding_crop(drawn), "L", 10)) > 0.7
    assert accuracy("small", lambda drawn: thumbnail(deciding_crop(drawn), "L", 10)) > 0.7


def test_full_image_shows_the_scene_and_crops_do_not():
    assert accuracy("scene", lambda drawn: thumbnail(drawn.image, "RGB", 8)) > 0.85
    assert accuracy("scene", lambda drawn: thumbnail(drawn.objects[0].crop, "RGB", 8)) < 0.45


def test_full_image_hardly_shows_a_small_object():
    assert accuracy("small", lambda drawn: thumbnail(drawn.image, "L", 16)) < 0.45
