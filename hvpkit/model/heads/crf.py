"""The head for entities: a CRF over words."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torchcrf import CRF

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.model.heads.crf_likelihood import MAX_TAGS, log_likelihoods
from hvpkit.model.heads.forward_backward import ForwardBackwardTables, forward_backward, span_marginal
from hvpkit.types import Entity, Example

FORBIDDEN = -10_000.0  # such paths have probability 0 in fp32, so the score gets no gradient


def illegal_transitions(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return which first tags and which transitions are invalid in BIO.

    Args:
        names: The L tags.

    Returns:
        Invalid first tags [L] bool, and invalid transitions [from, to] [L, L] bool.
    """
    inside = torch.tensor([name.startswith("I-") for name in names])
    follows = torch.tensor([[to == f"I-{before[2:]}" for to in names] for before in names])
    return inside, inside & ~follows


@torch.no_grad()
def mask_transitions(crf: CRF, first: Tensor, steps: Tensor) -> None:
    """Set the scores of invalid first tags and transitions to a value that excludes them.

    Args:
        crf: The CRF.
        first: Invalid first tags, [L] bool.
        steps: Invalid transitions, [L, L] bool.
    """
    crf.start_transitions.masked_fill_(first, FORBIDDEN)
    crf.transitions.masked_fill_(steps, FORBIDDEN)


class CrfHead(Head):
    """Tag words by linear emissions [B, n, L] at their first wordpieces and a linear-chain CRF.

    The loss is the negative log likelihood of the gold tags. Decoding takes the Viterbi path. The confidence of an
    entity is the exact probability of its span and type under the CRF.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.
        constrained: Exclude tag sequences that are invalid in BIO.

    Source: Chen et al. 2022, eq. 10.
    """

    no_first: Tensor
    no_steps: Tensor

    def __init__(self, context: HeadContext, dropout: float, constrained: bool = False) -> None:
        super().__init__()
        self.labels = context.labels
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(context.width, len(self.labels.names))
        self.crf = CRF(len(self.labels.names), batch_first=True)
        self.graph_safe = self.crf.num_tags <= MAX_TAGS
        self.constrained = constrained
        for name, illegal in zip(("no_first", "no_steps"), illegal_transitions(self.labels.names), strict=True):
            self.register_buffer(name, illegal, persistent=False)
        if constrained:
            mask_transitions(self.crf, self.no_first, self.no_steps)

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the gold tags of the kept words, [n']."""
        kept = (example.tags or ())[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        return {"tags": torch.tensor([self.labels.index(tag) for tag in kept])}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute emissions [B, n, L] in fp32, since a CRF sums many of them."""
        states = fused.states
        if states is None:
            raise ValueError("The head crf requires states [B, T, w], which this fusion does not return.")
        word_states = states.gather(1, text.word_starts[..., None].expand(-1, -1, states.shape[-1]))  # [B, n, w]
        emissions: Tensor = self.linear(self.dropout(word_states)).float()
        if fused.emissions is not None:
            emissions = fused.emissions.keep * emissions + fused.emissions.added.float()
        return emissions

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Compute the mean negative log likelihood of the gold tags [B, n]."""
        if self.constrained:
            mask_transitions(self.crf, self.no_first, self.no_steps)  # weight decay reduces the masked scores
        with torch.autocast(scores.device.type, enabled=False):
            return -log_likelihoods(self.crf, scores, targets["tags"], text.word_mask).mean()

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]]:
        """Return the entities of each row's Viterbi path with their exact probabilities."""
        scores, mask, crf = scores.cpu(), text.word_mask.cpu(), copy_to_cpu(self.crf)
        paths: list[list[int]] = crf.decode(scores, mask)
        tables = forward_backward(crf, scores, mask)
        predictions: list[list[Entity]] = []
        for row, path in enumerate(paths):
            spans = decode_bio([self.labels.names[tag] for tag in path])
            confidences = [self._probability(crf, tables, scores, row, span, len(path)) for span in spans]
            predictions.append([Entity(s.start, s.end, s.type, p) for s, p in zip(spans, confidences, strict=True)])
        return predictions

    @torch.no_grad()
    def confidences(
        self, scores: Tensor, text: TextBatch, entities: Sequence[Sequence[Entity]]
    ) -> list[list[float | None]]:
        """Compute the exact probability of each of the given entities."""
        scores, mask, crf = scores.cpu(), text.word_mask.cpu(), copy_to_cpu(self.crf)
        tables, lengths = forward_backward(crf, scores, mask), mask.sum(1).tolist()
        return [
            [self._probability(crf, tables, scores, row, entity, lengths[row]) for entity in row_entities]
            for row, row_entities in enumerate(entities)
        ]

    def _probability(
        self,
        crf: CRF,
        tables: ForwardBackwardTables,
        scores: Tensor,
        row: int,
        span: TaggedSpan | Entity,
        length: int,
    ) -> float:
        """Sum over the encodings of a span: it starts with B-, or with an I- that continues no entity."""
        names = self.labels.names
        begin, inside = f"B-{span.type}", f"I-{span.type}"
        after = [i for i, name in enumerate(names) if name != inside]
        probability = 0.0
        for first in {begin, inside} & set(names):
            before = [i for i, name in enumerate(names) if first == begin or name not in (begin, inside)]
            tags = [names.index(tag) for tag in [first] + [inside] * (span.end - span.start - 1)]
            probability += span_marginal(crf, tables, scores, row, span.start, tags, before, after, length)
        return min(probability, 1.0)


def copy_to_cpu(crf: CRF) -> CRF:
    """Copy a CRF to the CPU, which is faster at decoding word by word."""
    if crf.transitions.device.type == "cpu":
        return crf
    return deepcopy(crf).cpu()
