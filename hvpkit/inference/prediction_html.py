"""HTML of a prediction for notebooks: the marked text and the image with its objects, everything escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from zlib import crc32

from hvpkit.errors import ImageError
from hvpkit.images.decode import open_image
from hvpkit.types import ImageSource, VisualObject

COLORS = ("#b6e3ff", "#ffd8a8", "#c3fae8", "#ffc9de", "#e5dbff", "#d8f5a2", "#ffec99", "#d0ebff")
THUMBNAIL_SIDE = 320  # pixels of the longer side


@dataclass(frozen=True)
class Mark:
    """Characters [start, end) of a text to mark.

    Attributes:
        start: Index of the first character.
        end: Index of the first character after the mark.
        label: Label that is shown.
        detail: Text of the tooltip.
    """

    start: int
    end: int
    label: str
    detail: str = ""


def render_prediction(
    text: str, marks: Sequence[Mark], caption: str, image: ImageSource | None, objects: Sequence[VisualObject]
) -> str:
    """Render a prediction as an HTML fragment without scripts.

    Args:
        text: The text.
        marks: Spans to mark; they do not overlap.
        caption: Line below the text; empty for none.
        image: Image of the text; it is left out if it cannot be decoded.
        objects: Objects whose boxes are drawn on the image.
    """
    parts = [f'<div style="line-height:2">{"".join(_marked(text, sorted(marks, key=lambda mark: mark.start)))}</div>']
    if caption:
        parts.append(f"<div><b>{escape(caption)}</b></div>")
    if image is not None:
        parts.append(_image(image, objects))
    return f'<div class="hvpkit">{"".join(parts)}</div>'


def _marked(text: str, marks: Sequence[Mark]) -> Iterator[str]:
    end = 0
    for mark in marks:
        yield escape(text[end : mark.start])
        color, end = COLORS[crc32(mark.label.encode()) % len(COLORS)], mark.end
        yield (
            f'<mark style="background:{color};padding:2px 4px;border-radius:4px" title="{escape(mark.detail)}">'
            f"{escape(text[mark.start : mark.end])} <small><b>{escape(mark.label)}</b></small></mark>"
        )
    yield escape(text[end:])


def _image(image: ImageSource, objects: Sequence[VisualObject]) -> str:
    """Render a thumbnail with the boxes of objects; empty if the image cannot be decoded."""
    try:
        thumbnail = open_image(image)
    except ImageError:
        return ""
    width, height = thumbnail.size
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    stream = io.BytesIO()
    thumbnail.save(stream, "JPEG", quality=80)
    source = base64.b64encode(stream.getvalue()).decode("ascii")
    boxes = "".join(_box(item) for item in objects)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{thumbnail.width}" height="{thumbnail.height}">'
        f'<image href="data:image/jpeg;base64,{source}" width="{width}" height="{height}"/>{boxes}</svg>'
    )


def _box(item: VisualObject) -> str:
    if item.box is None:
        return ""
    left, top, right, bottom = item.box.left, item.box.top, item.box.right, item.box.bottom
    title = f"<title>{escape(item.phrase)}</title>" if item.phrase else ""
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" '
        f'fill="none" stroke="#e8590c" vector-effect="non-scaling-stroke" stroke-width="2">{title}</rect>'
    )
