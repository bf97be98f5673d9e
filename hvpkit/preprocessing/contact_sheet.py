"""Contact sheet: an HTML file of sample images with their detected boxes, for visual inspection."""

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
SIDE = 420  # pixels of the longer image side on the sheet
COLORS = ("#e6194b", "#0a7d32", "#1f4fd8", "#b35c00", "#7a1fa2", "#00727a")
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 24px; color: #1b1b1b; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 24px }
figure { margin: 0; border: 1px solid #ccc; border-radius: 6px; padding: 10px; break-inside: avoid }
svg { width: 100%; height: auto; display: block; background: #eee }
.crops { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px }
.crops img { height: 72px; border: 3px solid }
figcaption { margin-top: 8px; overflow-wrap: anywhere }
.phrases { color: #555 } .none { color: #a40000; font-weight: 600 } ol { margin: 4px 0; padding-left: 22px }
"""


@dataclass(frozen=True)
class SheetEntry:
    """An example on the sheet.

    Attributes:
        example: Example with its objects.
        split: Split of the example.
        phrases: Phrases that the detector searched for.
    """

    example: Example
    split: Split
    phrases: tuple[str, ...]


class SheetSample:
    """Deterministic sample of a stream of examples: those whose ids have the smallest hashes.

    Args:
        size: Number of examples of the sample.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[int, int, SheetEntry]] = []  # heap: negative rank, order of arrival, entry
        self._count = 0

    @property
    def is_requested(self) -> bool:
        """Whether a contact sheet was requested."""
        return self._size > 0

    def add(self, entry: SheetEntry) -> None:
        """Add an example to the stream."""
        if self._size <= 0 or entry.example.image is None:
            return
        rank = int.from_bytes(hashlib.sha256(f"{entry.split} {entry.example.id}".encode()).digest()[:8], "big")
        self._count += 1
        ranked = (-rank, self._count, entry)
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, ranked)
        else:
            heapq.heappushpop(self._kept, ranked)

    @property
    def examples(self) -> list[SheetEntry]:
        """The sampled examples in stream order."""
        return [entry for _, _, entry in sorted(self._kept, key=lambda ranked: ranked[1])]


def write_contact_sheet(file: Path, title: str, description: str, sample: SheetSample) -> None:
    """Write the sheet as one HTML file with embedded images.

    Args:
        file: HTML file.
        title: Heading.
        description: How the objects were detected.
        sample: Examples to show.
    """
    figures = "\n".join(_figure(entry) for entry in sample.examples)
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1><p>{escape(description)}</p>\n<main>\n{figures}\n</main></body></html>\n"
    )
    file.write_text(text, encoding="utf-8")


def _figure(entry: SheetEntry) -> str:
    example = entry.example
    words = escape(" ".join(example.words))
    phrases = f'<div class="phrases">phrases: {escape(", ".join(entry.phrases))}</div>' if entry.phrases else ""
    try:
        drawing = _image_with_boxes(example)
    except ImageError as error:
        drawing = f'<p class="none">{escape(str(error))}</p>'
    items = "".join(
        f'<li style="color: {_color(i)}">{escape(_label(item))}</li>' for i, item in enumerate(example.objects)
    )
    objects = f"<ol>{items}</ol>" if items else '<div class="none">no object detected: masked in training</div>'
    heading = f"<b>{entry.split} {escape(example.id)}</b>"
    return f"<figure>{drawing}<figcaption>{heading} {words}{phrases}{objects}</figcaption></figure>"


def _image_with_boxes(example: Example) -> str:
    if example.image is None:
        return ""
    image = open_image(example.image)
    width, height = image.size
    line_width = max(width, height) / 160
    boxes = "".join(_box(i, item.box, item, line_width) for i, item in enumerate(example.objects) if item.box)
    full_image = _data_url(image, SIDE)
    crops = "".join(_crop_files(example))
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(example.image.name)}">'
        f'<image href="{full_image}" width="{width}" height="{height}" preserveAspectRatio="none"/>{boxes}</svg>'
        + (f'<div class="crops">{crops}</div>' if crops else "")
    )


def _box(number: int, box: Box, item: VisualObject, line_width: float) -> str:
    color, size = _color(number), line_width * 7
    top = max(box.top - line_width, size)
    width, height = box.right - box.left, box.bottom - box.top
    return (
        f'<rect x="{box.left:g}" y="{box.top:g}" width="{width:g}" height="{height:g}" fill="none" '
        f'stroke="{color}" stroke-width="{line_width:g}"/>'
        f'<text x="{box.left:g}" y="{top:g}" font-size="{size:g}" font-family="sans-serif" '
        f'fill="{color}" stroke="#fff" stroke-width="{line_width:g}" paint-order="stroke">{escape(_label(item))}</text>'
    )


def _crop_files(example: Example) -> Iterator[str]:
    for number, item in enumerate(example.objects):
        if item.image is not None:
            try:
                image = open_image(item.image)
            except ImageError:  # reported as an issue of the data
                continue
            yield f'<img src="{_data_url(image, SIDE // 2)}" alt="" style="border-color: {_color(number)}">'


def _label(item: VisualObject) -> str:
    if item.score is None:
        return item.phrase or "object"
    score = f"{item.score:.2f}"
    return f"{item.phrase} {score}" if item.phrase else score


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _data_url(image: Image.Image, side: int) -> str:
    small = image.copy()
    small.thumbnail((side, side), reducing_gap=2.0)
    stream = BytesIO()
    small.save(stream, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
