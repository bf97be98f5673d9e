"""Draw images that reveal a label through one kind of clue, and uninformative images.

Scenes and objects are drawn at a higher resolution than they are stored, so that an object of a dozen pixels is
recognizable in its crop. Each object is drawn on a card, so that a crop contains nothing of the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from PIL import Image

from hvpkit.synthetic.colors import color, pale
from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import Clue
from hvpkit.synthetic.scenes import MASTER, NEUTRAL, SCENES
from hvpkit.synthetic.shapes import CLUTTER, ICONS, SHAPES, render_tile, textured_blob
from hvpkit.types import Box

SIDE, CROP = 128, 64  # sides of full images and of crops, in pixels
SCALE = MASTER // SIDE
LARGE, SMALL = (36, 48), (10, 14)  # sides of objects, in pixels of the full image
MOTIFS = ("people", "place", "group", "event", "nothing")  # in the order of SCENES, SHAPES and ICONS
PHRASES = ("the image", "this thing", "something", "a detail", "the background", "that one", "an object", "what we see")


@dataclass(frozen=True)
class DrawnObject:
    """Object of a generated image.

    Attributes:
        crop: Crop of 64 x 64 pixels.
        box: Box in pixels of the full image.
        phrase: Phrase that an object detector would have searched for.
        score: Detection score, 0..1.
    """

    crop: Image.Image
    box: Box
    phrase: str
    score: float


@dataclass(frozen=True)
class GeneratedImage:
    """Generated image with its objects.

    Attributes:
        image: Full image of 128 x 128 pixels.
        objects: Objects by descending score.
        deciding: Index of the object that reveals the label, None if no object does.
    """

    image: Image.Image
    objects: tuple[DrawnObject, ...]
    deciding: int | None


def render_image(rng: Random, clue: Clue | None = None, answer: str | None = None) -> GeneratedImage:
    """Draw a scene with two or three objects.

    Args:
        rng: Random generator.
        clue: Kind of clue that reveals the label, None for an uninformative image.
        answer: Label to reveal.
    """
    code = None if answer is None or clue is None else MOTIFS.index(load_lexicon().motifs[answer])
    scene = rng.choice(NEUTRAL)(rng) if code is None or clue != "scene" else SCENES[code](rng)
    _draw_specks(scene, rng)
    count = rng.choice((2, 3, 3))
    deciding = None if code is None or clue == "scene" else rng.randrange(count)
    sides = [rng.randint(*(SMALL if rng.random() < 0.3 else LARGE)) for _ in range(count)]
    if deciding is not None:
        sides[deciding] = rng.randint(*(SMALL if clue == "small" else LARGE))
    scores = sorted((round(rng.uniform(0.3, 0.95), 3) for _ in range(count)), reverse=True)
    objects = []
    for i, (side, (x, y)) in enumerate(zip(sides, _corners(sides, rng), strict=True)):
        card = _card(clue, code if i == deciding else None, rng)
        _paste_card(scene, card, x * SCALE, y * SCALE, side * SCALE)
        objects.append(DrawnObject(card.reduce(2), Box(x, y, x + side, y + side), rng.choice(PHRASES), scores[i]))
    return GeneratedImage(scene.reduce(SCALE), tuple(objects), deciding)


def _motif(clue: Clue | None, code: int | None, rng: Random, side: int) -> Image.Image:
    """Draw the motif of a label through a clue, or clutter for None."""
    if code is None:
        return _rotate(render_tile(rng.choice(CLUTTER), side, color(rng, value=(0.4, 0.85)), rng), rng)
    if clue == "texture":
        return textured_blob(code, side, rng)
    ink = color(rng, saturation=(0.5, 0.95), value=(0.1, 0.3))  # dark, so that the outline is visible in every hue
    return _rotate(render_tile((SHAPES if clue == "shape" else ICONS)[code], side, ink, rng), rng)


def _rotate(tile: Image.Image, rng: Random) -> Image.Image:
    return tile.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC)


def _draw_specks(scene: Image.Image, rng: Random) -> None:
    """Draw a few specks that are not among the objects."""
    for _ in range(rng.randint(2, 5)):
        speck = _motif(None, None, rng, round(rng.uniform(5, 8) * SCALE))
        scene.paste(speck, (rng.randint(0, MASTER - speck.width), rng.randint(0, MASTER - speck.width)), speck)


def _corners(sides: list[int], rng: Random) -> Iterator[tuple[int, int]]:
    """Sample top left corners of squares, in pixels, each in another quarter of the image."""
    half = SIDE // 2
    for side, quarter in zip(sides, rng.sample(range(4), len(sides)), strict=True):
        x = quarter % 2 * half + rng.randint(2, half - 2 - side)
        yield x, quarter // 2 * half + rng.randint(2, half - 2 - side)


def _card(clue: Clue | None, code: int | None, rng: Random) -> Image.Image:
    """Draw an object on an opaque card, at twice the size of a crop."""
    card = Image.new("RGB", (2 * CROP, 2 * CROP), pale(rng))
    tile = _motif(clue, code, rng, round(rng.uniform(1.4, 1.9) * CROP))
    margin = card.width - tile.width
    card.paste(tile, (rng.randint(0, margin), rng.randint(0, margin)), tile)
    return card


def _paste_card(scene: Image.Image, card: Image.Image, x: int, y: int, side: int) -> None:
    """Paste a card and its shadow onto the scene."""
    depth = max(2, side // 32)
    scene.paste((40, 40, 50), (x + depth, y + depth, x + side + depth, y + side + depth))
    scene.paste(card.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0), (x, y))
