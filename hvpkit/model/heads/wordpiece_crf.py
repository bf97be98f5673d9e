"""The head for entities of the code that was released with the paper: a CRF over wordpieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchcrf import CRF

from hvpkit.interfaces import EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.model.heads.crf import copy_to_cpu
from hvpkit.model.heads.crf_likelihood import MAX_TAGS, log_likelihoods
from hvpkit.model.heads.forward_backward import forward_backward
from hvpkit.types import Entity, Example

PAD, CONTINUATION, CLS, SEP = "PAD", "X", "[CLS]", "[SEP]"


class WordpieceCrfHead(Head):
    """Tag all positions by emissions [B, T, L] and a CRF.

    The tags are PAD, the labels, X for all but the first wordpiece of a word, [CLS] and [SEP]. The tag of a word is
    that of its first wordpiece.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.

    Source: code released with Chen et al. 2022.
    """

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__()
        self.labels = context.labels
        self.tags = (PAD, *self.labels.names, CONTINUATION, CLS, SEP)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(context.width, len(self.tags))
        self.crf = CRF(len(self.tags), batch_first=True)
        self.graph_safe = self.crf.num_tags <= MAX_TAGS

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the gold tags of all positions, [T]; padding is PAD."""
        gold = (example.tags or ())[encoded.first_word :]
        starts = set(first_wordpieces(encoded.word_ids.tolist()))
        last = len(encoded.word_ids) - 1
        names = []
        for position, word in enumerate(encoded.word_ids.tolist()):
            if position in starts:
                names.append(gold[word])
            elif word >= 0:
                names.append(CONTINUATION)
            else:
                names.append(SEP if position == last else CLS)
        return {"tags": torch.tensor([self.tags.index(name) for name in names])}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute emissions [B, T, L] in fp32."""
        if fused.states is None or fused.emissions is not None:
            raise ValueError(
                "A CRF over wordpieces requires states [B, T, w] and accepts no emissions of words from a fusion."
            )
        emissions: Tensor = self.linear(self.dropout(fused.states))
        return emissions.float()

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Compute the mean negative log likelihood of the gold tags [B, T]."""
        with torch.autocast(scores.device.type, enabled=False):
            return -log_likelihoods(self.crf, scores, targets["tags"], text.mask).mean()

    @torch.no_grad()
    def viterbi_paths(self, scores: Tensor, text: TextBatch) -> list[list[int]]:
        """Return the tags of each row's Viterbi path, one per position."""
        paths: list[list[int]] = copy_to_cpu(self.crf).decode(scores.cpu(), text.mask.cpu())
        return paths

    @torch.no_grad()
    def word_tags(self, scores: Tensor, text: TextBatch) -> list[dict[int, str]]:
        """Return the tag at the first wordpiece of each word, taken from the Viterbi path.

        Returns:
            For each row the tag by index of the word, possibly PAD, X, [CLS] or [SEP]. Words without wordpieces are
            missing.
        """
        rows = zip(self.viterbi_paths(scores, text), text.word_ids.tolist(), strict=True)
        return [{word_ids[i]: self.tags[path[i]] for i in first_wordpieces(word_ids)} for path, word_ids in rows]

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]]:
        """Return the entities of each row with their exact probabilities; tags that are no labels count as O."""
        lengths, words = text.mask.sum(1).tolist(), text.word_ids.tolist()
        rows = zip(self.word_tags(scores, text), words, scores.cpu(), lengths, strict=True)
        return [self._entities(tags, word_ids, row[:length]) for tags, word_ids, row, length in rows]

    def _entities(self, tags: dict[int, str], word_ids: Sequence[int], scores: Tensor) -> list[Entity]:
        """Decode the tags of one text; `scores` [T, L]."""
        words, starts = list(tags), first_wordpieces(word_ids)
        spans = decode_bio([tag if tag in self.labels.names else "O" for tag in tags.values()])
        confidences = self._probabilities(spans, starts, scores)
        return [
            Entity(words[span.start], words[span.end - 1] + 1, span.type, p)
            for span, p in zip(spans, confidences, strict=True)
        ]

    @torch.no_grad()
    def confidences(
        self, scores: Tensor, text: TextBatch, entities: Sequence[Sequence[Entity]]
    ) -> list[list[float | None]]:
        """Compute the exact probability of each of the given entities.

        It is None for an entity whose first or last word has no wordpieces.
        """
        lengths, words = text.mask.sum(1).tolist(), text.word_ids.tolist()
        rows = zip(entities, words, scores.cpu(), lengths, strict=True)
        return [
            self._entity_probabilities(row_entities, word_ids, row[:length])
            for row_entities, word_ids, row, length in rows
        ]

    def _entity_probabilities(
        self, entities: Sequence[Entity], word_ids: Sequence[int], scores: Tensor
    ) -> list[float | None]:
        starts = first_wordpieces(word_ids)
        index = {word_ids[start]: i for i, start in enumerate(starts)}  # word -> its index among words with wordpieces
        spans = [
            TaggedSpan(index[e.start], index[e.end - 1] + 1, e.type) if {e.start, e.end - 1} <= set(index) else None
            for e in entities
        ]
        confidences = iter(self._probabilities([span for span in spans if span is not None], starts, scores))
        return [None if span is None else next(confidences) for span in spans]

    def _probabilities(self, spans: Sequence[TaggedSpan], starts: Sequence[int], scores: Tensor) -> list[float]:
        """Compute the probability of each span; `starts` are the positions of the first wordpieces."""
        crf = copy_to_cpu(self.crf)
        partition = log_sum(crf, scores)
        probabilities = []
        for span in spans:
            masked = self._masked_scores(span, starts, scores)
            probabilities.append(min(1.0, sum(float((log_sum(crf, one) - partition).exp()) for one in masked)))
        return probabilities

    def _masked_scores(self, span: TaggedSpan, starts: Sequence[int], scores: Tensor) -> Iterator[Tensor]:
        """Mask scores [T, L] to the paths that contain a span, once for each tag that it can start with.

        It starts with B-, or with an I- that continues no entity; the word after it is not an I- of the same type.
        """
        begin, inside = (torch.tensor([name == f"{prefix}-{span.type}" for name in self.tags]) for prefix in "BI")
        for first in (begin, inside):
            allowed = torch.ones_like(scores, dtype=torch.bool)
            allowed[starts[span.start]] = first
            for word in range(span.start + 1, span.end):
                allowed[starts[word]] = inside
            if span.end < len(starts):
                allowed[starts[span.end]] = ~inside
            if span.start and first is inside:
                allowed[starts[span.start - 1]] = ~(begin | inside)
            if first.any():
                yield scores.masked_fill(~allowed, -torch.inf)


def log_sum(crf: CRF, scores: Tensor) -> Tensor:
    """Compute the log sum over all paths through scores [T, L], [1]."""
    return forward_backward(crf, scores[None], torch.ones(1, len(scores), dtype=torch.bool)).partition


def first_wordpieces(word_ids: Sequence[int]) -> list[int]:
    """Return the positions of the first wordpieces of words."""
    return [i for i, (before, word) in enumerate(pairwise([-1, *word_ids])) if word >= 0 and word != before]
