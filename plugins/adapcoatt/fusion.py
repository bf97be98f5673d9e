"""Fusion of AdapCoAtt (Zhang et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual, cell_width
from hvpkit.model.text.prefix_attention import prepend_image_attention

from .layers import CoAttended, CoAttention
from .release import ReleasedCoAttention


@dataclass(frozen=True)
class AdapCoAttOptions:
    """Options of the fusion.

    Attributes:
        release: Use the equations of the authors' code instead of those of the paper.
        add: Add queries and keys in the attention instead of concatenating them.
        mask_padding: Exclude padding from the attention to words.
        dropout: Dropout probability of the text encoder's states.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.
    """

    release: bool
    add: bool
    mask_padding: bool
    dropout: float
    all_levels: bool


class AdapCoAttFusion(Fusion):
    """Co-attention between words and image cells: states [B, T, d], or [B, T, 2d] by the authors' code.

    The cells of all images form one sequence. Without images the states depend on the words alone.

    Args:
        context: Text encoder and backbone.
        options: Options of the recipe.

    Raises:
        ComponentError: "adapcoatt-without-vision" or "adapcoatt-release-adds".

    Source: Zhang et al. 2018.
    """

    def __init__(self, context: FusionContext, options: AdapCoAttOptions) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("adapcoatt-without-vision")
        if options.release and options.add:
            raise ComponentError("adapcoatt-release-adds")
        self.options, width = options, context.text.width
        self.channels = cell_width(context.backbone.levels, options.all_levels)
        self.dropout = nn.Dropout(options.dropout)
        self.co_attention: CoAttention | ReleasedCoAttention = (
            ReleasedCoAttention(width, self.channels)
            if options.release
            else CoAttention(width, self.channels, add=options.add)
        )
        self.width = self.co_attention.width

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute fused states.

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Not used.
            trace: Receives the attention of words to cells, and for each word the gates "image gate" (weight of the
                image against the text, g) and "filtration gate" (weight of both, s), [B, T].
        """
        words = self.dropout(encoder(text).states)  # h [B, T, d]
        cells, exists = self._no_cells(words) if visual is None else visual.cells(self.options.all_levels)
        visible = text.mask if self.options.mask_padding else torch.ones_like(text.mask)
        fused: CoAttended = self.co_attention(words, cells, visible, exists)
        if trace is not None:
            _fill(trace, fused, words.shape[1])
        return Fused(fused.states)

    def _no_cells(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Return cells [B, 0, C] and their mask [B, 0]."""
        return words.new_zeros(len(words), 0, self.channels), words.new_zeros(len(words), 0, dtype=torch.bool)


def _fill(trace: Trace, fused: CoAttended, length: int) -> None:
    """Add attention [B, 1, T, S+T] and gates [B, T] to a trace."""
    weights = fused.cell_weights.detach().expand(-1, length, -1)
    trace.attention = [prepend_image_attention(weights[:, None])]
    trace.cells = torch.arange(weights.shape[-1])[None]  # one head
    for name, gate in (("image gate", fused.image_gate), ("filtration gate", fused.filtration)):
        trace.extra_tensors[name] = gate.detach().expand(-1, length, -1).squeeze(-1)
