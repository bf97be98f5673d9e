"""The paper's head for entities."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torchcrf import CRF

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.model.heads.crf_likelihood import log_likelihoods
from hvpkit.model.heads.forward_backward import ForwardBackwardTables, forward_backward, span_marginal
from hvpkit.types import Entity, Example

FORBIDDEN = -10_000.0  # its paths have probability 0 in fp32, so it gets no gradient


def illegal_transitions(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Say what no BIO tags are: beginning with a tag, [L] bool, and stepping from one to another, [L, L] bool."""
    inside = torch.tensor([name.startswith("I-") for name in names])
    follows = torch.tensor([[to == f"I-{before[2:]}" for to in names] for before in names])
    return inside, inside & ~follows


@torch.no_grad()
def mask_transitions(crf: CRF, first: Tensor, steps: Tensor) -> None:
    """Rule out beginnings [L] and steps [L, L]."""
    crf.start_transitions.masked_fill_(first, FORBIDDEN)
    crf.transitions.masked_fill_(steps, FORBIDDEN)


class CrfHead(Head):
    """Linear emissions [B, n, L] at each word's first piece, scored by a linear-chain CRF (Chen et al. 2022, eq. 10).

    The loss is the negative log likelihood of the gold tags, decoding is Viterbi's, an entity's confidence is the exact probability of
    its span and type under the CRF. With `bio` the paths that are no BIO tags are ruled out.
    """

    no_first: Tensor
    no_steps: Tensor

    def __init__(self, context: HeadContext, dropout: float, constrained: bool = False) -> None:
        super().__init__()
        self.labels = context.labels
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(context.width, len(self.labels.names))
        self.crf = CRF(len(self.labels.names), batch_first=True)
        self.bio = constrained
        for name, ruled_out in zip(("no_first", "no_steps"), illegal_transitions(self.labels.names), strict=True):
            self.register_buffer(name, ruled_out, persistent=False)
        if constrained:
            mask_transitions(self.crf, self.no_first, self.no_steps)

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give the gold tags [n'] of the kept words."""
        kept = (example.tags or ())[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        return {"tags": torch.tensor([self.labels.index(tag) for tag in kept])}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Give emissions [B, n, L] in fp32: a CRF adds up many of them."""
        states = fused.states
        if states is None:
            raise ValueError("the CRF reads states [B, T, w], and this fusion gives none")
        at_words = states.gather(1, text.word_starts[..., None].expand(-1, -1, states.shape[-1]))  # [B, n, w]
        emissions: Tensor = self.linear(self.dropout(at_words)).float()
        if fused.emissions is not None:
            emissions = fused.emissions.keep * emissions + fused.emissions.added.float()
        return emissions

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Give the negative log likelihood of the gold tags [B, n], mean over the batch."""
        if self.bio:
            mask_transitions(self.crf, self.no_first, self.no_steps)  # weight decay has made it smaller
        with torch.autocast(scores.device.type, enabled=False):
            return -log_likelihoods(self.crf, scores, targets["tags"], text.word_mask).mean()

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]]:
        """Give the entities on each row's best path, with their exact probabilities."""
        scores, mask, crf = scores.cpu(), text.word_mask.cpu(), copy_to_cpu(self.crf)
        paths: list[list[int]] = crf.decode(scores, mask)
        chart = forward_backward(crf, scores, mask)
        found = [decode_bio([self.labels.names[tag] for tag in path]) for path in paths]
        return [
            [Entity(run.start, run.end, run.type, self._probability(crf, chart, scores, row, run, len(paths[row]))) for run in own]
            for row, own in enumerate(found)
        ]

    @torch.no_grad()
    def confidences(self, scores: Tensor, text: TextBatch, asked: Sequence[Sequence[Entity]]) -> list[list[float | None]]:
        """Give the exact probability of each row's entities."""
        scores, mask, crf = scores.cpu(), text.word_mask.cpu(), copy_to_cpu(self.crf)
        chart, lengths = forward_backward(crf, scores, mask), mask.sum(1).tolist()
        return [[self._probability(crf, chart, scores, row, e, lengths[row]) for e in own] for row, own in enumerate(asked)]

    def _probability(
        self, crf: CRF, chart: ForwardBackwardTables, scores: Tensor, row: int, run: TaggedSpan | Entity, length: int
    ) -> float:
        """Sum up the ways to say this span and type: it begins with B-, or with an I- that continues nothing."""
        names = self.labels.names
        begin, inside = f"B-{run.type}", f"I-{run.type}"
        after = [i for i, name in enumerate(names) if name != inside]
        probability = 0.0
        for first in {begin, inside} & set(names):
            before = [i for i, name in enumerate(names) if first == begin or name not in (begin, inside)]
            tags = [names.index(tag) for tag in [first] + [inside] * (run.end - run.start - 1)]
            probability += span_marginal(crf, chart, scores, row, run.start, tags, before, after, length)
        return min(probability, 1.0)


def copy_to_cpu(crf: CRF) -> CRF:
    """Copy the few transition scores to where paths are walked: step by step, a CPU is faster."""
    if crf.transitions.device.type == "cpu":
        return crf
    return deepcopy(crf).cpu()
