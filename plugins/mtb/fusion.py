"""Fusion of MTB for fine-tuning."""

from __future__ import annotations

from torch import Tensor, nn

from hvpkit.interfaces import Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual
from hvpkit.messages import Message
from hvpkit.model.heads.classifiers import entity_start_states

from .tokens import entity_positions, replace_entities, require_markers, special_id

HEAD_TOKEN, TAIL_TOKEN = "[unused4]", "[unused5]"


class MtbFusion(Fusion):
    """Map the states at the start markers of head and tail to a relation vector [B, 2d].

    Args:
        context: Text encoder of width d.
        middle: Layer after the concatenated states: "linear", "layer-norm" or "none".
        mask_entities: Replace both entities and their markers by one wordpiece each.

    Raises:
        ComponentError: "mtb-without-markers".

    Source: thunlp/OpenNRE, BERTEntityEncoder.
    """

    def __init__(self, context: FusionContext, middle: str, mask_entities: bool) -> None:
        super().__init__()
        self.width = 2 * context.text.width
        layers = {"linear": nn.Linear, "layer-norm": nn.LayerNorm, "none": nn.Identity}
        sizes = {"linear": (self.width, self.width), "layer-norm": (self.width,), "none": ()}
        self.middle: nn.Module = layers[middle](*sizes[middle])
        self.markers: list[int] | None = None
        if mask_entities:
            self.markers = require_markers(context.text, "mtb")
            self.tokens = [special_id(context.text, name, "[MASK]") for name in (HEAD_TOKEN, TAIL_TOKEN)]
            context.text.keep_vocabulary()

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute pooled [B, 2d]; images are ignored."""
        text = self.with_masked_entities(text)
        states = encoder(text, trace=trace if self.markers is None else None).states  # a trace needs all positions
        return Fused(pooled=self.middle(entity_start_states(states, text)))

    def with_masked_entities(self, text: TextBatch) -> TextBatch:
        """Replace both entities and their markers by one wordpiece each, if the option says so."""
        if self.markers is None:
            return text
        return replace_entities(text, entity_positions(text, self.markers, with_markers=True), self.tokens)

    def provenance_notes(self) -> list[str]:
        """Return a note on the pretraining that this model may lack."""
        return [Message("mtb-not-pretrained")]
