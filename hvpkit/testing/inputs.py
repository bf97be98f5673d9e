"""Tiny inputs of the contract checks: three examples per task, an image mask, a small BERT."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvpkit.batching import pad, pad_texts
from hvpkit.interfaces import EncodedText, ImageBatch, PrefixConfig, TextBatch, TextContext, TextEncoder, Visual
from hvpkit.model.vision.tower import scatter_by_mask
from hvpkit.registry import load_registry
from hvpkit.types import Example, Labels, Span, Task

SHAPE = PrefixConfig(channels=(6, 8, 12, 16), cells=4, width=16, layers=6)
LABELS: dict[Task, Labels] = {
    "mner": Labels("mner", ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")),
    "mre": Labels("mre", ("None", "/per/loc/place_of_residence", "/per/per/peer")),
}
EXAMPLES: dict[Task, tuple[Example, ...]] = {
    "mner": (
        Example(
            "1", ("Ada", "Lovelace", "visits", "New", "York", "!"), tags=("B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O")
        ),
        Example("2", ("unbelievable",), tags=("O",)),
        Example("3", ("RT", "@bob", "\u200b", "Zoë"), tags=("O", "I-PER", "O", "B-PER")),
    ),
    "mre": (
        Example(
            "1", ("Ada", "Lovelace", "loves", "New", "York", "!"), head=Span(0, 2), tail=Span(3, 5), relation="None"
        ),
        Example("2", ("Paris", "has", "Zoë"), head=Span(2, 3), tail=Span(0, 1), relation="/per/loc/place_of_residence"),
        Example(
            "3", ("Ada", "Bob", "\u200b", "unbelievable"), head=Span(0, 1), tail=Span(1, 2), relation="/per/per/peer"
        ),
    ),
}
EXISTING = (
    (True, True, True),
    (True, False, True),
    (False, False, False),
)  # [3 examples, 3 images]: which images exist


def small_bert(task: Task) -> TextEncoder:
    """Build a BERT of 3 layers and width 16 with the vocabulary of the examples."""
    sizes = {"width": 16, "num_layers": 3, "num_attention_heads": 2}
    encoder: TextEncoder = load_registry().build(
        "text encoder", "bert-from-scratch", TextContext(task, EXAMPLES[task]), sizes
    )
    return encoder.eval()


def encode(encoder: TextEncoder, examples: Sequence[Example]) -> list[EncodedText]:
    """Encode examples with at most 64 positions."""
    return [encoder.encode(example, 64) for example in examples]


def text_batch(encoder: TextEncoder, encoded: Sequence[EncodedText]) -> TextBatch:
    """Pad encoded texts and build a batch."""
    return pad_texts(encoded, encoder.pad_values())


def stack(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Pad and stack the tensors of examples by name."""
    return {name: pad([row[name] for row in rows]) for name in rows[0]}


def random_visual(channels: Sequence[int], cells: int) -> Visual:
    """Build random levels for three examples, zero where an image does not exist.

    Args:
        channels: Channels of each level.
        cells: Cells of each level.
    """
    mask = torch.tensor(EXISTING)
    features = tuple(torch.randn(int(mask.sum()), width, cells) for width in channels)
    return Visual(scatter_by_mask(features, mask), ImageBatch(mask, torch.rand(*mask.shape, 4), features=features))


def select_row(visual: Visual, row: int) -> Visual:
    """Select the images of one example."""
    images, row_slice = visual.images, slice(row, row + 1)
    features = tuple(level[row][images.mask[row]] for level in visual.levels)
    return Visual(
        tuple(level[row_slice] for level in visual.levels),
        ImageBatch(images.mask[row_slice], images.boxes[row_slice], features=features),
    )


def without_images(visual: Visual) -> Visual:
    """Mask all images."""
    images = visual.images
    masked = ImageBatch(
        torch.zeros_like(images.mask), images.boxes * 0, features=tuple(level[:0, 0] for level in visual.levels)
    )
    return Visual(tuple(torch.zeros_like(level) for level in visual.levels), masked)
