"""Images that show an answer through one kind of clue, or that show nothing (our own; no torch).

Scenes and things are drawn larger than they are stored, so that a thing of a dozen pixels, a mere spot in the whole image, is plain to
see in its crop. Things lie on cards: a crop shows its card and nothing of the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from PIL import Image

from hvpkit.synthetic.colors import color, pale
from hvpkit.synthetic.lexicon import CONTAIN, COUPLE, HELD, MEMBER, PEER, RESIDENCE
from hvpkit.synthetic.scenarios import Clue
from hvpkit.synthetic.scenes import MASTER, NEUTRAL, SCENES
from hvpkit.synthetic.shapes import CLUTTER, ICONS, SHAPES, render_tile, textured_blob
from hvpkit.types import Box

SIDE, CROP = 128, 64  # the sides of whole images and of crops in pixels
SCALE = MASTER // SIDE
LARGE, SMALL = (36, 48), (10, 14)  # the sides of things in pixels of the whole image
PEOPLE, PLACE, GROUP, EVENT, NOTHING = range(5)  # what images can show
SHOWN = {"PER": PEOPLE, "LOC": PLACE, "ORG": GROUP, "MISC": EVENT} | {
    PEER: PEOPLE,
    COUPLE: PEOPLE,
    RESIDENCE: PLACE,
    CONTAIN: PLACE,
    MEMBER: GROUP,
    HELD: EVENT,
    "None": NOTHING,
}  # by answer; those that share one are never left open in the same sentence
PHRASES = ("the image", "this thing", "something", "a detail", "the background", "that one", "an object", "what we see")


@dataclass(frozen=True)
class DrawnObject:
    """A crop of 64 x 64 pixels, its box in pixels of the whole image, what was looked for and the score."""

    crop: Image.Image
    box: Box
    phrase: str
    score: float


@dataclass(frozen=True)
class GeneratedImage:
    """A whole image of 128 x 128 pixels, its objects, best first, and which of them shows the answer (None: none does)."""

    image: Image.Image
    objects: tuple[DrawnObject, ...]
    deciding: int | None


def render_image(rng: Random, clue: Clue | None = None, answer: str | None = None) -> GeneratedImage:
    """Draw a scene with two or three objects; given a clue it shows the answer through that, otherwise it shows nothing."""
    code = None if answer is None or clue is None else SHOWN[answer]
    scene = rng.choice(NEUTRAL)(rng) if code is None or clue != "scene" else SCENES[code](rng)
    _scatter(scene, rng)
    count = rng.choice((2, 3, 3))
    deciding = None if code is None or clue == "scene" else rng.randrange(count)
    sides = [rng.randint(*(SMALL if rng.random() < 0.3 else LARGE)) for _ in range(count)]
    if deciding is not None:
        sides[deciding] = rng.randint(*(SMALL if clue == "small" else LARGE))
    scores = sorted((round(rng.uniform(0.3, 0.95), 3) for _ in range(count)), reverse=True)
    objects = []
    for place, (side, (x, y)) in enumerate(zip(sides, _places(sides, rng), strict=True)):
        card = _card(clue, code if place == deciding else None, rng)
        _lay(scene, card, x * SCALE, y * SCALE, side * SCALE)
        objects.append(DrawnObject(card.reduce(2), Box(x, y, x + side, y + side), rng.choice(PHRASES), scores[place]))
    return GeneratedImage(scene.reduce(SCALE), tuple(objects), deciding)


def _thing(clue: Clue | None, code: int | None, rng: Random, side: int) -> Image.Image:
    """Draw what a card shows: the answer of this code through this clue, or clutter for None."""
    if code is None:
        return _turned(render_tile(rng.choice(CLUTTER), side, color(rng, value=(0.4, 0.85)), rng), rng)
    if clue == "texture":
        return textured_blob(code, side, rng)
    ink = color(rng, saturation=(0.5, 0.95), value=(0.1, 0.3))  # dark, so that the outline stands out whatever the hue
    return _turned(render_tile((SHAPES if clue == "shape" else ICONS)[code], side, ink, rng), rng)


def _turned(tile: Image.Image, rng: Random) -> Image.Image:
    return tile.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC)


def _scatter(scene: Image.Image, rng: Random) -> None:
    """Strew a few specks that no object list names."""
    for _ in range(rng.randint(2, 5)):
        speck = _thing(None, None, rng, round(rng.uniform(5, 8) * SCALE))
        scene.paste(speck, (rng.randint(0, MASTER - speck.width), rng.randint(0, MASTER - speck.width)), speck)


def _places(sides: list[int], rng: Random) -> Iterator[tuple[int, int]]:
    """Give the top left corners of squares that do not overlap, each in a quarter of its own, all in pixels of the whole image."""
    half = SIDE // 2
    for side, quarter in zip(sides, rng.sample(range(4), len(sides)), strict=True):
        yield quarter % 2 * half + rng.randint(2, half - 2 - side), quarter // 2 * half + rng.randint(2, half - 2 - side)


def _card(clue: Clue | None, code: int | None, rng: Random) -> Image.Image:
    """Draw a thing on a card, which hides the scene behind it, at twice the size of a crop."""
    card = Image.new("RGB", (2 * CROP, 2 * CROP), pale(rng))
    thing = _thing(clue, code, rng, round(rng.uniform(1.4, 1.9) * CROP))
    room = card.width - thing.width
    card.paste(thing, (rng.randint(0, room), rng.randint(0, room)), thing)
    return card


def _lay(scene: Image.Image, card: Image.Image, x: int, y: int, side: int) -> None:
    """Lay a card and its shadow on the scene."""
    depth = max(2, side // 32)
    scene.paste((40, 40, 50), (x + depth, y + depth, x + side + depth, y + side + depth))
    scene.paste(card.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0), (x, y))
