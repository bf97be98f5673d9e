"""Render an explanation as a self-contained HTML page: all values escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from hvpkit.explain.explanation import (
    ALL,
    AttentionShares,
    CounterfactualEffect,
    CounterfactualResult,
    Explanation,
    LayerGroup,
    MentionAttention,
    ModelImage,
    missing_reasons,
)
from hvpkit.explain.output_files import GENERATOR
from hvpkit.explain.render.format import STEPS, opacity_step, percentage_points
from hvpkit.images.decode import open_image
from hvpkit.images.regions import ImageRegion
from hvpkit.types import EntityPrediction
from hvpkit.utils.atomic_write import atomic_file
from hvpkit.utils.percent import percent

LARGE, SMALL = 960, 240  # largest sides of images in the page, in pixels
STRONG = 0.55  # text above this opacity gets the contrasting color
NOTABLE = 0.005  # smallest change of confidence that is highlighted
HERE = Path(__file__).parent


def write_html(file: Path, explained: Explanation, model: Path) -> None:
    """Write the page of an explanation.

    Args:
        file: File to write.
        explained: The explanation.
        model: Model folder, for the footer.

    Raises:
        ImageError: If an image cannot be read any more.
    """
    text = render(explained, model)
    with atomic_file(file) as draft:
        draft.write_text(text, encoding="utf-8")


def render(explained: Explanation, model: Path) -> str:
    """Render the page as HTML with inline style, script and images, and a policy that forbids everything else.

    Args:
        explained: The explanation.
        model: Model folder, for the footer.

    Raises:
        ImageError: If an image cannot be read any more.
    """
    style, script = _read("page.css") + _heat_rules(), _read("page.js")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        _read("page.html")
    )
    return page.render(
        e=explained,
        model=str(model),
        generator=GENERATOR,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        full_image=_full_image(explained),
        fragments=list(_fragments(explained)),
        crops=[_crop(image) for image in explained.images],
        groups=_groups(explained),
        tables=list(_attention(explained)),
        maps=list(_maps(explained)),
        gates=list(_gates(explained)),
        counterfactuals=[_counterfactual(explained, result) for result in explained.counterfactuals],
        notes=[*explained.notes, *missing_reasons(explained)],
        percent=percent,
        points=percentage_points,
        notable=NOTABLE,
        top=max((share for _, rows in _attention(explained) for row in rows for share in row.shares), default=1.0),
        strong=STRONG,
        step=opacity_step,
        is_entities=isinstance(explained.prediction, EntityPrediction),
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Build a policy that allows this style, this script and inline images, and nothing else."""
    allowed = f"img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _heat_rules() -> str:
    """Build rules for the opacity and length of each step; the policy allows no style attributes."""
    return "\n".join(
        f'[data-heat="{k}"] {{ --share: {k / STEPS}; --amount: {100 * k / STEPS}%; }}\n'
        f'.bar[data-fill="{k}"] {{ inline-size: {100 * k / STEPS}%; }}'
        for k in range(STEPS + 1)
    )


@dataclass(frozen=True)
class PageImage:
    """An image of the page.

    Attributes:
        source: Data URI.
        width: Width in pixels.
        height: Height in pixels.
    """

    source: str
    width: int
    height: int


def _encoded(image: Image.Image, side: int) -> PageImage:
    """Re-encode an image at a smaller size, so that no metadata of its file gets into the page."""
    image = image.copy()
    image.thumbnail((side, side))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=88)
    return PageImage(f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}", *image.size)


def _full_image(explained: Explanation) -> PageImage | None:
    if explained.image is None or not explained.images:
        return None
    return _encoded(open_image(explained.image), LARGE)


def _crop(image: ModelImage) -> PageImage:
    if image.file is None:
        return _encoded(Image.new("RGB", (8, 8), "gray"), SMALL)
    return _encoded(ImageRegion(image.file, image.box).open(), SMALL)


@dataclass(frozen=True)
class TextFragment:
    """A word of the text, or the text between two words.

    Attributes:
        text: Text of the fragment.
        word: Index of the word; None between words.
        mention: Mention that contains the word.
        first: Whether it is the first word of the mention.
        last: Whether it is the last word of the mention.
        shares: JSON list of the attention on each image and on the text, by layer group; empty without attention.
        description: The same, mean over all layers, as a sentence for screen readers.
    """

    text: str
    word: int | None = None
    mention: MentionAttention | None = None
    first: bool = False
    last: bool = False
    shares: str = ""
    description: str = ""


def _fragments(explained: Explanation) -> Iterator[TextFragment]:
    """Split the text into its words and the text between them."""
    text, end = explained.prediction.text, 0
    for number, word in enumerate(explained.words):
        if word.start > end:
            yield TextFragment(text[end : word.start])
        mention = next((m for m in explained.mentions if m.words.start <= number < m.words.end), None)
        attention = explained.attention[number] if explained.attention else None
        yield TextFragment(
            text=text[word.start : word.end],
            word=number,
            mention=mention,
            first=mention is not None and mention.words.start == number,
            last=mention is not None and mention.words.end == number + 1,
            shares=json.dumps([_shares(attention, group) for group in _groups(explained)]) if attention else "",
            description=_description(explained, attention) if attention else "",
        )
        end = word.end
    if end < len(text):
        yield TextFragment(text[end:])


def _groups(explained: Explanation) -> list[LayerGroup]:
    """Return all layers as one group, then each group if there is more than one."""
    if not explained.attention:
        return []
    return [LayerGroup(ALL, explained.layers), *(explained.groups if len(explained.groups) > 1 else ())]


def _shares(attention: AttentionShares, group: LayerGroup) -> list[float]:
    return [round(share, 5) for share in (*attention.by_image(group.layers), attention.on_text(group.layers))]


def _description(explained: Explanation, attention: AttentionShares) -> str:
    shares = attention.by_image(explained.layers)
    images = [f"{image.title} {percent(share)}" for image, share in zip(explained.images, shares, strict=True)]
    return f"attention: {', '.join(images)}, text {percent(attention.on_text(explained.layers))}"


@dataclass(frozen=True)
class AttentionRow:
    """Attention of one mention in one layer group.

    Attributes:
        group: The layers.
        shares: Attention on each image [V], 0..1.
        text: Attention on the text, 0..1.
        most: Index of the image with the largest attention.
    """

    group: LayerGroup
    shares: tuple[float, ...]
    text: float
    most: int


def _attention(explained: Explanation) -> Iterator[tuple[MentionAttention, list[AttentionRow]]]:
    for mention in explained.mentions:
        if mention.attention is not None:
            rows = [_attention_row(mention.attention, group) for group in _groups(explained)]
            yield mention, rows


def _attention_row(attention: AttentionShares, group: LayerGroup) -> AttentionRow:
    shares = attention.by_image(group.layers)
    return AttentionRow(group, shares, attention.on_text(group.layers), max(range(len(shares)), key=shares.__getitem__))


@dataclass(frozen=True)
class CellMap:
    """Attention of one mention on the cells of each image, mean over layers.

    Attributes:
        mention: The mention.
        images: Attention by image, row and column of the grid, 0..1.
        top: Largest attention of all mentions, for the color scale.
    """

    mention: MentionAttention
    images: list[list[list[float]]]
    top: float


def _maps(explained: Explanation) -> Iterator[CellMap]:
    shown = [(m, m.attention.by_cell(explained.layers)) for m in explained.mentions if m.attention is not None]
    top = max((share for _, images in shown for cells in images for share in cells), default=1.0)
    for mention, images in shown:
        width = explained.grid if explained.cells_are_spatial else len(images[0])
        yield CellMap(mention, [_rows(cells, width) for cells in images], top)


def _rows(cells: Sequence[float], width: int) -> list[list[float]]:
    return [list(cells[a:b]) for a, b in pairwise(range(0, len(cells) + 1, width))]


def _gates(explained: Explanation) -> Iterator[tuple[ModelImage, list[tuple[int, tuple[float, ...], float]]]]:
    """Yield each image with its rows: number, weights and mean level of each layer."""
    if explained.gates is not None:
        for number, image in enumerate(explained.images):
            means = explained.gates.mean_levels(number)
            yield (
                image,
                [(layer + 1, explained.gates.weights[number][layer], means[layer]) for layer in explained.layers],
            )


@dataclass(frozen=True)
class CounterfactualRow:
    """Row of the table of counterfactuals.

    Attributes:
        result: Result of the counterfactual.
        effects: Effect on each decision, and whether it is the largest decrease when one image is removed.
    """

    result: CounterfactualResult
    effects: list[tuple[CounterfactualEffect, bool]]


def _counterfactual(explained: Explanation, result: CounterfactualResult) -> CounterfactualRow:
    return CounterfactualRow(
        result, [(effect, _is_largest(explained, result, number)) for number, effect in enumerate(result.effects)]
    )


def _is_largest(explained: Explanation, result: CounterfactualResult, number: int) -> bool:
    single = [other.effects[number].drop for other in explained.counterfactuals if other.image is not None]
    drops = [drop for drop in single if drop is not None]
    drop = result.effects[number].drop
    if result.image is None or drop is None or drop <= NOTABLE:
        return False
    return drop == max(drops) and drops.count(drop) == 1
