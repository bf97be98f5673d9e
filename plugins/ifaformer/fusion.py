"""Fusion of IFAformer (zjunlp/DeepKE)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, Fusion, FusionContext, Prefix, TextBatch, TextEncoder, Trace, Visual
from hvpkit.messages import Message
from hvpkit.model.fusions.visual_prefix import release_head_layout
from hvpkit.model.text.prefix_attention import merge_heads

from ..clip_layers.layers import VisionLayers, VisionStream

NAME = "ifa"


class ImplicitAlignment(Fusion):
    """CLIP's layers next to those of the text encoder, each with keys and values of the other as a prefix.

    The vision layer of a number runs before the text layer and sees the text layer before that; the first ones see the
    states that enter the other stack. Returns states [B, T, d] and pooled [B, d].

    Args:
        context: Text encoder and backbone.
        clip: Hub id or local folder of a CLIP; None: new layers.
        parity_bugs: Reproduce the defects of the original.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.

    Raises:
        ComponentError: The sizes do not fit, or the recipe has no vision section.

    Source: zjunlp/DeepKE; own: without its defects.
    """

    graph_safe = True

    def __init__(self, context: FusionContext, clip: str | None, *, parity_bugs: bool, all_levels: bool) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("ifa-without-vision")
        context.text.enable_layers()
        self.width, self.parity_bugs = context.text.width, parity_bugs
        self.num_layers, self.heads = context.text.num_layers, context.text.num_attention_heads
        self.vision = VisionLayers(context, context.backbone, NAME, clip, all_levels)
        self._freeze_unused()

    def _freeze_unused(self) -> None:
        """Freeze what the text does not see of the last vision layer: all but its keys, values and first norm."""
        used = ("layer_norm1", "self_attn.k_proj", *(() if self.parity_bugs else ("self_attn.v_proj",)))
        for name, parameter in self.vision.layers[-1].named_parameters():
            parameter.requires_grad_(name.startswith(used) and self.num_layers > 1)

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute states [B, T, d] and pooled [B, d].

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Not used.
            trace: Receives the attention of each text layer to image cells and text, without the class token.
        """
        if visual is None:
            output = encoder(text, trace=trace)
            return Fused(output.states, output.pooled)
        stream = VisionStream(self.vision, visual)
        output = encoder(text, prefix=_Alignment(self, stream, text), trace=trace)
        if trace is not None:
            trace.attention = [self._fold(attention, stream.exists.shape[1]) for attention in trace.attention]
            trace.cells = torch.arange(self.vision.num_cells).expand(self.heads, -1)
        return Fused(output.states, output.pooled)

    def _fold(self, attention: Tensor, length: int) -> Tensor:
        """Convert attention to class token, tokens and text to attention to cells and text; rows sum to 1."""
        folded = torch.cat([self.vision.fold(attention[..., :length]), attention[..., length:]], dim=-1)
        return folded / folded.sum(-1, keepdim=True).clamp(min=torch.finfo(folded.dtype).tiny)

    def provenance_notes(self) -> list[str]:
        """Return a note if the vision layers had no pretraining."""
        return [Message("clip-layers-random", fusion=NAME)] if self.vision.is_random else []

    def pretrained_vision_parameters(self) -> Iterable[nn.Parameter]:
        """Return CLIP's layers, unless they are new."""
        return self.vision.pretrained_parameters()

    def save(self, folder: Path) -> None:
        """Write the configuration of the vision layers."""
        self.vision.save(folder)


class _Alignment(Prefix):
    """Prefix of the text layers of one forward pass, from vision layers that run between them."""

    def __init__(self, fusion: ImplicitAlignment, stream: VisionStream, text: TextBatch) -> None:
        super().__init__((), (), stream.exists, bias=1.0 if fusion.parity_bugs else 0.0)
        self.fusion, self.stream = fusion, stream
        self.visible = torch.ones_like(text.mask) if fusion.parity_bugs else text.mask
        self.text: tuple[Tensor, Tensor] | None = None  # keys and values that the next vision layer sees

    def enter_layer(self, layer: int, states: Tensor) -> None:
        """Take the embeddings of the text as keys and values for the first vision layer."""
        if layer == 0:
            self.text = self._as_keys_values(states)

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        """Run the vision layer of this number; return its keys and values, at first the tokens that enter it."""
        tokens = self.stream.states
        if layer + 1 < self.fusion.num_layers:
            keys, values = self.stream.run_layer(layer, self.text, self.visible)
        else:
            keys, values = self.stream.keys_values(layer)
        self.text = merge_heads(text_keys), merge_heads(text_values)
        if layer == 0:
            return self._as_keys_values(tokens)
        return keys, keys if self.fusion.parity_bugs else values

    def _as_keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        split = release_head_layout(states, self.fusion.heads) if self.fusion.parity_bugs else states
        return split, split
