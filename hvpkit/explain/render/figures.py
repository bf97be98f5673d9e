"""Figures of gates and attention for chosen examples, as Figure 4 and Table 2 of Chen et al. 2022 (matplotlib)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from hvpkit.errors import InputError
from hvpkit.explain.explanation import Explanation, ModelImage, mean
from hvpkit.explain.output_files import figure_kind
from hvpkit.images.regions import ImageRegion

COLUMNS = 4  # maps per row of the figure of gates
INCH = 1.3  # side of a crop in the figure of attention


def write_figure(file: Path, explanations: Sequence[Explanation]) -> None:
    """Draw the figure that the file name asks for: `gates...` or `attention...`, as PDF, PNG or SVG.

    Args:
        file: File to write.
        explanations: Explanations of the examples.

    Raises:
        InputError: "figure-name" for another file name, "figure-without-gates" or "figure-without-attention" if no
            example has what is to be drawn.
    """
    draw: Callable[[Sequence[Explanation]], Any] = gates_figure if figure_kind(file) == "gates" else attention_figure
    figure = draw(explanations)
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # no font has all characters of tweets
        figure.savefig(file, dpi=200, metadata={"Date": None} if file.suffix.lower() == ".svg" else None)


def gates_figure(explanations: Sequence[Explanation]) -> Any:  # noqa: ANN401 - matplotlib comes late
    """Draw the gate weights: one map per text layer with a row per example and a column per level, mean over images.

    Args:
        explanations: Explanations of the examples.

    Raises:
        InputError: "figure-without-gates" if no example has gates.

    Source: Chen et al. 2022, Figure 4.
    """
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
        weights = [
            [mean([image[number][level] for image in gate.weights]) for level in range(levels)] for gate in gates
        ]
        heat_map = axis.imshow(weights, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axis.set_title(f"layer {number + 1}", fontsize=8)
        axis.set_xticks(range(levels), [str(level + 1) for level in range(levels)], fontsize=7)
        axis.set_yticks(range(len(shown)), [str(row + 1) for row in range(len(shown))], fontsize=7)
    label = f"{name} of the pyramid (1: finest)" if name == "level" else f"{name} of the release's feature map"
    figure.supxlabel(label, fontsize=8)
    figure.supylabel("example", fontsize=8)
    bar = figure.colorbar(heat_map, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label("weight, mean over images", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def attention_figure(explanations: Sequence[Explanation]) -> Any:  # noqa: ANN401 - matplotlib comes late
    """Draw the attention on images: one row per entity (or head and tail), one column per image cell.

    Args:
        explanations: Explanations of the examples.

    Raises:
        InputError: "figure-without-attention" if no entity has attention on images.

    Source: Chen et al. 2022, Table 2.
    """
    shown = [e for e in explanations if any(mention.attention for mention in e.mentions)]
    if not shown:
        raise InputError("figure-without-attention")
    mentions = [[m for m in e.mentions if m.attention is not None] for e in shown]
    images = max(len(e.images) for e in shown)
    heights = [1.05 * INCH + 0.3 * len(rows) + 0.75 for rows in mentions]
    figure = _figure(1.9 + INCH * images, sum(heights))
    panels = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    attention = [m.attention for rows in mentions for m in rows if m.attention]
    top = max(share for shares in attention for cells in shares.by_cell(range(len(shares.text))) for share in cells)
    for explained, rows, panel in zip(shown, mentions, panels, strict=True):
        _draw_attention(panel, explained, rows, images, top)
    return figure


def _draw_attention(
    panel: Any,  # noqa: ANN401 - a subfigure
    explained: Explanation,
    mentions: Sequence[Any],
    images: int,
    top: float,
) -> None:
    """Draw one example: its sentence, its images, and below each the attention of the mentions on its cells."""
    panel.suptitle(_caption(explained, 22 * (images + 1)), fontsize=8, x=0.02, ha="left", parse_math=False)
    axes = panel.subplots(2, images, squeeze=False, height_ratios=[INCH, 0.3 * len(mentions)])
    for number in range(images):
        above, below = axes[:, number]
        above.axis("off")
        if number >= len(explained.images):
            below.axis("off")
            continue
        image = explained.images[number]
        above.imshow(_thumbnail(image))
        above.set_title(image.title, fontsize=7, parse_math=False)
        cells = [m.attention.by_cell(explained.layers)[number] for m in mentions]
        below.imshow(cells, vmin=0, vmax=top, cmap="Oranges", aspect="auto")
        for row, shares in enumerate(cells):
            for column, share in enumerate(shares):
                below.text(
                    column,
                    row,
                    f"{100 * share:.1f}",
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="black" if share < top / 2 else "white",
                )
        unit = "cell" if explained.cells_are_spatial else "part"
        names = [f"{unit} {i + 1}" for i in range(len(cells[0]))] if len(cells[0]) > 1 else [""]
        below.set_xticks(range(len(names)), names, fontsize=5)
        below.set_yticks(
            range(len(mentions)), ["" if number else f"{m.span.text} ({m.role})" for m in mentions], fontsize=7
        )
        for label in below.get_yticklabels():
            label.set_parse_math(False)


def _caption(explained: Explanation, width: int) -> str:
    """Return the sentence, gold labels and predictions, wrapped at `width` characters."""
    predicted = ", ".join(explained.title(decision) for decision in explained.decisions) or "no entities"
    gold = f"gold: {', '.join(explained.gold)}; " if explained.gold else ""
    lines = (
        explained.prediction.text,
        f"{gold}predicted: {predicted} (attention in percent, mean over layers and heads)",
    )
    return "\n".join(fill(line, width) for line in lines)


def _thumbnail(image: ModelImage) -> Any:  # noqa: ANN401 - a Pillow image
    from PIL import Image

    opened = Image.new("RGB", (8, 8), "gray") if image.file is None else ImageRegion(image.file, image.box).open()
    return opened.resize((160, 160))


def _figure(width: float, height: float) -> Any:  # noqa: ANN401 - matplotlib comes late
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
