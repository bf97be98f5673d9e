"""Fusion of UMT (Yu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import (
    EmissionMix,
    EncodedText,
    Fused,
    Fusion,
    FusionContext,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
    cell_width,
)
from hvpkit.model.text.prefix_attention import prepend_image_attention
from hvpkit.types import Example

from .layers import CrossLayer, CrossStack, init_weights
from .spans import SpanTagger, conversion_matrix, span_tags

BETA = {"mner": 0.5, "mre": 0.0}


@dataclass(frozen=True)
class UmtOptions:
    """Options of the fusion.

    Attributes:
        alpha: Weight of the main emissions, 0..1.
        beta: Weight of the span loss; None: that of the task.
        num_attention_heads: Heads of each cross-modal layer.
        num_layers: Layers of each cross-modal stack.
        dropout: Dropout probability of the layers.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.
    """

    alpha: float
    beta: float | None
    num_attention_heads: int
    num_layers: int
    dropout: float
    all_levels: bool


class UmtFusion(Fusion):
    """Cross-modal attention between words and image cells, and a gate on its result: states [B, T, 2d].

    The cells of all images form one sequence. Without images the attention adds nothing to the words. For entities a
    fixed conversion matrix maps the span tagger's emissions to the labels.

    Args:
        context: Text encoder, backbone and labels.
        options: Options of the recipe.

    Raises:
        ComponentError: The options do not fit, or the recipe has no vision section.

    Source: jefferyYu/UMT.
    """

    graph_safe = True

    conversion: Tensor

    def __init__(self, context: FusionContext, options: UmtOptions) -> None:
        super().__init__()
        width, self.alpha, self.task = context.text.width, options.alpha, context.labels.task
        self.beta = BETA[self.task] if options.beta is None else options.beta
        self.channels, self.all_levels = _check(context, options), options.all_levels
        self.width = 2 * width
        self.dropout = nn.Dropout(options.dropout)
        self.text_layer = CrossLayer(width, options.num_attention_heads, options.dropout)
        self.cells_read, self.cells_reading = (
            nn.Linear(self.channels, width),
            nn.Linear(self.channels, width),
        )  # W_1, W_2
        self.words_on_cells, self.cells_on_words, self.words_on_read_cells = (
            CrossStack(options.num_layers, width, options.num_attention_heads, options.dropout) for _ in range(3)
        )
        self.gate = nn.Linear(2 * width, width)
        tags_spans = self.task == "mner" or self.beta > 0
        self.spans = SpanTagger(width, options.num_attention_heads, options.dropout) if tags_spans else None
        if self.task == "mner":
            self.register_buffer("conversion", conversion_matrix(context.labels.names), persistent=False)
        self.apply(init_weights)

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the span tags [n'] of an example, if there is a span tagger."""
        return {"span_tags": span_tags(example, encoded)} if self.spans is not None else {}

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute states [B, T, 2d], the span loss if tags are known, and for entities the span tagger's emissions.

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Results of `build_inputs`, batched.
            trace: Receives the attention of words to cells, then to cells after these attended to the text, and the
                gate, mean over d [B, T].
        """
        states = self.dropout(encoder(text).states)  # S [B, T, d]
        words = self.text_layer(states, states, text.mask)  # M [B, T, d]
        cells, exists = self._no_cells(states) if visual is None else visual.cells(self.all_levels)  # [B, S, C], [B, S]
        text_aware = self.cells_on_words(self.cells_reading(cells), words, text.mask)  # P [B, S, d]
        image_aware = self.words_on_read_cells(words, text_aware, exists)  # C [B, T, d]
        word_aware = self.words_on_cells(words, self.cells_read(cells), exists)  # Q [B, T, d]
        gate = self.gate(torch.cat([image_aware, word_aware], dim=-1)).sigmoid()  # [B, T, d]
        if trace is not None:
            maps = [*self.words_on_cells.attention(words, self.cells_read(cells), exists)]
            maps += self.words_on_read_cells.attention(words, text_aware, exists)
            trace.attention = [prepend_image_attention(attention) for attention in maps]
            trace.cells = torch.arange(cells.shape[1]).expand(maps[0].shape[1], -1)
            trace.extra_tensors["visual gate"] = gate.detach().mean(-1)
        fused = Fused(torch.cat([image_aware, gate * word_aware], dim=-1))
        return fused if self.spans is None else self._with_spans(fused, self.spans(states, text), text, extras)

    def _with_spans(self, fused: Fused, emissions: Tensor, text: TextBatch, extras: dict[str, Tensor]) -> Fused:
        assert self.spans is not None
        loss = self.spans.loss(emissions, text, extras["span_tags"])
        mix = EmissionMix(self.alpha, (1 - self.alpha) * emissions @ self.conversion) if self.task == "mner" else None
        return Fused(fused.states, losses={} if loss is None else {"spans": self.beta * loss}, emissions=mix)

    def _no_cells(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return states.new_zeros(len(states), 0, self.channels), states.new_zeros(len(states), 0, dtype=torch.bool)


def _check(context: FusionContext, options: UmtOptions) -> int:
    """Check the options; return the channels of a cell."""
    width, heads = context.text.width, options.num_attention_heads
    if context.backbone is None:
        raise ComponentError("umt-without-vision")
    if heads < 1 or width % heads:
        raise ComponentError("umt-width-not-divisible", width=width, heads=heads)
    if options.num_layers < 1:
        raise ComponentError("umt-too-few-layers", layers=options.num_layers)
    if not 0 <= options.alpha <= 1:
        raise ComponentError("umt-alpha-outside", alpha=options.alpha)
    if options.beta is not None and options.beta < 0:
        raise ComponentError("umt-beta-negative", beta=options.beta)
    return cell_width(context.backbone.levels, options.all_levels)
