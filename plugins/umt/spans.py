"""The span tagger: where entities stand, whatever their type, read from the text alone."""

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
UNKNOWN = 0  # what padding holds too; the tags count from 1 in `span_tags`


def span_tags(example: Example, encoded: EncodedText) -> Tensor:
    """Give each kept word's span tag [n'], 1 for O, 2 for B, 3 for I; 0 everywhere for an example without labels.

    A span tag is the first letter of a tag; for relations B and I of the given head and tail.
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
    """Give [3, L]: O stands for O, B for each B- tag alike, I for each I- tag alike; rows sum to 1."""
    rows = torch.tensor([[float(name[0] == letter) for name in names] for letter in SPAN_TAGS])
    return rows / rows.sum(1, keepdim=True).clamp(min=1)


class SpanTagger(nn.Module):
    """A layer of self-attention over the text, emissions [B, n, 3] at each word's first piece, a CRF of its own."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layer = CrossLayer(width, heads, dropout)
        self.linear = nn.Linear(width, len(SPAN_TAGS))
        self.crf = CRF(len(SPAN_TAGS), batch_first=True)

    def forward(self, states: Tensor, text: TextBatch) -> Tensor:
        """Give emissions [B, n, 3] in fp32 from states [B, T, d]."""
        read = self.layer(states, states, text.mask)
        at_words = read.gather(1, text.word_starts[..., None].expand(-1, -1, read.shape[-1]))
        emissions: Tensor = self.linear(at_words).float()
        return emissions

    def loss(self, emissions: Tensor, text: TextBatch, tags: Tensor) -> Tensor | None:
        """Give the negative log likelihood of `span_tags` [B, n], mean over the rows that have any; None where a CPU sees that none has."""
        known = tags[:, 0] != UNKNOWN
        if known.device.type == "cpu" and not known.any():
            return None
        with torch.autocast(emissions.device.type, enabled=False):
            likelihoods = log_likelihoods(self.crf, emissions, (tags - 1).clamp(min=0), text.word_mask)
            return -likelihoods.masked_fill(~known, 0).sum() / known.sum().clamp(min=1)
