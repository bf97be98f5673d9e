"""Head of HBiLSTM-CRF: a CRF over IOBES tags."""

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
from hvpkit.model.heads.wordpiece_crf import log_sum
from hvpkit.types import Entity, Example

TO_BIO = {"B": "B", "I": "I", "E": "I", "S": "B"}


def bio_to_iobes(tags: Sequence[str]) -> list[str]:
    """Convert BIO tags to IOBES: an entity of one word is S-, the last word of a longer one is E-."""
    converted = []
    for tag, following in pairwise([*tags, "O"]):
        position, _, entity_type = tag.partition("-")
        is_last = following != f"I-{entity_type}"
        converted.append(f"{({'B': 'S', 'I': 'E'})[position]}-{entity_type}" if is_last and entity_type else tag)
    return converted


def iobes_to_bio(tags: Sequence[str]) -> list[str]:
    """Convert IOBES tags to BIO, tag by tag: E- becomes I-, and S- becomes B-."""
    return [f"{TO_BIO[tag[0]]}{tag[1:]}" if "-" in tag else tag for tag in tags]


class IobesCrfHead(Head):
    """Tag words by emissions [B, n, L'] of IOBES tags and a linear-chain CRF.

    The tags are O and B-, I-, E- and S- of each type. The Viterbi path is converted to BIO tag by tag, so that any path
    can be decoded. The confidence of an entity is the exact probability that it is decoded.

    Args:
        context: Labels, in BIO, and the width w of the states.
        dropout: Dropout probability of the states.

    Source: glample/tagger, utils.py: iob_iobes, iobes_iob.
    """

    def __init__(self, context: HeadContext, dropout: float) -> None:
        super().__init__()
        self.labels = context.labels
        types = dict.fromkeys(name.partition("-")[2] for name in self.labels.names if "-" in name)
        self.tags = ("O", *(f"{position}-{type}" for type in types for position in TO_BIO))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(context.width, len(self.tags))
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.crf = CRF(len(self.tags), batch_first=True)

    def build_targets(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the gold tags of the kept words, [n']."""
        tags = bio_to_iobes(example.tags or ())
        kept = tags[encoded.first_word : encoded.first_word + len(encoded.word_starts)]
        return {"tags": torch.tensor([self.tags.index(tag) for tag in kept])}

    def forward(self, fused: Fused, text: TextBatch) -> Tensor:
        """Compute emissions [B, n, L'] in fp32."""
        states = fused.states
        if states is None or fused.emissions is not None:
            raise ValueError("The head crf-iobes needs states [B, T, w] and accepts no emissions of a fusion.")
        word_states = states.gather(1, text.word_starts[..., None].expand(-1, -1, states.shape[-1]))  # [B, n, w]
        emissions: Tensor = self.linear(self.dropout(word_states))
        return emissions.float()

    def loss(self, scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        """Compute the mean negative log likelihood of the gold tags [B, n]."""
        with torch.autocast(scores.device.type, enabled=False):
            return -log_likelihoods(self.crf, scores, targets["tags"], text.word_mask).mean()

    @torch.no_grad()
    def viterbi_paths(self, scores: Tensor, text: TextBatch) -> list[list[int]]:
        """Return the tag indices of each row's Viterbi path, one per word."""
        paths: list[list[int]] = copy_to_cpu(self.crf).decode(scores.cpu(), text.word_mask.cpu())
        return paths

    @torch.no_grad()
    def decode(self, scores: Tensor, text: TextBatch) -> list[list[Entity]]:
        """Return the entities of each row's Viterbi path with their exact probabilities."""
        predictions = []
        for path, row in zip(self.viterbi_paths(scores, text), scores.cpu(), strict=True):
            spans = decode_bio(iobes_to_bio([self.tags[tag] for tag in path]))
            confidences = self._probabilities(spans, row[: len(path)])
            predictions.append([Entity(s.start, s.end, s.type, p) for s, p in zip(spans, confidences, strict=True)])
        return predictions

    @torch.no_grad()
    def confidences(
        self, scores: Tensor, text: TextBatch, entities: Sequence[Sequence[Entity]]
    ) -> list[list[float | None]]:
        """Compute the exact probability of each of the given entities."""
        rows = zip(entities, scores.cpu(), text.word_mask.sum(1).tolist(), strict=True)
        return [[*self._probabilities(row_entities, row[:length])] for row_entities, row, length in rows]

    def _probabilities(self, spans: Sequence[TaggedSpan | Entity], scores: Tensor) -> list[float]:
        """Compute the probability of each span from the emissions [n, L'] of one text."""
        if not spans:
            return []
        crf = copy_to_cpu(self.crf)
        partition = log_sum(crf, scores)
        sums = ([log_sum(crf, masked) for masked in self._masked_scores(span, scores)] for span in spans)
        return [min(1.0, sum(float((one - partition).exp()) for one in row)) for row in sums]

    def _masked_scores(self, span: TaggedSpan | Entity, scores: Tensor) -> Iterator[Tensor]:
        """Mask emissions to the paths from which a span is decoded, once for each way in which it can begin.

        It begins with B- or S-, or with I- or E- that continues no entity of its type; it ends before the next tag
        that is not I- or E- of its type.
        """
        begin, inside = (torch.tensor([tag in names for tag in self.tags]) for names in _begin_and_inside(span.type))
        for first in (begin, inside):
            allowed = torch.ones_like(scores, dtype=torch.bool)
            allowed[span.start] = first
            allowed[span.start + 1 : span.end] = inside
            if span.end < len(scores):
                allowed[span.end] = ~inside
            if span.start and first is inside:
                allowed[span.start - 1] = ~(begin | inside)
            yield scores.masked_fill(~allowed, -torch.inf)


def _begin_and_inside(entity_type: str) -> tuple[set[str], set[str]]:
    return {f"B-{entity_type}", f"S-{entity_type}"}, {f"I-{entity_type}", f"E-{entity_type}"}
