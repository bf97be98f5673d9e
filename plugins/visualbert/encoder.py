"""VisualBERT as a text encoder that can read regions together with the text."""

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

InitialWeights = Literal["visualbert", "bert", "random"]  # weights before training


class VisualBertEncoder(HuggingFaceEncoder):
    """VisualBERT and its tokenizer.

    Args:
        model: The network.
        tokenizer: Its tokenizer.
        markers: Marker tokens around head and tail.
        initial_weights: Source of the weights before training.
        masking: Masking of words in training, for an encoder without pretraining.

    Attributes:
        region_width: Width of region features.

    Source: Li et al. 2019; transformers' VisualBertModel.
    """

    def __init__(
        self,
        model: VisualBertModel,
        tokenizer: PreTrainedTokenizerBase,
        markers: Sequence[str],
        initial_weights: InitialWeights,
        masking: WordMaskingConfig | None = None,
    ) -> None:
        super().__init__(model, tokenizer, TokenizationStyle(markers), random=initial_weights == "random")
        self.region_width: int = model.config.visual_embedding_dim
        self.initial_weights = initial_weights
        self.masking = None if masking is None else WordMasking(tokenizer, masking)

    def randomly_initialized_parameters(self) -> Iterable[nn.Parameter]:
        """Return the projection of regions, if the other weights are those of a plain BERT."""
        projection = self.model.get_submodule("embeddings.visual_projection")
        return projection.parameters() if self.initial_weights == "bert" else ()

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Train the embeddings of these texts' wordpieces alone, or all if masking may insert any wordpiece."""
        if self.masking is None:
            super().restrict_vocabulary(texts)

    def provenance_notes(self) -> list[str]:
        """Return notes on weights without pretraining on images."""
        return [
            *super().provenance_notes(),
            *([Message("visualbert-started-from-bert")] if self.initial_weights == "bert" else []),
        ]

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Compute states [B, T, d] and pooled [B, d] of text alone, with one masked region."""
        no_region = next(self.model.parameters()).new_zeros(len(text.mask), 1, self.region_width)
        return self.read(text, no_region, torch.zeros_like(text.mask[:, :1]), trace)

    def read(self, text: TextBatch, regions: Tensor, exists: Tensor, trace: Trace | None = None) -> TextStates:
        """Compute the states of the text in one sequence with regions.

        Args:
            text: Batch of texts.
            regions: Region features [B, S, region_width].
            exists: Regions that exist, [B, S] bool.
            trace: Receives each layer's attention of the text, regions first: [B, H, T, S+T].

        Returns:
            States [B, T, d] and pooled [B, d] of the text.
        """
        text = text if self.masking is None else self.masking(text)
        output = self.model(
            **text.features,
            attention_mask=text.mask.long(),
            visual_embeds=regions,
            visual_attention_mask=exists.long(),
            output_attentions=trace is not None,
        )
        length = text.mask.shape[1]
        if trace is not None:
            rows = (attention[:, :, :length].detach() for attention in output.attentions)
            trace.attention += [torch.cat([row[..., length:], row[..., :length]], dim=-1) for row in rows]
        states: Tensor = output.last_hidden_state[:, :length]
        return TextStates(states, states[:, 0])
