"""Fusion of MKGformer (Chen et al. 2022b)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Fused, Fusion, FusionContext, Prefix, TextBatch, TextEncoder, Trace, Visual
from hvpkit.messages import Message
from hvpkit.model.text.prefix_attention import merge_heads, prepend_image_attention

from ..clip_layers.layers import VisionLayers, VisionStream
from .layers import CorrelationFusion

NAME = "m-encoder"
NUM_FUSION_LAYERS = 4


@dataclass(frozen=True)
class MEncoderOptions:
    """Options of the fusion.

    Attributes:
        clip: Hub id or local folder of a CLIP; None: new layers.
        num_fusion_layers: Number of fused layers; None: the last 4, or all of a smaller encoder.
        pgi: Whether the image attends to the text.
        caf: Whether image tokens enter the text.
        pads_seen: Whether the image attends to the padding of the text.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.
    """

    clip: str | None
    num_fusion_layers: int | None
    pgi: bool
    caf: bool
    pads_seen: bool
    all_levels: bool


class MEncoder(Fusion):
    """CLIP's layers next to those of the text encoder, fused in the last layers: states [B, T, d], pooled [B, d].

    Before each text layer the CLIP layer of the same number runs. In fused layers it also attends to the text's keys
    and values of the layer before, and its output enters the feed-forward map of the text layer.

    Args:
        context: Text encoder and backbone.
        options: Options of the recipe.

    Raises:
        ComponentError: The options do not fit, or the recipe has no vision section.

    Source: zjunlp/MKGformer.
    """

    graph_safe = True

    def __init__(self, context: FusionContext, options: MEncoderOptions) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("m-encoder-without-vision")
        context.text.enable_layers()
        num_layers, self.width, self.options = context.text.num_layers, context.text.width, options
        count = options.num_fusion_layers or min(NUM_FUSION_LAYERS, num_layers)
        if count > num_layers:
            raise ComponentError("m-encoder-fusion-layers", found=count, layers=num_layers)
        self.first = num_layers - count
        self.vision = VisionLayers(context, context.backbone, NAME, options.clip, options.all_levels)
        self.correlations = nn.ModuleList(
            CorrelationFusion(self.width, context.text.feed_forward_width) for _ in range(count)
        )
        if not options.caf:  # nothing of the image reaches the text
            self.requires_grad_(False)

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
            trace: Receives the correlation of words and image cells in each fused layer as attention.
        """
        if visual is None or not self.options.caf:
            output = encoder(text, trace=trace)
            return Fused(output.states, output.pooled)
        stream = VisionStream(self.vision, visual)
        prefix = _Interaction(self, stream, text)
        output = encoder(text, prefix=prefix)
        if trace is not None:
            weights = (self.vision.fold(layer[:, None].detach()) for layer in prefix.weights)
            cells = [each / each.sum(-1, keepdim=True).clamp(min=torch.finfo(each.dtype).tiny) for each in weights]
            trace.attention = [prepend_image_attention(each) for each in cells]
            trace.cells = torch.arange(self.vision.num_cells)[None]  # one head
        return Fused(output.states, output.pooled)

    def provenance_notes(self) -> list[str]:
        """Return a note if the vision layers had no pretraining."""
        return [Message("clip-layers-random", fusion=NAME)] if self.vision.is_random else []

    def pretrained_vision_parameters(self) -> Iterable[nn.Parameter]:
        """Return CLIP's layers, unless they are new."""
        return self.vision.pretrained_parameters()

    def save(self, folder: Path) -> None:
        """Write the configuration of the vision layers."""
        self.vision.save(folder)


class _Interaction(Prefix):
    """Prefix without positions, which runs the vision layers between the text layers of one forward pass."""

    def __init__(self, fusion: MEncoder, stream: VisionStream, text: TextBatch) -> None:
        super().__init__((), (), text.mask[:, :0])
        self.fusion, self.stream = fusion, stream
        self.visible = torch.ones_like(text.mask) if fusion.options.pads_seen else text.mask
        self.text: tuple[Tensor, Tensor] | None = None  # keys and values of the layer before
        self.context: Tensor | None = None
        self.weights: list[Tensor] = []

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        """Run the vision layer of this number; the text has no prefix."""
        is_guided = self.fusion.options.pgi and layer >= self.fusion.first
        self.stream.run_layer(layer, self.text if is_guided else None, self.visible)
        self.text = merge_heads(text_keys), merge_heads(text_values)
        empty = self.text[0][:, :0]
        return empty, empty

    def receive_context(self, layer: int, context: Tensor) -> None:
        """Keep the context of the text's attention."""
        self.context = context

    def feed_forward_input(self, layer: int) -> Tensor | None:
        """Fuse image tokens into a fused layer, [B, T, F]."""
        if layer < self.fusion.first:
            return None
        assert self.context is not None
        fuse = self.fusion.correlations[layer - self.fusion.first]
        added, weights = fuse(self.context, self.stream.states, self.stream.exists)
        self.weights.append(weights)
        result: Tensor = added
        return result
