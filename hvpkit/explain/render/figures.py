"""The paper's Figure 4 and Table 2, drawn for chosen examples (matplotlib, which comes with the extra `figures`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from hvpkit.errors import InputError
from hvpkit.explain.example_source import figure_kind
from hvpkit.explain.explanation import Explanation, ModelImage, mean
from hvpkit.images.regions import ImageRegion

COLUMNS = 4  # maps a row of Figure 4
INCH = 1.3  # the side of a crop in Table 2


def write_figure(file: Path, explanations: Sequence[Explanation]) -> None:
    """Draw what the file's name asks for: `gates...` or `attention...`, as PDF, PNG or SVG.

    Raises InputError when no example has what is to be drawn.
    """
    draw: Callable[[Sequence[Explanation]], Any] = gates_figure if figure_kind(file) == "gates" else attention_figure
    figure = draw(explanations)
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # tweets hold more signs than any one font
        figure.savefig(file, dpi=200, metadata={"Date": None} if file.suffix.lower() == ".svg" else None)


def gates_figure(explanations: Sequence[Explanation]) -> Any:  # noqa: ANN401 - matplotlib comes late
    """Draw one small map a text layer: rows are examples, columns levels, mean over an example's images (Chen et al. 2022, figure 4)."""
    shown = [e for e in explanations if e.gates is not None]
    if not shown:
        raise InputError("figure-without-gates")
    gates = [e.gates for e in shown if e.gates is not None]
    layers, levels, name = len(gates[0].weights[0]), len(gates[0].weights[0][0]), gates[0].level_name
    columns = min(COLUMNS, layers)
    rows = -(-layers // columns)
    figure = _figure(1.7 * columns + 1.2, (0.22 * len(shown) + 0.75) * rows + 0.6)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for number, axis in enumerate(axes.flat):
        if number >= layers:
            axis.set_visible(False)
            continue
        weights = [[mean([image[number][level] for image in each.weights]) for level in range(levels)] for each in gates]
        drawn = axis.imshow(weights, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axis.set_title(f"layer {number + 1}", fontsize=8)
        axis.set_xticks(range(levels), [str(level + 1) for level in range(levels)], fontsize=7)
        axis.set_yticks(range(len(shown)), [str(row + 1) for row in range(len(shown))], fontsize=7)
    figure.supxlabel(f"{name} of the pyramid (1: finest)" if name == "level" else f"{name} of the release's map", fontsize=8)
    figure.supylabel("example", fontsize=8)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("weight, mean over images", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def attention_figure(explanations: Sequence[Explanation]) -> Any:  # noqa: ANN401 - matplotlib comes late
    """Draw where entities look: rows are entities (or head and tail), columns the images' cells (Chen et al. 2022, table 2)."""
    shown = [e for e in explanations if any(mention.looks for mention in e.mentions)]
    if not shown:
        raise InputError("figure-without-attention")
    mentions = [[m for m in e.mentions if m.looks is not None] for e in shown]
    images = max(len(e.images) for e in shown)
    heights = [1.05 * INCH + 0.3 * len(own) + 0.75 for own in mentions]
    figure = _figure(1.9 + INCH * images, sum(heights))
    parts = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    top = max(share for own in mentions for m in own if m.looks for cells in m.looks.by_cell(range(len(m.looks.text))) for share in cells)
    for explained, own, part in zip(shown, mentions, parts, strict=True):
        _attention_part(part, explained, own, images, top)
    return figure


def _attention_part(part: Any, explained: Explanation, mentions: Sequence[Any], images: int, top: float) -> None:  # noqa: ANN401
    """Draw one example: its sentence, its images, and below each what the mentions' attention on its cells is."""
    part.suptitle(_caption(explained, 22 * (images + 1)), fontsize=8, x=0.02, ha="left", parse_math=False)
    axes = part.subplots(2, images, squeeze=False, height_ratios=[INCH, 0.3 * len(mentions)])
    for number in range(images):
        above, below = axes[:, number]
        above.axis("off")
        if number >= len(explained.images):
            below.axis("off")
            continue
        image = explained.images[number]
        above.imshow(_thumbnail(image))
        above.set_title(image.title, fontsize=7, parse_math=False)
        cells = [m.looks.by_cell(explained.layers)[number] for m in mentions]
        below.imshow(cells, vmin=0, vmax=top, cmap="Oranges", aspect="auto")
        for row, shares in enumerate(cells):
            for column, share in enumerate(shares):
                below.text(
                    column, row, f"{100 * share:.1f}", ha="center", va="center", fontsize=6, color="black" if share < top / 2 else "white"
                )
        unit = "cell" if explained.cells_are_places else "part"
        names = [f"{unit} {i + 1}" for i in range(len(cells[0]))] if len(cells[0]) > 1 else [""]
        below.set_xticks(range(len(names)), names, fontsize=5)
        below.set_yticks(range(len(mentions)), ["" if number else f"{m.span.text} ({m.role})" for m in mentions], fontsize=7)
        for label in below.get_yticklabels():
            label.set_parse_math(False)


def _caption(explained: Explanation, width: int) -> str:
    """Give the sentence, what is right, and what the model says, in lines of so many characters."""
    said = ", ".join(explained.title(decision) for decision in explained.decisions) or "no entities"
    known = f"gold: {', '.join(explained.gold)}; " if explained.gold else ""
    lines = (explained.prediction.text, f"{known}predicted: {said} (attention in percent, mean over layers and heads)")
    return "\n".join(fill(line, width) for line in lines)


def _thumbnail(image: ModelImage) -> Any:  # noqa: ANN401 - matplotlib takes images of Pillow
    from PIL import Image

    opened = Image.new("RGB", (8, 8), "grey") if image.file is None else ImageRegion(image.file, image.box).open()
    return opened.resize((160, 160))


def _figure(width: float, height: float) -> Any:  # noqa: ANN401 - matplotlib comes late
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
