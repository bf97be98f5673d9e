"""A contact sheet: images with the boxes that were found, to look at before one trusts them (one HTML file, no torch)."""

from __future__ import annotations

import base64
import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from hvpkit.errors import ImageError
from hvpkit.images.decode import open_image
from hvpkit.types import Box, Example, Split, VisualObject

PREVIEW = "preview.html"
SIDE = 420  # pixels of the longer side of an image on the sheet
COLOURS = ("#e6194b", "#0a7d32", "#1f4fd8", "#b35c00", "#7a1fa2", "#00727a")
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 24px; color: #1b1b1b; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 24px }
figure { margin: 0; border: 1px solid #ccc; border-radius: 6px; padding: 10px; break-inside: avoid }
svg { width: 100%; height: auto; display: block; background: #eee }
.crops { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px }
.crops img { height: 72px; border: 3px solid }
figcaption { margin-top: 8px; overflow-wrap: anywhere }
.asked { color: #555 } .none { color: #a40000; font-weight: 600 } ol { margin: 4px 0; padding-left: 22px }
"""


@dataclass(frozen=True)
class SheetEntry:
    """An example on the sheet and the phrases that were looked for."""

    example: Example
    split: Split
    asked: tuple[str, ...]


class SheetSample:
    """Keeps `most` examples of a stream, the same ones every time, from all of it: those whose ids have the smallest hashes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[tuple[int, int, SheetEntry]] = []
        self._met = 0

    @property
    def wanted(self) -> bool:
        """Tell whether a sheet was asked for."""
        return self._most > 0

    def see(self, shown: SheetEntry) -> None:
        """Keep an example or not."""
        if self._most <= 0 or shown.example.image is None:
            return
        rank = int.from_bytes(hashlib.sha256(f"{shown.split} {shown.example.id}".encode()).digest()[:8], "big")
        self._met += 1
        entry = (-rank, self._met, shown)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    @property
    def examples(self) -> list[SheetEntry]:
        """Give them in the order in which they were met."""
        return [shown for _, _, shown in sorted(self._kept, key=lambda entry: entry[1])]


def write_contact_sheet(file: Path, title: str, how: str, sample: SheetSample) -> None:
    """Write the sheet; images are within it, so that the file can be sent to somebody."""
    figures = "\n".join(_figure(shown) for shown in sample.examples)
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1><p>{escape(how)}</p>\n<main>\n{figures}\n</main></body></html>\n"
    )
    file.write_text(text, encoding="utf-8")


def _figure(shown: SheetEntry) -> str:
    example = shown.example
    words = escape(" ".join(example.words))
    asked = f'<div class="asked">looked for: {escape(", ".join(shown.asked))}</div>' if shown.asked else ""
    try:
        seen = _drawing(example)
    except ImageError as error:
        seen = f'<p class="none">{escape(str(error))}</p>'
    found = "".join(f'<li style="color: {_colour(i)}">{escape(_said(item))}</li>' for i, item in enumerate(example.objects))
    listed = f"<ol>{found}</ol>" if found else '<div class="none">nothing was found: no object, masked in training</div>'
    return f"<figure>{seen}<figcaption><b>{shown.split} {escape(example.id)}</b> {words}{asked}{listed}</figcaption></figure>"


def _drawing(example: Example) -> str:
    if example.image is None:
        return ""
    image = open_image(example.image)
    width, height = image.size
    line = max(width, height) / 160
    marks = "".join(_mark(i, item.box, item, line) for i, item in enumerate(example.objects) if item.box)
    whole = _data(image, SIDE)
    crops = "".join(_crop_files(example))
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(example.image.name)}">'
        f'<image href="{whole}" width="{width}" height="{height}" preserveAspectRatio="none"/>{marks}</svg>'
        + (f'<div class="crops">{crops}</div>' if crops else "")
    )


def _mark(number: int, box: Box, item: VisualObject, line: float) -> str:
    colour, size = _colour(number), line * 7
    top = max(box.top - line, size)
    return (
        f'<rect x="{box.left:g}" y="{box.top:g}" width="{box.right - box.left:g}" height="{box.bottom - box.top:g}" fill="none" '
        f'stroke="{colour}" stroke-width="{line:g}"/><text x="{box.left:g}" y="{top:g}" font-size="{size:g}" font-family="sans-serif" '
        f'fill="{colour}" stroke="#fff" stroke-width="{line:g}" paint-order="stroke">{escape(_said(item))}</text>'
    )


def _crop_files(example: Example) -> Iterator[str]:
    for number, item in enumerate(example.objects):
        if item.image is not None:
            try:
                image = open_image(item.image)
            except ImageError:  # named among the problems of the data
                continue
            yield f'<img src="{_data(image, SIDE // 2)}" alt="" style="border-color: {_colour(number)}">'


def _said(item: VisualObject) -> str:
    score = "" if item.score is None else f"{item.score:.2f}"
    return " ".join(part for part in (item.phrase or ("" if item.score is not None else "object"), score) if part)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _data(image: Image.Image, side: int) -> str:
    small = image.copy()
    small.thumbnail((side, side), reducing_gap=2.0)
    stream = BytesIO()
    small.save(stream, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
