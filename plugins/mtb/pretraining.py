"""Fusion that pretrains a text encoder by matching the blanks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hvpkit.batching import pad_texts
from hvpkit.errors import ComponentError, HvpkitError
from hvpkit.interfaces import EncodedText, Fused, Fusion, FusionContext, TextBatch, TextEncoder, Trace, Visual
from hvpkit.model.heads.classifiers import entity_start_states
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.types import Example

from .layers import MaskedLanguageHead, matching_loss
from .sentence_pairs import SentencePairs
from .tokens import NO_LABEL, entity_positions, mask_wordpieces, replace_entities, require_markers, special_id

BLANKS = ("[BLANK]", "[unused6]")


@dataclass(frozen=True)
class BlanksOptions:
    """Options of the pretraining.

    Attributes:
        blank: Probability 0..1 that an entity is replaced by `[BLANK]`.
        mask: Fraction 0..1 of the other wordpieces that are masked.
        group_size: Sentences that are compared for each example.
        tanh: Whether relation vectors pass through tanh.
    """

    blank: float
    mask: float
    group_size: int
    tanh: bool


@dataclass(frozen=True)
class Groups:
    """Sentences to compare.

    Attributes:
        text: Their texts, M rows.
        groups: Group of each sentence, [M].
        is_positive: Sentences with the entity pair of their group, [M] bool.
    """

    text: TextBatch
    groups: Tensor
    is_positive: Tensor


class MatchingTheBlanks(Fusion):
    """Two losses in training, and relation vectors [B, 2d] without gradient for the head.

    For each example of a batch, other sentences with its entity pair and sentences with other pairs are chosen; in all
    of them entities become blanks and other wordpieces are masked. The loss "pairs" compares their relation vectors,
    "masked" predicts the masked wordpieces. In evaluation there are no losses. The sentences are chosen outside of the
    GPU, so steps cannot be captured as CUDA graphs (`train.cuda_graphs: false`).

    Args:
        context: Text encoder with wordpieces and markers, and training examples.
        options: Options of the recipe.

    Raises:
        ComponentError: "mtb-without-markers" or "mtb-without-mask-token".

    Source: Soares et al. 2019; plkmo/BERT-Relation-Extraction.
    """

    def __init__(self, context: FusionContext, options: BlanksOptions) -> None:
        super().__init__()
        self.options, self.width, self.max_length = options, 2 * context.text.width, context.max_length
        self.markers = require_markers(context.text, "matching-the-blanks")
        encoder = cast(HuggingFaceEncoder, context.text)
        mask_id = encoder.tokenizer.mask_token_id
        if mask_id is None:
            raise ComponentError("mtb-without-mask-token")
        self.mask_id, self.blank_id = int(mask_id), special_id(encoder, *BLANKS)
        self.language_head = MaskedLanguageHead(encoder.width, len(embeddings(encoder)))
        self.sentences = SentencePairs([example for example in context.examples if example.head and example.tail])
        self.encoded: dict[int, EncodedText | None] = {}  # None: the pair does not fit
        encoder.keep_vocabulary()

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the number of a training example, or -1."""
        return {"example": torch.tensor(self.sentences.numbers.get(example.id, -1))}

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute pooled [B, 2d], and both losses in training; images are ignored."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.training):
            pooled = entity_start_states(encoder(text, trace=trace).states, text)
        if not self.training:
            return Fused(pooled=pooled)
        numbers = [number for number in extras["example"].tolist() if number >= 0]
        groups = self.choose(encoder, numbers, text.mask.device)
        return Fused(pooled=pooled, losses={} if groups is None else self.losses(encoder, groups))

    def choose(self, encoder: TextEncoder, numbers: Sequence[int], device: torch.device) -> Groups | None:
        """Choose the sentences to compare with each of the numbered examples; None without any."""
        half = max(1, self.options.group_size // 2)
        texts: list[EncodedText] = []
        groups: list[int] = []
        is_positive: list[bool] = []
        for group, number in enumerate(numbers):
            same, other = self.sentences.positives(number, half), self.sentences.negatives(number, half)
            for positive, members in ((True, same), (False, other)):
                encoded = [one for one in (self._encode(encoder, member) for member in members) if one is not None]
                texts += encoded
                groups += [group] * len(encoded)
                is_positive += [positive] * len(encoded)
        if not texts:
            return None
        batch = pad_texts(texts, encoder.pad_values()).to(device)
        return Groups(batch, torch.tensor(groups, device=device), torch.tensor(is_positive, device=device))

    def _encode(self, encoder: TextEncoder, number: int) -> EncodedText | None:
        if number not in self.encoded:
            try:
                self.encoded[number] = encoder.encode(self.sentences.examples[number], self.max_length)
            except HvpkitError:  # reported when the training set is encoded
                self.encoded[number] = None
        return self.encoded[number]

    def losses(self, encoder: TextEncoder, chosen: Groups) -> dict[str, Tensor]:
        """Replace entities by blanks, mask wordpieces, and compute the losses "pairs" and "masked"."""
        text = self.with_blanks(chosen.text)
        outside = (text.word_ids >= 0) & text.mask & (entity_positions(text, self.markers, with_markers=True) == 0)
        text, labels = mask_wordpieces(text, outside, self.options.mask, self.mask_id)
        states = encoder(text).states
        masked = labels != NO_LABEL
        return {
            "pairs": matching_loss(self.vectors(states, text), chosen.groups, chosen.is_positive),
            "masked": self.masked_loss(states[masked], labels[masked], embeddings(encoder)),
        }

    def with_blanks(self, text: TextBatch) -> TextBatch:
        """Replace each entity, but not its markers, by one `[BLANK]` with the probability of the options."""
        codes = entity_positions(text, self.markers, with_markers=False)
        is_blank = torch.rand(len(codes), 3, device=codes.device) < self.options.blank  # by code; that of 0 is unused
        codes = torch.where(is_blank.gather(1, codes), codes, 0)
        return replace_entities(text, codes, [self.blank_id, self.blank_id])

    def vectors(self, states: Tensor, text: TextBatch) -> Tensor:
        """Compute the relation vectors of states [M, T, d]: [M, 2d]."""
        vectors = entity_start_states(states, text)
        return vectors.tanh() if self.options.tanh else vectors

    def masked_loss(self, states: Tensor, labels: Tensor, table: Tensor) -> Tensor:
        """Compute the mean cross-entropy of masked wordpieces; 0 without any.

        Args:
            states: States of the masked wordpieces, [K, d].
            labels: Ids of these wordpieces, [K].
            table: Embeddings of all wordpieces, [V, d].
        """
        logits = self.language_head(states, table)
        return cross_entropy(logits, labels) if len(labels) else logits.sum() * 0


def embeddings(encoder: TextEncoder) -> Tensor:
    """Return the embeddings of an encoder's wordpieces, [V, d]."""
    return cast(Tensor, cast(HuggingFaceEncoder, encoder).model.get_input_embeddings().weight)
