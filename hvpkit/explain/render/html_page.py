"""One page that explains one text: self-contained, everything escaped, and unable to load anything from anywhere."""

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

from hvpkit.explain.example_source import GENERATOR
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
from hvpkit.explain.render.format import STEPS, opacity_step, percent, percentage_points
from hvpkit.images.decode import open_image
from hvpkit.images.regions import ImageRegion
from hvpkit.types import EntityPrediction

LARGE, SMALL = 960, 240  # sides of images in the page, in pixels, at most
STRONG = 0.55  # shares above it are written in the colour that stands out from theirs
NOTABLE = 0.005  # a change of confidence that is pointed out
HERE = Path(__file__).parent


def write_html(file: Path, explained: Explanation, model: Path) -> None:
    """Write the page of an explanation; raises ImageError when an image is no longer there."""
    text = render(explained, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def render(explained: Explanation, model: Path) -> str:
    """Give the page as HTML: style, script and images are inside, and its policy forbids everything else."""
    style, script = _read("page.css") + _heat_rules(), _read("page.js")
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(_read("page.html"))
    return page.render(
        e=explained,
        model=str(model),
        generator=GENERATOR,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        whole=_whole(explained),
        pieces=list(_pieces(explained)),
        crops=[_crop(image) for image in explained.images],
        groups=_groups(explained),
        tables=list(_attention(explained)),
        maps=list(_maps(explained)),
        gates=list(_gates(explained)),
        changes=[_change(explained, change) for change in explained.changes],
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
    """Allow this style, this script and images that are inside, and nothing else."""
    inside = f"img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    return f"default-src 'none'; {inside}; base-uri 'none'; form-action 'none'"


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _heat_rules() -> str:
    """Give each step its colour and length; the policy allows no style attributes."""
    return "\n".join(
        f'[data-heat="{k}"] {{ --share: {k / STEPS}; --amount: {100 * k / STEPS}%; }}\n'
        f'.bar[data-fill="{k}"] {{ inline-size: {100 * k / STEPS}%; }}'
        for k in range(STEPS + 1)
    )


# ---------------------------------------------------------------------------------------------------------------- images
@dataclass(frozen=True)
class PageImage:
    """An image as a data URI, and its size in pixels."""

    source: str
    width: int
    height: int


def _encoded(image: Image.Image, side: int) -> PageImage:
    """Encode an image anew, smaller: nothing of its file but the pixels gets into the page."""
    image = image.copy()
    image.thumbnail((side, side))
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=88)
    return PageImage(f"data:image/jpeg;base64,{base64.b64encode(kept.getvalue()).decode()}", *image.size)


def _whole(explained: Explanation) -> PageImage | None:
    if explained.image is None or not explained.images:
        return None
    return _encoded(open_image(explained.image), LARGE)


def _crop(image: ModelImage) -> PageImage:
    if image.file is None:
        return _encoded(Image.new("RGB", (8, 8), "grey"), SMALL)
    return _encoded(ImageRegion(image.file, image.box).open(), SMALL)


# -------------------------------------------------------------------------------------------------------------------- text
@dataclass(frozen=True)
class TextFragment:
    """A piece of the text: between words (`word` None), or a word, with its mention (None: none) and its shares by layer group."""

    text: str
    word: int | None = None
    mention: MentionAttention | None = None
    first: bool = False
    last: bool = False
    shares: str = ""
    said: str = ""


def _pieces(explained: Explanation) -> Iterator[TextFragment]:
    """Cut the text into its words and what stands between them."""
    text, done = explained.prediction.text, 0
    for number, word in enumerate(explained.words):
        if word.start > done:
            yield TextFragment(text[done : word.start])
        mention = next((m for m in explained.mentions if m.words.start <= number < m.words.end), None)
        looks = explained.looks[number] if explained.looks else None
        yield TextFragment(
            text=text[word.start : word.end],
            word=number,
            mention=mention,
            first=mention is not None and mention.words.start == number,
            last=mention is not None and mention.words.end == number + 1,
            shares=json.dumps([_shares(looks, group) for group in _groups(explained)]) if looks else "",
            said=_said(explained, looks) if looks else "",
        )
        done = word.end
    if done < len(text):
        yield TextFragment(text[done:])


def _groups(explained: Explanation) -> list[LayerGroup]:
    """Give all layers together, then each group where there is more than one."""
    if not explained.looks:
        return []
    return [LayerGroup(ALL, explained.layers), *(explained.groups if len(explained.groups) > 1 else ())]


def _shares(looks: AttentionShares, group: LayerGroup) -> list[float]:
    return [round(share, 5) for share in (*looks.by_image(group.layers), looks.on_text(group.layers))]


def _said(explained: Explanation, looks: AttentionShares) -> str:
    shares = looks.by_image(explained.layers)
    told = [f"{image.title} {percent(share)}" for image, share in zip(explained.images, shares, strict=True)]
    return f"looks at {', '.join(told)}, the text {percent(looks.on_text(explained.layers))}"


# --------------------------------------------------------------------------------------------------------------- attention
@dataclass(frozen=True)
class AttentionRow:
    """One mention's shares in one layer group: on each image, and on the text; `most` is the largest of the images."""

    group: LayerGroup
    shares: tuple[float, ...]
    text: float
    most: int


def _attention(explained: Explanation) -> Iterator[tuple[MentionAttention, list[AttentionRow]]]:
    for mention in explained.mentions:
        if mention.looks is not None:
            rows = [_attention_row(mention.looks, group) for group in _groups(explained)]
            yield mention, rows


def _attention_row(looks: AttentionShares, group: LayerGroup) -> AttentionRow:
    shares = looks.by_image(group.layers)
    return AttentionRow(group, shares, looks.on_text(group.layers), max(range(len(shares)), key=shares.__getitem__))


@dataclass(frozen=True)
class CellMap:
    """One mention's shares on the cells of each image, row by row of the grid; `top` is the largest of all mentions'."""

    mention: MentionAttention
    images: list[list[list[float]]]
    top: float


def _maps(explained: Explanation) -> Iterator[CellMap]:
    shown = [(m, m.looks.by_cell(explained.layers)) for m in explained.mentions if m.looks is not None]
    top = max((share for _, images in shown for cells in images for share in cells), default=1.0)
    for mention, images in shown:
        width = explained.grid if explained.cells_are_places else len(images[0])
        yield CellMap(mention, [_rows(cells, width) for cells in images], top)


def _rows(cells: Sequence[float], width: int) -> list[list[float]]:
    return [list(cells[a:b]) for a, b in pairwise(range(0, len(cells) + 1, width))]


# ------------------------------------------------------------------------------------------------------- gates and changes
def _gates(explained: Explanation) -> Iterator[tuple[ModelImage, list[tuple[int, tuple[float, ...], float]]]]:
    """Give each image its rows: a layer's number, weights and mean level."""
    if explained.gates is not None:
        for number, image in enumerate(explained.images):
            means = explained.gates.mean_levels(number)
            yield image, [(layer + 1, explained.gates.weights[number][layer], means[layer]) for layer in explained.layers]


@dataclass(frozen=True)
class CounterfactualRow:
    """One change, its effects, and of which decisions it makes the largest drop among the images that are removed alone."""

    change: CounterfactualResult
    effects: list[tuple[CounterfactualEffect, bool]]


def _change(explained: Explanation, change: CounterfactualResult) -> CounterfactualRow:
    return CounterfactualRow(change, [(effect, _is_largest(explained, change, number)) for number, effect in enumerate(change.effects)])


def _is_largest(explained: Explanation, change: CounterfactualResult, number: int) -> bool:
    alone = [other.effects[number].drop for other in explained.changes if other.image is not None]
    drops = [drop for drop in alone if drop is not None]
    own = change.effects[number].drop
    return change.image is not None and own is not None and own > NOTABLE and own == max(drops) and drops.count(own) == 1
