"""Draw the objects of demo images on tiles: textured blobs, silhouettes, icons and clutter.

A motif is an index into TEXTURES, SHAPES and ICONS, whose entries stand for people, a place, a group, an event, and
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageDraw

from hvpkit.synthetic.colors import Color, Range, color, pale, shade

Point = tuple[float, float]
Fill = Color | tuple[int, int, int, int]
TRANSPARENT = (0, 0, 0, 0)


class Pen:
    """`ImageDraw` for a square transparent tile, with coordinates in units of its side.

    Args:
        side: Side of the tile, in pixels.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.tile = Image.new("RGBA", (side, side))
        self._draw = ImageDraw.Draw(self.tile)

    def polygon(self, points: Sequence[Point], fill: Fill) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=fill)

    def circle(self, x: float, y: float, radius: float, fill: Fill) -> None:
        """Fill a circle around (x, y)."""
        self.ellipse(x - radius, y - radius, x + radius, y + radius, fill)

    def ellipse(self, left: float, top: float, right: float, bottom: float, fill: Fill) -> None:
        """Fill an ellipse."""
        self._draw.ellipse([edge * self.side for edge in (left, top, right, bottom)], fill=fill)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Fill, radius: float = 0) -> None:
        """Fill a rectangle with rounded corners."""
        edges = [edge * self.side for edge in (left, top, right, bottom)]
        self._draw.rounded_rectangle(edges, radius=radius * self.side, fill=fill)

    def line(self, points: Sequence[Point], fill: Fill, width: float) -> None:
        """Draw a line through points."""
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(width * self.side), joint="curve")

    def arc(
        self, left: float, top: float, right: float, bottom: float, start: float, end: float, fill: Fill, width: float
    ) -> None:
        """Draw an elliptical arc between two angles in degrees, clockwise from the right."""
        edges = [edge * self.side for edge in (left, top, right, bottom)]
        self._draw.arc(edges, start, end, fill=fill, width=max(1, round(width * self.side)))


Drawing = Callable[[Pen, Color, Random], None]


# Textured blobs
def _stripes(pen: Pen, ink: Color, rng: Random) -> None:
    step = rng.uniform(0.09, 0.12)
    for i in range(int(1 / step) + 2):
        pen.rectangle(0, i * step, 1, (i + 0.5) * step, ink)


def _checks(pen: Pen, ink: Color, rng: Random) -> None:
    step = rng.uniform(0.08, 0.11)
    for row in range(int(1 / step) + 1):
        for column in range(row % 2, int(1 / step) + 1, 2):
            pen.rectangle(column * step, row * step, (column + 1) * step, (row + 1) * step, ink)


def _dots(pen: Pen, ink: Color, rng: Random) -> None:
    step = rng.uniform(0.11, 0.14)
    for row in range(int(1 / step) + 2):
        for column in range(int(1 / step) + 2):
            pen.circle((column + row % 2 / 2) * step, row * step, 0.34 * step, ink)


def _rings(pen: Pen, ink: Color, rng: Random) -> None:
    step = rng.uniform(0.08, 0.1)
    for i in range(8, 0, -1):
        pen.circle(0.5, 0.5, i * step, ink)
        pen.circle(0.5, 0.5, (i - 0.5) * step, TRANSPARENT)


def _zigzag(pen: Pen, ink: Color, rng: Random) -> None:
    step = rng.uniform(0.11, 0.14)
    for i in range(-1, int(1 / step) + 2):
        pen.line([(j * step / 2, (i + j % 2 * 0.8) * step) for j in range(int(2 / step) + 3)], ink, 0.4 * step)


TEXTURES: tuple[tuple[Drawing, Range], ...] = (
    (_stripes, (-20, 15)),
    (_checks, (95, 150)),
    (_dots, (205, 245)),
    (_rings, (35, 58)),
    (_zigzag, (275, 310)),
)


def textured_blob(motif: int, side: int, rng: Random) -> Image.Image:
    """Draw a random outline filled with the texture and hues of a motif.

    Args:
        motif: Index of the motif.
        side: Side of the tile, in pixels.
        rng: Random generator.
    """
    texture, hue = TEXTURES[motif]
    pen = Pen(2 * side)
    texture(pen, color(rng, hue, (0.7, 0.95), (0.45, 0.8)), rng)
    pattern = Image.new("RGBA", pen.tile.size, pale(rng))
    pattern.paste(pen.tile, mask=pen.tile)
    edge = side // 2
    pattern = pattern.rotate(rng.uniform(0, 180), Image.Resampling.BILINEAR).crop(
        (edge, edge, edge + side, edge + side)
    )
    outline = Pen(side)
    outline.polygon(_outline(rng), (0, 0, 0, 255))
    pattern.putalpha(outline.tile.getchannel("A"))
    return pattern


def _outline(rng: Random) -> list[Point]:
    """Sample a smooth closed curve that fills most of the tile."""
    waves = [(n, rng.uniform(0, 0.07), rng.uniform(0, 2 * pi)) for n in (2, 3, 5)]
    angles = [2 * pi * i / 72 for i in range(72)]
    radii = [0.4 + sum(size * sin(n * angle + phase) for n, size, phase in waves) * 0.6 for angle in angles]
    return [(0.5 + radius * cos(angle), 0.5 + radius * sin(angle)) for angle, radius in zip(angles, radii, strict=True)]


# Silhouettes
def _person(pen: Pen, ink: Color, rng: Random) -> None:
    shoulders = rng.uniform(0.36, 0.46)
    pen.circle(0.5, 0.25, rng.uniform(0.19, 0.23), ink)
    pen.ellipse(0.5 - shoulders, 0.52, 0.5 + shoulders, 1.3, ink)


def _skyline(pen: Pen, ink: Color, rng: Random) -> None:
    heights = rng.sample((0.1, 0.25, 0.4, 0.55, 0.7), 5)
    for i, top in enumerate(heights):
        left = 0.04 + i * 0.184
        pen.rectangle(left, top, left + 0.186, 0.95, ink)
        for floor in range(int((0.85 - top) / 0.14)):
            for window in (0.035, 0.11):
                pen.rectangle(
                    left + window,
                    top + 0.06 + floor * 0.14,
                    left + window + 0.045,
                    top + 0.12 + floor * 0.14,
                    TRANSPARENT,
                )


def _shield(pen: Pen, ink: Color, rng: Random) -> None:
    half = [(0.9, 0.06), (0.9, 0.5), (0.82, 0.68), (0.68, 0.84), (0.5, 0.96)]
    pen.polygon(half + [(1 - x, y) for x, y in reversed(half)], ink)
    for top in (0.24, 0.48)[: rng.randint(1, 2)]:
        pen.polygon(
            [(0.22, top), (0.5, top + 0.18), (0.78, top), (0.78, top + 0.12), (0.5, top + 0.3), (0.22, top + 0.12)],
            TRANSPARENT,
        )


def _burst(pen: Pen, ink: Color, rng: Random) -> None:
    points, inner = rng.randint(8, 10), rng.uniform(0.24, 0.3)
    radii = [(0.5, inner)[i % 2] for i in range(2 * points)]
    pen.polygon([(0.5 + r * sin(i * pi / points), 0.5 - r * cos(i * pi / points)) for i, r in enumerate(radii)], ink)


def _cross(pen: Pen, ink: Color, rng: Random) -> None:
    width = rng.uniform(0.15, 0.22)
    for ends in ([(0.1, 0.1), (0.9, 0.9)], [(0.9, 0.1), (0.1, 0.9)]):
        pen.line(ends, ink, width)


SHAPES: tuple[Drawing, ...] = (_person, _skyline, _shield, _burst, _cross)


# Icons
def _face(pen: Pen, ink: Color, rng: Random) -> None:
    pen.circle(0.5, 0.5, 0.48, ink)
    for x in (0.33, 0.67):
        pen.circle(x, 0.38, 0.08, (255, 255, 255))
    pen.arc(0.22, 0.25, 0.78, 0.78, 25, 155, (255, 255, 255), 0.09)


def _pin(pen: Pen, ink: Color, rng: Random) -> None:
    pen.circle(0.5, 0.35, 0.33, ink)
    pen.polygon([(0.19, 0.46), (0.81, 0.46), (0.5, 1)], ink)
    pen.circle(0.5, 0.35, 0.15, (255, 255, 255))


def _briefcase(pen: Pen, ink: Color, rng: Random) -> None:
    pen.rectangle(0.33, 0.1, 0.67, 0.4, ink, 0.06)
    pen.rectangle(0.41, 0.18, 0.59, 0.4, TRANSPARENT)
    pen.rectangle(0.03, 0.28, 0.97, 0.92, ink, 0.08)
    pen.rectangle(0.03, 0.54, 0.97, 0.61, (255, 255, 255))
    pen.rectangle(0.42, 0.48, 0.58, 0.67, (255, 255, 255), 0.03)


def _note(pen: Pen, ink: Color, rng: Random) -> None:
    for x in (0.02, 0.55):
        pen.ellipse(x, 0.7, x + 0.38, 0.98, ink)
        pen.rectangle(x + 0.28, 0.1, x + 0.38, 0.84, ink)
    pen.polygon([(0.3, 0.06), (0.93, 0.02), (0.93, 0.24), (0.3, 0.28)], ink)


def _hourglass(pen: Pen, ink: Color, rng: Random) -> None:
    pen.polygon([(0.15, 0.06), (0.85, 0.06), (0.15, 0.94), (0.85, 0.94)], ink)
    for top in (0.0, 0.88):
        pen.rectangle(0.06, top, 0.94, top + 0.12, ink, 0.04)


ICONS: tuple[Drawing, ...] = (_face, _pin, _briefcase, _note, _hourglass)


# Clutter
def _ball(pen: Pen, ink: Color, rng: Random) -> None:
    pen.circle(0.5, 0.5, 0.46, ink)
    pen.circle(0.38, 0.36, 0.13, shade(ink, 1.35))


def _crate(pen: Pen, ink: Color, rng: Random) -> None:
    pen.polygon([(0.5, 0.04), (0.94, 0.26), (0.5, 0.48), (0.06, 0.26)], shade(ink, 1.3))
    pen.polygon([(0.06, 0.26), (0.5, 0.48), (0.5, 0.96), (0.06, 0.74)], ink)
    pen.polygon([(0.94, 0.26), (0.5, 0.48), (0.5, 0.96), (0.94, 0.74)], shade(ink, 0.7))


def _mug(pen: Pen, ink: Color, rng: Random) -> None:
    pen.arc(0.55, 0.3, 0.97, 0.72, 0, 360, shade(ink, 0.75), 0.09)
    pen.rectangle(0.1, 0.14, 0.72, 0.92, ink, 0.08)
    pen.ellipse(0.1, 0.08, 0.72, 0.24, shade(ink, 0.6))


def _cloud(pen: Pen, ink: Color, rng: Random) -> None:
    for x, y, radius in ((0.26, 0.58, 0.22), (0.5, 0.42, 0.28), (0.74, 0.56, 0.23)):
        pen.circle(x, y, radius, ink)
    pen.rectangle(0.1, 0.56, 0.92, 0.79, ink, 0.11)


def _bottle(pen: Pen, ink: Color, rng: Random) -> None:
    pen.rectangle(0.4, 0.02, 0.6, 0.4, shade(ink, 0.7), 0.04)
    pen.rectangle(0.27, 0.32, 0.73, 0.98, ink, 0.1)
    pen.rectangle(0.27, 0.52, 0.73, 0.74, shade(ink, 1.35))


def _leaf(pen: Pen, ink: Color, rng: Random) -> None:
    rim = [(0.5 + 0.27 * sin(pi * i / 20), 0.04 + 0.74 * i / 20) for i in range(21)]
    pen.polygon(rim + [(1 - x, y) for x, y in reversed(rim)], ink)
    pen.line([(0.5, 0.2), (0.5, 0.98)], shade(ink, 0.6), 0.05)


CLUTTER: tuple[Drawing, ...] = (_ball, _crate, _mug, _cloud, _bottle, _leaf)


def render_tile(drawing: Drawing, side: int, ink: Color, rng: Random) -> Image.Image:
    """Draw one object on a transparent tile."""
    pen = Pen(side)
    drawing(pen, ink, rng)
    return pen.tile
