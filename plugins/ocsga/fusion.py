"""Fusion of OCSGA (Wu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EncodedText, Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual
from hvpkit.model.text.prefix_attention import prepend_image_attention
from hvpkit.model.text.vocabulary import PADDING
from hvpkit.model.text.word_embedding import WordEmbeddingConfig
from hvpkit.types import Example

from .labels import build_label_embedding, label_vector_notes, label_words
from .layers import GuidedLayer, ObjectLayer, PaddedBatchNorm, SelfAttentionLayer


@dataclass(frozen=True)
class OcsgaOptions:
    """Options of the fusion.

    Attributes:
        words: Vectors of the words of object names.
        max_words: Maximum number W of these words per example.
        num_layers: Number of self-attention layers of the text.
        num_attention_heads: Heads of each layer.
        dropout: Dropout probability of the layers.
        constant: Add a constant to the words of texts without objects.
        norm_padding: Include padding in the batch statistics.
    """

    words: WordEmbeddingConfig
    max_words: int
    num_layers: int
    num_attention_heads: int
    dropout: float
    constant: bool
    norm_padding: bool


class OcsgaFusion(Fusion):
    """Words attend to the names of detected objects: states [B, T, d].

    A word of a name counts if the region of its object exists. Pixels are not read.

    Args:
        context: Text encoder, images, and training examples or the folder of a saved model.
        options: Options of the recipe.

    Raises:
        ComponentError: "ocsga-without-objects" or "ocsga-width-not-divisible".
        ModelFolderError: The vocabulary or the file of vectors cannot be read.

    Source: Wu et al. 2020; softhuafei/Pytorch-implementation-for-OCSGA, `model/MUL_LSTM_MCA.py`.
    """

    def __init__(self, context: FusionContext, options: OcsgaOptions) -> None:
        super().__init__()
        width, heads, p = context.text.width, options.num_attention_heads, options.dropout
        if context.backbone is None or context.max_objects < 1:
            raise ComponentError("ocsga-without-objects")
        if width % heads:
            raise ComponentError("ocsga-width-not-divisible", width=width, heads=heads)
        self.width, self.options = width, options
        self.first_object, self.max_objects = int(context.full_image), context.max_objects
        self.objects = build_label_embedding(context, options.words)
        self.to_text = nn.Linear(options.words.width, width)
        self.text_layers = nn.ModuleList(SelfAttentionLayer(width, heads, p) for _ in range(options.num_layers))
        self.object_layers = nn.ModuleList(ObjectLayer(width, heads, p) for _ in range(options.num_layers - 1))
        self.guided_layer, self.norm = GuidedLayer(width, heads, p), PaddedBatchNorm(width)

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return ids of the words of object names and the image region of each, [W], padded with 0."""
        words = [*islice(label_words(example, self.max_objects), self.options.max_words)]
        padding = [0] * (self.options.max_words - len(words))
        return {
            "object_words": torch.tensor([*(self.objects.vocabulary.index(word) for word, _ in words), *padding]),
            "object_regions": torch.tensor([*(self.first_object + number for _, number in words), *padding]),
        }

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute states [B, T, d].

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image regions; None: no images.
            extras: Results of `build_inputs`, batched.
            trace: Receives the attention of words to the regions of named objects, and "object signal" [B, T], the
                size of what objects add to a word, as a fraction of that and the word's own.
        """
        states = encoder(text).states.masked_fill(~text.mask[..., None], 0)  # X [B, T, d]
        exists = self._exists(visual, extras)  # [B, W]
        words, objects = self._attended(states, text.mask, extras["object_words"].masked_fill(~exists, PADDING), exists)
        guidance = self.guided_layer(words, objects, exists)  # G [B, T, d]
        if not self.options.constant:
            guidance = guidance * exists.any(1)[:, None, None]
        if trace is not None:
            _trace_signal(trace, states, guidance)
            if visual is not None:
                weights = self.guided_layer.attention.weights(words, objects, exists) * exists[:, None, None]
                _trace_attention(trace, weights.detach(), extras["object_regions"], visual)
        counted = torch.ones_like(text.mask) if self.options.norm_padding else text.mask
        return Fused(self.norm(states + guidance, counted))

    def _exists(self, visual: Visual | None, extras: dict[str, Tensor]) -> Tensor:
        """Return which object words count, [B, W] bool."""
        words = extras["object_words"] != PADDING
        return torch.zeros_like(words) if visual is None else words & visual.mask.gather(1, extras["object_regions"])

    def _attended(self, states: Tensor, mask: Tensor, ids: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
        """Return states of the text X' [B, T, d] and of object words Y' [B, W, d] before the guided attention."""
        words, objects = states, self.to_text(self.objects(ids))  # Y [B, W, d]
        for layer in self.text_layers:
            words = layer(words, mask)
        for layer in self.object_layers:
            objects = layer(objects, exists, words, mask)
        return words, self.guided_layer.objects(objects, exists)

    def save(self, folder: Path) -> None:
        """Write the vocabulary of object names."""
        self.objects.save(folder)

    def provenance_notes(self) -> list[str]:
        """Return a note on where the vectors of object names come from."""
        return label_vector_notes(self.objects)


def _trace_signal(trace: Trace, states: Tensor, guidance: Tensor) -> None:
    added, own = guidance.detach().float().norm(dim=-1), states.detach().float().norm(dim=-1)
    trace.extra_tensors["object signal"] = added / (added + own).clamp(min=torch.finfo(torch.float32).tiny)


def _trace_attention(trace: Trace, weights: Tensor, regions: Tensor, visual: Visual) -> None:
    """Add attention to a trace: that to a word of a name belongs to the whole region of its object.

    Args:
        trace: The trace.
        weights: Attention of words to words of names, [B, H, T, W]; 0 where a word does not exist.
        regions: Region of each word of a name, [B, W].
        visual: Image regions.
    """
    num_regions, cells = visual.mask.shape[1], visual.levels[-1].shape[-1]
    by_region = weights.new_zeros(*weights.shape[:3], num_regions)
    by_region.scatter_add_(-1, regions[:, None, None].expand_as(weights), weights)
    by_cell = by_region.repeat_interleave(cells, dim=-1) / cells  # [B, H, T, V*P]
    trace.attention = [prepend_image_attention(by_cell)]
    trace.cells = torch.arange(num_regions * cells).expand(weights.shape[1], -1)
