"""VisualBERT as a text encoder that can read regions beside the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, VisualBertModel

from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextStates, Trace
from hvpkit.messages import Message
from hvpkit.model.text.hugging_face import HuggingFaceEncoder, TokenizationStyle
from hvpkit.model.text.word_masking import WordMasking, WordMaskingConfig

Begun = Literal["visualbert", "bert", "random"]  # whose weights it had before training


class VisualBertEncoder(HuggingFaceEncoder):
    """A VisualBERT and its tokenizer; `region_width` is the width of the features that it takes of a region.

    `hiding` hides words in training, for an encoder that learns from nothing.
    """

    def __init__(
        self,
        model: VisualBertModel,
        tokenizer: PreTrainedTokenizerBase,
        markers: Sequence[str],
        begun: Begun,
        hiding: WordMaskingConfig | None = None,
    ) -> None:
        super().__init__(model, tokenizer, TokenizationStyle(markers), random=begun == "random")
        self.region_width: int = model.config.visual_embedding_dim
        self.begun = begun
        self.hide = None if hiding is None else WordMasking(tokenizer, hiding)

    def randomly_initialized_parameters(self) -> Iterable[nn.Parameter]:
        """Give the projection of regions, where the rest was a plain BERT."""
        projection = self.model.get_submodule("embeddings.visual_projection")
        return projection.parameters() if self.begun == "bert" else ()

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Train the rows of these texts' pieces; all, where words are hidden: in place of a hidden piece any other may stand."""
        if self.hide is None:
            super().restrict_vocabulary(texts)

    def provenance_notes(self) -> list[str]:
        """Name weights that no pretraining on images has seen."""
        return [*super().provenance_notes(), *([Message("visualbert-started-from-bert")] if self.begun == "bert" else [])]

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give states [B, T, d] and pooled [B, d] of text alone: one region stands beside it, which does not exist."""
        nothing = next(self.model.parameters()).new_zeros(len(text.mask), 1, self.region_width)
        return self.read(text, nothing, torch.zeros_like(text.mask[:, :1]), trace)

    def read(self, text: TextBatch, regions: Tensor, exists: Tensor, trace: Trace | None = None) -> TextStates:
        """Read text and regions [B, S, region_width] as one sequence, `exists` [B, S] bool; give the text's states [B, T, d].

        A trace gets each layer's attention of the text, regions first: [B, H, T, S+T].
        """
        text = text if self.hide is None else self.hide(text)
        read = self.model(
            **text.features,
            attention_mask=text.mask.long(),
            visual_embeds=regions,
            visual_attention_mask=exists.long(),
            output_attentions=trace is not None,
        )
        length = text.mask.shape[1]
        if trace is not None:
            rows = (attention[:, :, :length].detach() for attention in read.attentions)
            trace.attention += [torch.cat([row[..., length:], row[..., :length]], dim=-1) for row in rows]
        states: Tensor = read.last_hidden_state[:, :length]
        return TextStates(states, states[:, 0])
