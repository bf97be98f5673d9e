"""Span tagger: BIO tags of entities without types, from the text alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchcrf import CRF

from hvpkit.interfaces import EncodedText, TextBatch
from hvpkit.model.heads.crf_likelihood import log_likelihoods
from hvpkit.types import Example

from .layers import CrossLayer

SPAN_TAGS = ("O", "B", "I")
UNKNOWN = 0  # also the value of padding; the tags of `span_tags` start at 1


def span_tags(example: Example, encoded: EncodedText) -> Tensor:
    """Build the span tags of the words of an encoded text.

    A span tag is the first letter of a word's tag; for relations, head and tail are the spans.

    Args:
        example: Words with tags, or with head and tail.
        encoded: Encoded text, with its range of words.

    Returns:
        1 for O, 2 for B, 3 for I, [n']; all 0 for an example without labels.

    Source: jefferyYu/UMT; own for relations.
    """
    spans = [span for span in (example.head, example.tail) if span is not None]
    letters = [tag[0] for tag in example.tags or ()]
    if spans:
        inside = {word for span in spans for word in range(span.start, span.end)}
        begins = {span.start for span in spans}
        letters = ["B" if word in begins else "I" if word in inside else "O" for word in range(len(example.words))]
    kept = letters[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
    return torch.tensor([1 + SPAN_TAGS.index(letter) for letter in kept] or [UNKNOWN] * len(encoded.word_starts))


def conversion_matrix(names: Sequence[str]) -> Tensor:
    """Build the matrix [3, L] from span tags to labels.

    O maps to O, B to all B- tags and I to all I- tags, in equal parts; rows sum to 1.

    Source: jefferyYu/UMT.
    """
    rows = torch.tensor([[float(name[0] == letter) for name in names] for letter in SPAN_TAGS])
    return rows / rows.sum(1, keepdim=True).clamp(min=1)


class SpanTagger(nn.Module):
    """Self-attention layer, emissions [B, n, 3] at the first wordpiece of each word, and a CRF.

    Args:
        width: Width d of the states.
        heads: Number of attention heads.
        dropout: Dropout probability.

    Source: jefferyYu/UMT; own: words in place of wordpieces.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer = CrossLayer(width, heads, dropout)
        self.linear = nn.Linear(width, len(SPAN_TAGS))
        self.crf = CRF(len(SPAN_TAGS), batch_first=True)

    def forward(self, states: Tensor, text: TextBatch) -> Tensor:
        """Compute emissions [B, n, 3] in fp32 from states [B, T, d]."""
        states = self.layer(states, states, text.mask)
        word_states = states.gather(1, text.word_starts[..., None].expand(-1, -1, states.shape[-1]))  # [B, n, d]
        emissions: Tensor = self.linear(word_states).float()
        return emissions

    def loss(self, emissions: Tensor, text: TextBatch, tags: Tensor) -> Tensor | None:
        """Compute the negative log likelihood of span tags, mean over the examples that have tags.

        Args:
            emissions: Emissions [B, n, 3].
            text: Batch of texts.
            tags: Span tags [B, n], as `span_tags` builds them.

        Returns:
            A scalar; None if no example has tags, where this is known without waiting for a GPU.
        """
        has_tags = tags[:, 0] != UNKNOWN
        if has_tags.device.type == "cpu" and not has_tags.any():
            return None
        with torch.autocast(emissions.device.type, enabled=False):
            likelihoods = log_likelihoods(self.crf, emissions, (tags - 1).clamp(min=0), text.word_mask)
            return -likelihoods.masked_fill(~has_tags, 0).sum() / has_tags.sum().clamp(min=1)
