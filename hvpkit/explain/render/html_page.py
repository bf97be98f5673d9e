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
from hvpkit.explain.explanation import ALL, Change, Effect, Explanation, LayerGroup, Looks, Mentioned, SeenPicture, lacking
from hvpkit.explain.render.format import STEPS, percent, points, step
from hvpkit.images.decode import open_picture
from hvpkit.images.regions import View
from hvpkit.types import EntityPrediction

LARGE, SMALL = 960, 240  # sides of pictures in the page, in pixels, at most
STRONG = 0.55  # shares above it are written in the colour that stands out from theirs
NOTABLE = 0.005  # a change of confidence that is pointed out
HERE = Path(__file__).parent


def write_page(file: Path, explained: Explanation, model: Path) -> None:
    """Write the page of an explanation; raises PictureError when a picture is no longer there."""
    text = render(explained, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def render(explained: Explanation, model: Path) -> str:
    """Give the page as HTML: style, script and pictures are inside, and its policy forbids everything else."""
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
        crops=[_crop(picture) for picture in explained.pictures],
        groups=_groups(explained),
        tables=list(_attention(explained)),
        maps=list(_maps(explained)),
        gates=list(_gates(explained)),
        changes=[_change(explained, change) for change in explained.changes],
        notes=[*explained.remarks, *lacking(explained)],
        percent=percent,
        points=points,
        notable=NOTABLE,
        top=max((share for _, rows in _attention(explained) for row in rows for share in row.shares), default=1.0),
        strong=STRONG,
        step=step,
        is_entities=isinstance(explained.prediction, EntityPrediction),
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this style, this script and pictures that are inside, and nothing else."""
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


# ---------------------------------------------------------------------------------------------------------------- pictures
@dataclass(frozen=True)
class PagePicture:
    """A picture as a data URI, and its size in pixels."""

    source: str
    width: int
    height: int


def _encoded(picture: Image.Image, side: int) -> PagePicture:
    """Encode a picture anew, smaller: nothing of its file but the pixels gets into the page."""
    picture = picture.copy()
    picture.thumbnail((side, side))
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=88)
    return PagePicture(f"data:image/jpeg;base64,{base64.b64encode(kept.getvalue()).decode()}", *picture.size)


def _whole(explained: Explanation) -> PagePicture | None:
    if explained.image is None or not explained.pictures:
        return None
    return _encoded(open_picture(explained.image), LARGE)


def _crop(picture: SeenPicture) -> PagePicture:
    if picture.file is None:
        return _encoded(Image.new("RGB", (8, 8), "grey"), SMALL)
    return _encoded(View(picture.file, picture.box).open(), SMALL)


# -------------------------------------------------------------------------------------------------------------------- text
@dataclass(frozen=True)
class Piece:
    """A piece of the text: between words (`word` None), or a word, with its mention (None: none) and its shares by layer group."""

    text: str
    word: int | None = None
    mention: Mentioned | None = None
    first: bool = False
    last: bool = False
    shares: str = ""
    said: str = ""


def _pieces(explained: Explanation) -> Iterator[Piece]:
    """Cut the text into its words and what stands between them."""
    text, done = explained.prediction.text, 0
    for number, word in enumerate(explained.words):
        if word.start > done:
            yield Piece(text[done : word.start])
        mention = next((m for m in explained.mentions if m.words.start <= number < m.words.end), None)
        looks = explained.looks[number] if explained.looks else None
        yield Piece(
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
        yield Piece(text[done:])


def _groups(explained: Explanation) -> list[LayerGroup]:
    """Give all layers together, then each group where there is more than one."""
    if not explained.looks:
        return []
    return [LayerGroup(ALL, explained.layers), *(explained.groups if len(explained.groups) > 1 else ())]


def _shares(looks: Looks, group: LayerGroup) -> list[float]:
    return [round(share, 5) for share in (*looks.on_pictures(group.layers), looks.on_text(group.layers))]


def _said(explained: Explanation, looks: Looks) -> str:
    shares = looks.on_pictures(explained.layers)
    told = [f"{picture.title} {percent(share)}" for picture, share in zip(explained.pictures, shares, strict=True)]
    return f"looks at {', '.join(told)}, the text {percent(looks.on_text(explained.layers))}"


# --------------------------------------------------------------------------------------------------------------- attention
@dataclass(frozen=True)
class AttentionRow:
    """One mention's shares in one layer group: on each picture, and on the text; `most` is the largest of the pictures."""

    group: LayerGroup
    shares: tuple[float, ...]
    text: float
    most: int


def _attention(explained: Explanation) -> Iterator[tuple[Mentioned, list[AttentionRow]]]:
    for mention in explained.mentions:
        if mention.looks is not None:
            rows = [_attention_row(mention.looks, group) for group in _groups(explained)]
            yield mention, rows


def _attention_row(looks: Looks, group: LayerGroup) -> AttentionRow:
    shares = looks.on_pictures(group.layers)
    return AttentionRow(group, shares, looks.on_text(group.layers), max(range(len(shares)), key=shares.__getitem__))


@dataclass(frozen=True)
class CellMap:
    """One mention's shares on the cells of each picture, row by row of the grid; `top` is the largest of all mentions'."""

    mention: Mentioned
    pictures: list[list[list[float]]]
    top: float


def _maps(explained: Explanation) -> Iterator[CellMap]:
    shown = [(m, m.looks.on_cells(explained.layers)) for m in explained.mentions if m.looks is not None]
    top = max((share for _, pictures in shown for cells in pictures for share in cells), default=1.0)
    for mention, pictures in shown:
        width = explained.grid if explained.cells_are_places else len(pictures[0])
        yield CellMap(mention, [_rows(cells, width) for cells in pictures], top)


def _rows(cells: Sequence[float], width: int) -> list[list[float]]:
    return [list(cells[a:b]) for a, b in pairwise(range(0, len(cells) + 1, width))]


# ------------------------------------------------------------------------------------------------------- gates and changes
def _gates(explained: Explanation) -> Iterator[tuple[SeenPicture, list[tuple[int, tuple[float, ...], float]]]]:
    """Give each picture its rows: a layer's number, weights and mean level."""
    if explained.gates is not None:
        for number, picture in enumerate(explained.pictures):
            means = explained.gates.mean_levels(number)
            yield picture, [(layer + 1, explained.gates.weights[number][layer], means[layer]) for layer in explained.layers]


@dataclass(frozen=True)
class ChangeRow:
    """One change, its effects, and of which decisions it makes the largest drop among the pictures that are removed alone."""

    change: Change
    effects: list[tuple[Effect, bool]]


def _change(explained: Explanation, change: Change) -> ChangeRow:
    return ChangeRow(change, [(effect, _is_largest(explained, change, number)) for number, effect in enumerate(change.effects)])


def _is_largest(explained: Explanation, change: Change, number: int) -> bool:
    alone = [other.effects[number].drop for other in explained.changes if other.picture is not None]
    drops = [drop for drop in alone if drop is not None]
    own = change.effects[number].drop
    return change.picture is not None and own is not None and own > NOTABLE and own == max(drops) and drops.count(own) == 1
