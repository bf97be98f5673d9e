"""Backgrounds of demo images: one scene for each motif, and neutral scenes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from hvpkit.synthetic.colors import color, gradient, pale, shade

MASTER = 512  # side of drawn scenes, in pixels

Scene = Callable[[Random], Image.Image]


def _stage(rng: Random) -> Image.Image:
    backdrop = color(rng, (250, 350), (0.5, 0.8), (0.25, 0.4))
    scene = gradient(MASTER, MASTER, shade(backdrop, 0.35), backdrop)
    floor = rng.randint(360, 420)
    ImageDraw.Draw(scene).rectangle((0, floor, MASTER, MASTER), fill=shade(backdrop, 0.45))
    for _ in range(rng.randint(2, 4)):
        beam = Image.new("L", scene.size)
        top, foot, half = rng.randint(40, 472), rng.randint(60, 452), rng.randint(50, 90)
        pen = ImageDraw.Draw(beam)
        pen.polygon([(top - 8, 0), (top + 8, 0), (foot + half, floor + 40), (foot - half, floor + 40)], fill=110)
        pen.ellipse((foot - half, floor + 20, foot + half, floor + 60), fill=150)
        scene.paste(color(rng, (30, 60), (0.1, 0.5), (0.95, 1)), mask=beam)
    return scene


def _shore(rng: Random) -> Image.Image:
    sky = color(rng, rng.choice(((195, 215), (10, 35))), (0.3, 0.55), (0.85, 0.98))
    scene = gradient(MASTER, MASTER, sky, pale(rng))
    pen = ImageDraw.Draw(scene)
    horizon, sun, size = rng.randint(200, 290), rng.randint(60, 452), rng.randint(30, 50)
    sunlight = color(rng, (40, 55), (0.3, 0.7), (0.98, 1))
    pen.ellipse((sun - size, horizon - 2 * size - 40, sun + size, horizon - 40), fill=sunlight)
    sea = color(rng, (185, 215), (0.55, 0.85), (0.5, 0.75))
    scene.paste(gradient(MASTER, MASTER - horizon, sea, shade(sea, 0.75)), (0, horizon))
    beach, slope = rng.randint(400, 450), rng.randint(-40, 40)
    sand = color(rng, (35, 48), (0.3, 0.5), (0.8, 0.95))
    pen.polygon([(0, beach + slope), (MASTER, beach - slope), (MASTER, MASTER), (0, MASTER)], fill=sand)
    return scene


def _offices(rng: Random) -> Image.Image:
    wall = color(rng, (200, 240), (0.05, 0.25), (0.45, 0.7))
    scene = gradient(MASTER, MASTER, wall, shade(wall, 0.8))
    pen = ImageDraw.Draw(scene)
    columns, rows = rng.randint(5, 7), rng.randint(5, 7)
    wide, high = MASTER / columns, MASTER / rows
    glass, lit = shade(wall, 0.45), color(rng, (45, 60), (0.2, 0.5), (0.9, 1))
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide, row * high
            pane = lit if rng.random() < 0.3 else glass
            pen.rectangle((left + 0.18 * wide, top + 0.2 * high, left + 0.82 * wide, top + 0.8 * high), fill=pane)
    return scene


def _stadium(rng: Random) -> Image.Image:
    grass = color(rng, (95, 130), (0.55, 0.8), (0.5, 0.7))
    scene = gradient(MASTER, MASTER, shade(grass, 0.95), grass)
    pen = ImageDraw.Draw(scene)
    edge, stripes = rng.randint(130, 190), rng.randint(6, 9)
    for stripe in range(0, stripes, 2):
        pen.rectangle(
            (stripe * MASTER / stripes, edge, (stripe + 1) * MASTER / stripes, MASTER), fill=shade(grass, 1.15)
        )
    pen.rectangle((0, 0, MASTER, edge), fill=color(rng, (200, 280), (0.1, 0.3), (0.2, 0.35)))
    for _ in range(160):  # the crowd
        x, y = rng.randint(0, MASTER), rng.randint(10, edge - 14)
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=color(rng))
    middle = rng.randint(120, 392)
    pen.line((0, edge + 12, MASTER, edge + 12), fill=(245, 245, 245), width=8)
    pen.line((middle, edge + 12, middle, MASTER), fill=(245, 245, 245), width=8)
    pen.ellipse((middle - 110, 250, middle + 110, 470), outline=(245, 245, 245), width=8)
    return scene


def _page(rng: Random) -> Image.Image:
    scene = Image.new("RGB", (MASTER, MASTER), color(rng, saturation=(0, 0.05), value=(0.94, 1)))
    pen = ImageDraw.Draw(scene)
    pen.rectangle((0, 0, MASTER, rng.randint(50, 80)), fill=color(rng, saturation=(0.1, 0.5), value=(0.3, 0.6)))
    step = rng.randint(30, 40)
    for top in range(110, MASTER - 20, step):
        if rng.random() < 0.85:
            pen.rectangle(
                (40, top, rng.randint(300, 480), top + 0.4 * step),
                fill=color(rng, saturation=(0, 0.1), value=(0.45, 0.6)),
            )
    return scene


SCENES: tuple[Scene, ...] = (_stage, _shore, _offices, _stadium, _page)


# Neutral scenes
def _wall(rng: Random) -> Image.Image:
    return gradient(MASTER, MASTER, pale(rng), color(rng, saturation=(0.1, 0.35), value=(0.65, 0.85)))


def _table(rng: Random) -> Image.Image:
    scene = _wall(rng)
    edge, wood = rng.randint(230, 400), color(rng, (15, 40), (0.2, 0.5), (0.5, 0.85))
    scene.paste(gradient(MASTER, MASTER - edge, wood, shade(wood, 0.8)), (0, edge))
    return scene


def _bokeh(rng: Random) -> Image.Image:
    ground = color(rng, saturation=(0.15, 0.4), value=(0.5, 0.8))
    scene = gradient(MASTER, MASTER, ground, shade(ground, 0.8))
    for _ in range(rng.randint(6, 10)):
        x, y, size = rng.randint(0, MASTER), rng.randint(0, MASTER), rng.randint(30, 80)
        spot = Image.new("L", (2 * size, 2 * size))
        ImageDraw.Draw(spot).ellipse((0, 0, 2 * size - 1, 2 * size - 1), fill=70)
        scene.paste(pale(rng), (x - size, y - size), spot)
    return scene


def _corner(rng: Random) -> Image.Image:
    scene = _wall(rng)
    x, y = rng.randint(150, 362), rng.randint(250, 380)
    pen = ImageDraw.Draw(scene)
    floor = color(rng, saturation=(0.1, 0.3), value=(0.5, 0.8))
    pen.polygon([(x, y), (MASTER, y + 90), (MASTER, MASTER), (0, MASTER), (0, y + 90)], fill=floor)
    pen.line((x, 0, x, y), fill=(150, 150, 150), width=4)
    return scene


NEUTRAL: tuple[Scene, ...] = (_wall, _table, _bokeh, _corner)
