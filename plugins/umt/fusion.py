"""The fusion of UMT (Yu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EmissionMix, EncodedText, Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual, cell_width
from hvpkit.types import Example

from .layers import CrossLayer, CrossStack, init_weights
from .spans import SpanTagger, conversion_matrix, span_tags

BETA = {"mner": 0.5, "mre": 0.0}


@dataclass(frozen=True)
class UmtOptions:
    """Share of the main emissions, weight of the span loss (None: the task's), heads, depth of each stack, dropout, levels read."""

    alpha: float
    beta: float | None
    heads: int
    layers: int
    dropout: float
    every_level: bool


class UmtFusion(Fusion):
    """Words read image cells and cells read words, then a gate mixes both views of each word: states [B, T, 2d].

    The cells are those of the backbone's last level, or of all, of all images side by side. Without images there is nothing to read,
    and words keep what they are. For entities the span tagger's emissions come through the fixed conversion matrix.
    """

    conversion: Tensor

    def __init__(self, context: FusionContext, options: UmtOptions) -> None:
        super().__init__()
        width, self.alpha, self.task = context.text.width, options.alpha, context.labels.task
        self.beta = BETA[self.task] if options.beta is None else options.beta
        self.channels, self.every_level = _check(context, options), options.every_level
        self.width = 2 * width
        self.dropout = nn.Dropout(options.dropout)
        self.text_layer = CrossLayer(width, options.heads, options.dropout)
        self.cells_read, self.cells_reading = nn.Linear(self.channels, width), nn.Linear(self.channels, width)  # W_1, W_2
        self.words_on_cells, self.cells_on_words, self.words_on_read_cells = (
            CrossStack(options.layers, width, options.heads, options.dropout) for _ in range(3)
        )
        self.gate = nn.Linear(2 * width, width)
        tags_spans = self.task == "mner" or self.beta > 0
        self.spans = SpanTagger(width, options.heads, options.dropout) if tags_spans else None
        if self.task == "mner":
            self.register_buffer("conversion", conversion_matrix(context.labels.names), persistent=False)
        self.apply(init_weights)

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give the span tags [n'], where there is a tagger for them."""
        return {"span_tags": span_tags(example, encoded)} if self.spans is not None else {}

    def forward(
        self, encoder: TextEncoder, text: TextBatch, visual: Visual | None, extras: dict[str, Tensor], trace: Trace | None = None
    ) -> Fused:
        """Give states [B, T, 2d], the span loss where tags are known, and for entities the span tagger's say on the tags.

        A trace gets the attention of words on cells, then on the cells that have read the text, and the gate, mean over d [B, T].
        """
        states = self.dropout(encoder(text).states)  # S [B, T, d]
        words = self.text_layer(states, states, text.mask)  # M [B, T, d]
        cells, exists = self._nothing(states) if visual is None else visual.cells(self.every_level)  # [B, S, C], [B, S]
        read = self.cells_on_words(self.cells_reading(cells), words, text.mask)  # P [B, S, d]
        image_aware = self.words_on_read_cells(words, read, exists)  # C [B, T, d]
        word_aware = self.words_on_cells(words, self.cells_read(cells), exists)  # Q [B, T, d]
        gate = self.gate(torch.cat([image_aware, word_aware], dim=-1)).sigmoid()  # [B, T, d]
        if trace is not None:
            looks = [*self.words_on_cells.attention(words, self.cells_read(cells), exists)]
            looks += self.words_on_read_cells.attention(words, read, exists)
            trace.attention = [prepend_image_attention(attention) for attention in looks]
            trace.cells = torch.arange(cells.shape[1]).expand(looks[0].shape[1], -1)
            trace.extra_tensors["visual gate"] = gate.detach().mean(-1)
        fused = Fused(torch.cat([image_aware, gate * word_aware], dim=-1))
        return fused if self.spans is None else self._with_spans(fused, self.spans(states, text), text, extras)

    def _with_spans(self, fused: Fused, emissions: Tensor, text: TextBatch, extras: dict[str, Tensor]) -> Fused:
        assert self.spans is not None
        loss = self.spans.loss(emissions, text, extras["span_tags"])
        mix = EmissionMix(self.alpha, (1 - self.alpha) * emissions @ self.conversion) if self.task == "mner" else None
        return Fused(fused.states, losses={} if loss is None else {"spans": self.beta * loss}, emissions=mix)

    def _nothing(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return states.new_zeros(len(states), 0, self.channels), states.new_zeros(len(states), 0, dtype=torch.bool)


def prepend_image_attention(attention: Tensor) -> Tensor:
    """Put attention on cells [B, H, T, S] before the text's own [B, H, T, T]; where nothing is seen, a word stays with itself."""
    return torch.cat([attention, torch.diag_embed(1 - attention.sum(-1).round())], dim=-1)


def _check(context: FusionContext, options: UmtOptions) -> int:
    """Give the channels of a cell; raises ComponentError for what cannot be built."""
    width, heads = context.text.width, options.heads
    if context.backbone is None:
        raise ComponentError("umt-without-vision")
    if heads < 1 or width % heads:
        raise ComponentError("umt-width-not-divisible", width=width, heads=heads)
    if options.layers < 1:
        raise ComponentError("umt-too-few-layers", layers=options.layers)
    if not 0 <= options.alpha <= 1:
        raise ComponentError("umt-alpha-outside", alpha=options.alpha)
    if options.beta is not None and options.beta < 0:
        raise ComponentError("umt-beta-negative", beta=options.beta)
    return cell_width(context.backbone.levels, options.every_level)
