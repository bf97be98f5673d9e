"""The entity head of the code that the paper's authors released: a CRF over wordpieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchcrf import CRF

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.model.heads.crf import copy_to_cpu
from hvpkit.model.heads.crf_likelihood import log_likelihoods
from hvpkit.model.heads.forward_backward import forward_backward
from hvpkit.types import Entity, Example

PAD, CONTINUATION, CLS, SEP = "PAD", "X", "[CLS]", "[SEP]"


class WordpieceCrfHead(Head):
    """Emissions [B, T, L] at every position, scored by a CRF over all of them (release of Chen et al. 2022).

    The tags are PAD, those of the labels, X for a word's later pieces, [CLS] and [SEP]. A word has the tag of its first piece.
    """

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__()
        self.labels = context.labels
        self.tags = (PAD, *self.labels.names, CONTINUATION, CLS, SEP)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(context.width, len(self.tags))
        self.crf = CRF(len(self.tags), batch_first=True)

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Give the gold tags [T] of all positions; padding is PAD."""
        gold = (example.tags or ())[encoded.first_word :]
        starts = set(first_wordpieces(encoded.word_of.tolist()))
        last = len(encoded.word_of) - 1
        names = [
            gold[word] if position in starts else CONTINUATION if word >= 0 else SEP if position == last else CLS
            for position, word in enumerate(encoded.word_of.tolist())
        ]
        return {"tags": torch.tensor([self.tags.index(name) for name in names])}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Give emissions [B, T, L] in fp32."""
        if fused.states is None or fused.emissions is not None:
            raise ValueError("a CRF over pieces reads states [B, T, w], and takes no emissions of words from a fusion")
        emissions: Tensor = self.linear(self.dropout(fused.states))
        return emissions.float()

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Give the negative log likelihood of the gold tags [B, T], mean over the batch."""
        with torch.autocast(scores.device.type, enabled=False):
            return -log_likelihoods(self.crf, scores, targets["tags"], text.mask).mean()

    @torch.no_grad()
    def viterbi_paths(self, scores: Tensor, text: TextBatch) -> list[list[int]]:
        """Give the best tags of each row's positions."""
        found: list[list[int]] = copy_to_cpu(self.crf).decode(scores.cpu(), text.mask.cpu())
        return found

    @torch.no_grad()
    def word_tags(self, scores: Tensor, text: TextBatch) -> list[dict[int, str]]:
        """Give the best tag at the first piece of each word that has pieces, whatever it is (PAD, X, [CLS] and [SEP] among them)."""
        rows = zip(self.viterbi_paths(scores, text), text.word_of.tolist(), strict=True)
        return [{word_of[i]: self.tags[path[i]] for i in first_wordpieces(word_of)} for path, word_of in rows]

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]]:
        """Give the entities of each row's words, with their exact probabilities; a tag that is none of a word's counts as O."""
        lengths, words = text.mask.sum(1).tolist(), text.word_of.tolist()
        rows = zip(self.word_tags(scores, text), words, scores.cpu(), lengths, strict=True)
        return [self._entities(tags, word_of, row[:length]) for tags, word_of, row, length in rows]

    def _entities(self, tags: dict[int, str], word_of: Sequence[int], scores: Tensor) -> list[Entity]:
        words, places = list(tags), first_wordpieces(word_of)
        found = decode_bio([tag if tag in self.labels.names else "O" for tag in tags.values()])
        sure = self._probabilities(found, places, scores)
        return [Entity(words[run.start], words[run.end - 1] + 1, run.type, p) for run, p in zip(found, sure, strict=True)]

    @torch.no_grad()
    def confidences(self, scores: Tensor, text: TextBatch, asked: Sequence[Sequence[Entity]]) -> list[list[float | None]]:
        """Give the exact probability of each row's entities; None for one that begins or ends with a word of no pieces."""
        lengths, words = text.mask.sum(1).tolist(), text.word_of.tolist()
        rows = zip(asked, words, scores.cpu(), lengths, strict=True)
        return [self._known(own, word_of, row[:length]) for own, word_of, row, length in rows]

    def _known(self, asked: Sequence[Entity], word_of: Sequence[int], scores: Tensor) -> list[float | None]:
        places = first_wordpieces(word_of)
        at = {word_of[place]: i for i, place in enumerate(places)}
        found = [TaggedSpan(at[e.start], at[e.end - 1] + 1, e.type) if {e.start, e.end - 1} <= set(at) else None for e in asked]
        sure = iter(self._probabilities([run for run in found if run is not None], places, scores))
        return [None if run is None else next(sure) for run in found]

    def _probabilities(self, found: Sequence[TaggedSpan], places: Sequence[int], scores: Tensor) -> list[float]:
        crf = copy_to_cpu(self.crf)
        total = log_sum(crf, scores)
        return [min(1.0, sum(float((log_sum(crf, part) - total).exp()) for part in self._ways(run, places, scores))) for run in found]

    def _ways(self, run: TaggedSpan, places: Sequence[int], scores: Tensor) -> Iterator[Tensor]:
        """Give the scores [T, L] of the paths that say this span and type, whatever they say of other pieces.

        It begins with B-, or with an I- that continues nothing; the word after it is no I- of the type.
        """
        begin, inside = (torch.tensor([name == f"{prefix}-{run.type}" for name in self.tags]) for prefix in "BI")
        for first in (begin, inside):
            allowed = torch.ones_like(scores, dtype=torch.bool)
            allowed[places[run.start]] = first
            for word in range(run.start + 1, run.end):
                allowed[places[word]] = inside
            if run.end < len(places):
                allowed[places[run.end]] = ~inside
            if run.start and first is inside:
                allowed[places[run.start - 1]] = ~(begin | inside)
            if first.any():
                yield scores.masked_fill(~allowed, -torch.inf)


def log_sum(crf: CRF, scores: Tensor) -> Tensor:
    """Sum up all paths through scores [T, L], as a logarithm [1]."""
    return forward_backward(crf, scores[None], torch.ones(1, len(scores), dtype=torch.bool)).partition


def first_wordpieces(word_of: Sequence[int]) -> list[int]:
    """List the positions where a word begins."""
    return [i for i, (before, word) in enumerate(pairwise([-1, *word_of])) if word >= 0 and word != before]
