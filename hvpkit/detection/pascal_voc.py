"""Read boxes from PASCAL VOC XML, as written by LabelImg and used by the GMNER dataset."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from hvpkit.errors import DataError
from hvpkit.types import Box, VisualObject

MAX_BYTES = 4_000_000


class _NoDoctype(TreeBuilder):
    """Reject document types before they are parsed: they allow entity expansion and access to other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DataError("annotation-doctype")


def read_pascal_voc(file: Path, size: tuple[int, int]) -> list[VisualObject]:
    """Read the annotated objects of one image.

    Args:
        file: XML file.
        size: Width and height of the image in pixels. Boxes are rescaled if the file has another image size.

    Raises:
        DataError: "annotation-unreadable" if the file is not a valid annotation.
    """
    try:
        root = _parse_xml(file)
        scale_x, scale_y = _scale(root, size)
        return [_object(item, scale_x, scale_y) for item in root.iter("object")]
    except DataError as error:
        raise DataError("annotation-unreadable", file=file, reason=error.message) from error
    except (OSError, ParseError, LookupError, ValueError) as error:
        raise DataError("annotation-unreadable", file=file, reason=str(error)) from error


def _parse_xml(file: Path) -> Element:
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError("annotation-too-large", limit=MAX_BYTES // 10**6)
    parser = XMLParser(target=_NoDoctype())
    parser.feed(content)
    root: Element = parser.close()
    if root.tag != "annotation":
        raise DataError("not-annotation", found=root.tag)
    return root


def _scale(root: Element, size: tuple[int, int]) -> tuple[float, float]:
    texts = [root.findtext(f"size/{side}") for side in ("width", "height")]
    width, height = (float(text) if text else 0.0 for text in texts)
    return (size[0] / width, size[1] / height) if width > 0 and height > 0 else (1.0, 1.0)


def _object(item: Element, scale_x: float, scale_y: float) -> VisualObject:
    texts = [item.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    if None in texts:
        raise DataError("annotation-without-box")
    left, top, right, bottom = (float(text or "") for text in texts)
    if not all(map(math.isfinite, (left, top, right, bottom))) or left >= right or top >= bottom:
        raise DataError("annotation-box-invalid", box=(left, top, right, bottom))
    name = (item.findtext("name") or "").strip()
    return VisualObject(box=Box(left * scale_x, top * scale_y, right * scale_x, bottom * scale_y), phrase=name or None)
