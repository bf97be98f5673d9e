"""Boxes in PASCAL-VOC XML, as LabelImg writes them and GMNER's data has them (no torch)."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from hvpkit.errors import DataError
from hvpkit.types import Box, VisualObject

MAX_BYTES = 4_000_000


class _NoDoctype(TreeBuilder):
    """Refuses document types before anything in them is read: entities that grow, and files of others, come with them."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DataError("it has a DOCTYPE, which annotations do not need and which is not read")


def read_voc(file: Path, size: tuple[int, int]) -> list[VisualObject]:
    """Read the objects of one picture: boxes as they are written, rescaled where the file names another picture size than `size`.

    Raises DataError, naming the file, when it is not an annotation.
    """
    try:
        root = _parsed(file)
        across, down = _scale(root, size)
        return [_object(item, across, down) for item in root.iter("object")]
    except (OSError, ParseError, LookupError, ValueError, DataError) as error:
        raise DataError(f"{file} is no annotation that can be read ({error})") from error


def _parsed(file: Path) -> Element:
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"it has more than {MAX_BYTES // 10**6} million bytes")
    parser = XMLParser(target=_NoDoctype())
    parser.feed(content)
    root: Element = parser.close()
    if root.tag != "annotation":
        raise DataError(f"expected <annotation>, got <{root.tag}>")
    return root


def _scale(root: Element, size: tuple[int, int]) -> tuple[float, float]:
    said = [root.findtext(f"size/{side}") for side in ("width", "height")]
    width, height = (float(text) if text else 0.0 for text in said)
    return (size[0] / width, size[1] / height) if width > 0 and height > 0 else (1.0, 1.0)


def _object(item: Element, across: float, down: float) -> VisualObject:
    texts = [item.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    if None in texts:
        raise DataError("an object has no bndbox with xmin, ymin, xmax and ymax")
    left, top, right, bottom = (float(text or "") for text in texts)
    if not all(map(math.isfinite, (left, top, right, bottom))) or left >= right or top >= bottom:
        raise DataError(f"a box is {left, top, right, bottom}: expected xmin < xmax and ymin < ymax")
    name = (item.findtext("name") or "").strip()
    return VisualObject(box=Box(left * across, top * down, right * across, bottom * down), phrase=name or None)
