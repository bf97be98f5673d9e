from __future__ import annotations

from itertools import product

import pytest
import torch

from hvpkit.batching import pad_texts
from hvpkit.interfaces import EncodedText, Fused, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.model.heads import build_crf
from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead, first_wordpieces
from hvpkit.testing.inputs import LABELS
from hvpkit.types import Entity, Example, Labels

WORD_IDS = [-1, 0, 0, 1, 3, -1]  # a word of two wordpieces, word 2 has none


def head_of(labels: Labels = LABELS["mner"]) -> WordpieceCrfHead:
    torch.manual_seed(5)
    head = build_crf(HeadContext(labels, 6), labels="wordpieces").eval()
    assert isinstance(head, WordpieceCrfHead)
    return head


def encoded(word_ids: list[int] = WORD_IDS) -> EncodedText:
    return EncodedText({"input_ids": torch.arange(len(word_ids))}, torch.tensor([1, 3, 4, 4]), torch.tensor(word_ids))


def batch_of(*texts: EncodedText) -> TextBatch:
    return pad_texts(texts, {})


def test_each_position_has_its_tag():
    head = head_of()
    gold = head.build_targets(
        Example("1", ("a", "b", "\u200b", "c"), tags=("B-PER", "I-PER", "O", "B-LOC")), encoded()
    )["tags"]
    assert [head.tags[tag] for tag in gold] == ["[CLS]", "B-PER", "X", "I-PER", "B-LOC", "[SEP]"]
    assert head.tags[0] == "PAD"


def test_first_wordpieces_are_where_a_word_begins():
    assert first_wordpieces(WORD_IDS) == [1, 3, 4]
    assert first_wordpieces([-1, 0, -1, 1, 1, -1]) == [1, 3]


@pytest.mark.parametrize("seed", range(6))
def test_entities_and_their_probabilities_are_those_of_all_paths(seed):
    """Every path over few tags is written down: the best one is decoded.

    A probability is the share of paths that say the same.
    """
    head = head_of(Labels("mner", ("O", "B-PER", "I-PER")))
    scores = 2 * torch.randn(1, len(WORD_IDS), len(head.tags), generator=torch.Generator().manual_seed(seed))
    text = batch_of(encoded())
    start, end, move = head.crf.start_transitions, head.crf.end_transitions, head.crf.transitions
    paths = torch.tensor(list(product(range(len(head.tags)), repeat=len(WORD_IDS))))
    weights = start[paths[:, 0]] + end[paths[:, -1]] + sum(scores[0, i, paths[:, i]] for i in range(len(WORD_IDS)))
    weights = weights + sum(move[paths[:, i - 1], paths[:, i]] for i in range(1, len(WORD_IDS)))
    shares = weights.softmax(0)
    assert head.viterbi_paths(scores, text) == [paths[weights.argmax()].tolist()]
    words, predictions = [0, 1, 3], {}
    for path, share in zip(paths[:, [1, 3, 4]].tolist(), shares.tolist(), strict=True):
        for run in decode_bio([head.tags[tag] if head.tags[tag] in head.labels.names else "O" for tag in path]):
            predictions[run.start, run.end] = predictions.get((run.start, run.end), 0.0) + share
    for entity in head.decode(scores, text)[0]:
        place = words.index(entity.start), words.index(entity.end - 1) + 1
        assert entity.confidence == pytest.approx(predictions[place], abs=1e-4)


def test_padding_changes_nothing():
    head = head_of()
    short, states = encoded(), torch.randn(2, 9, 6)
    long = encoded([-1, 0, 1, 1, 2, 2, 2, 3, -1])
    both, alone = batch_of(short, long), batch_of(short)
    targets = {"tags": torch.randint(1, 5, (2, 9))}
    scores = head(Fused(states), both)
    assert head.viterbi_paths(scores, both)[0] == head.viterbi_paths(scores[:1, :6], alone)[0]
    assert head.decode(scores, both)[0] == head.decode(scores[:1, :6], alone)[0]
    own = [
        head.loss(scores[:1, :6], alone, {"tags": targets["tags"][:1, :6]}),
        head.loss(scores[1:], batch_of(long), {"tags": targets["tags"][1:]}),
    ]
    torch.testing.assert_close(head.loss(scores, both, targets), torch.stack(own).mean())


def test_tags_of_words_are_returned_unchanged():
    head = head_of()
    scores = torch.full((1, 6, len(head.tags)), -50.0)
    for position, tag in enumerate(["[CLS]", "X", "PAD", "[SEP]", "B-LOC", "O"]):
        scores[0, position, head.tags.index(tag)] = 50.0
    text = batch_of(encoded())
    assert head.word_tags(scores, text) == [{0: "X", 1: "[SEP]", 3: "B-LOC"}]
    assert [(e.start, e.end, e.type) for e in head.decode(scores, text)[0]] == [(3, 4, "LOC")]


@pytest.mark.parametrize("seed", range(3))
def test_requested_entity_has_the_probability_of_decoding(seed):
    head = head_of(Labels("mner", ("O", "B-PER", "I-PER")))
    scores = 2 * torch.randn(1, len(WORD_IDS), len(head.tags), generator=torch.Generator().manual_seed(seed))
    asked = [
        Entity(0, 1, "PER", 0.0),
        Entity(0, 2, "PER", 0.0),
        Entity(1, 4, "PER", 0.0),
        Entity(3, 4, "PER", 0.0),
        Entity(2, 3, "PER", 0.0),
    ]
    [known] = head.confidences(scores, batch_of(encoded()), [asked])
    assert known[-1] is None  # a word without wordpieces
    paths = torch.tensor(list(product(range(len(head.tags)), repeat=len(WORD_IDS))))
    start, end, move = head.crf.start_transitions, head.crf.end_transitions, head.crf.transitions
    weights = start[paths[:, 0]] + end[paths[:, -1]] + sum(scores[0, i, paths[:, i]] for i in range(len(WORD_IDS)))
    shares = (weights + sum(move[paths[:, i - 1], paths[:, i]] for i in range(1, len(WORD_IDS)))).softmax(0).tolist()
    names = [
        [head.tags[tag] if head.tags[tag] in head.labels.names else "O" for tag in path]
        for path in paths[:, [1, 3, 4]].tolist()
    ]
    for entity, confidence in zip(asked[:-1], known, strict=False):
        run = TaggedSpan([0, 1, 3].index(entity.start), [0, 1, 3].index(entity.end - 1) + 1, "PER")
        assert confidence == pytest.approx(
            sum(s for s, tags in zip(shares, names, strict=True) if run in decode_bio(tags)), abs=1e-4
        )
