"""Read boxes from PASCAL VOC XML, as written by LabelImg and used by the GMNER dataset."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from hvpkit.errors import DataError
from hvpkit.records.codec import box_from_json
from hvpkit.records.issues import Issue, RecordError
from hvpkit.records.objects import fit_box
from hvpkit.types import VisualObject

MAX_BYTES = 4_000_000


class _NoDoctype(TreeBuilder):
    """Reject document types before they are parsed: they allow entity expansion and access to other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DataError("annotation-doctype")


def read_pascal_voc(file: Path, size: tuple[int, int], issues: list[Issue]) -> list[VisualObject]:
    """Read the annotated objects of one image; an object without a valid box is dropped without the others.

    Args:
        file: XML file.
        size: Width and height of the image in pixels. Boxes are rescaled if the file has another image size.
        issues: Receives the issues of the objects.

    Raises:
        DataError: "annotation-unreadable" if the file is not a valid annotation.
    """
    try:
        root = _parse_xml(file)
        scale = _scale(root, size)
    except DataError as error:
        raise DataError("annotation-unreadable", file=file, reason=error.message) from error
    except (OSError, ParseError, LookupError, ValueError) as error:
        raise DataError("annotation-unreadable", file=file, reason=str(error)) from error
    objects: list[VisualObject] = []
    for item in root.iter("object"):
        try:
            objects.append(_object(item, scale, size, issues))
        except RecordError as error:
            issues.append(Issue(error.message, "dropped"))
    return objects


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


def _object(item: Element, scale: tuple[float, float], size: tuple[int, int], issues: list[Issue]) -> VisualObject:
    texts = [item.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    if None in texts:
        raise RecordError("annotation-without-box")
    try:
        edges = [float(text or "") * factor for text, factor in zip(texts, (*scale, *scale), strict=True)]
    except ValueError:
        raise RecordError("box-invalid", found=texts) from None
    name = (item.findtext("name") or "").strip()
    return VisualObject(box=fit_box(box_from_json(edges), size, issues), phrase=name or None)
