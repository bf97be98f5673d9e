from __future__ import annotations

import itertools

import crf_paths as paths
import pytest
import torch

from hvpkit.interfaces import EmissionMix, EncodedText, Fused, Head, HeadContext, TextBatch
from hvpkit.labels.bio import TaggedSpan, decode_bio
from hvpkit.registry import load_registry
from hvpkit.types import Entity, Example, Labels

LENGTHS = (5, 1, 3, 4)
WIDTH = 6
TAGS = ("O", "B-PER", "I-PER", "I-LOC")  # LOC can only be opened by I-


def text_of(lengths=LENGTHS) -> TextBatch:
    """Words of two wordpieces each, after one special position."""
    words = max(lengths)
    starts = torch.arange(words) * 2 + 1
    word_mask = torch.arange(words)[None, :] < torch.tensor(lengths)[:, None]
    mask = torch.ones(len(lengths), 2 * words + 2, dtype=torch.bool)
    return TextBatch({}, mask, starts.expand(len(lengths), -1) * word_mask, word_mask, mask.long())


@pytest.fixture
def head():
    made = load_registry().build("head", "crf", HeadContext(Labels("mner", TAGS), WIDTH), {}).eval()
    for seed, parameter in enumerate(made.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    return made


@pytest.fixture
def states():
    return torch.randn(len(LENGTHS), 12, WIDTH, generator=torch.Generator().manual_seed(30))


def test_emissions_are_a_linear_map_of_each_word_s_first_wordpiece(head, states):
    emissions = head(Fused(states), text_of())
    for row, length in enumerate(LENGTHS):
        for word in range(length):
            expected = head.linear.weight @ states[row, 1 + 2 * word] + head.linear.bias
            torch.testing.assert_close(emissions[row, word], expected)


def test_a_fusion_s_own_emissions_are_mixed_in(head, states):
    added = torch.randn(4, 5, len(TAGS))
    plain, mixed = head(Fused(states), text_of()), head(Fused(states, emissions=EmissionMix(0.3, added)), text_of())
    torch.testing.assert_close(mixed, 0.3 * plain + added)


def test_emissions_are_fp32_whatever_the_states_are(head, states):
    head.bfloat16()
    assert head(Fused(states.bfloat16()), text_of()).dtype == torch.float32


def test_the_loss_is_the_mean_negative_log_likelihood_over_all_paths(head, states):
    emissions, text = head(Fused(states), text_of()), text_of()
    gold = torch.randint(len(TAGS), (4, 5), generator=torch.Generator().manual_seed(1))
    expected = 0.0
    for row, length in enumerate(LENGTHS):
        path = tuple(gold[row, :length].tolist())
        every = paths.all_paths(head.crf, emissions[row], length)
        expected += (paths.log_partition(every) - every[path]) / len(LENGTHS)
    loss = head.loss(emissions, text, {"tags": gold * text.word_mask})
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_tags_in_the_padding_do_not_matter(head, states):
    emissions, text = head(Fused(states), text_of()), text_of()
    zeros, others = torch.zeros(4, 5, dtype=torch.long), torch.randint(len(TAGS), (4, 5)) * ~text.word_mask
    assert head.loss(emissions, text, {"tags": zeros}) == head.loss(emissions, text, {"tags": others})


def test_decoding_gives_the_best_of_all_paths_with_the_probability_of_each_span_and_type(head):
    seen: set[str] = set()
    for seed in range(12):
        emissions = 1.5 * torch.randn(len(LENGTHS), 5, len(TAGS), generator=torch.Generator().manual_seed(seed))
        for row, entities in enumerate(head.decode(emissions, text_of())):
            every = paths.all_paths(head.crf, emissions[row], LENGTHS[row])
            best = [TAGS[tag] for tag in max(every, key=every.__getitem__)]
            expected = decode_bio(best)
            assert [(e.start, e.end, e.type) for e in entities] == [(run.start, run.end, run.type) for run in expected]
            for entity, run in zip(entities, expected, strict=True):
                holds = paths.probability(every, lambda path, run=run: run in decode_bio([TAGS[tag] for tag in path]))
                assert entity.confidence == pytest.approx(holds, abs=1e-5)
                seen.add(best[run.start])
    assert seen == {"B-PER", "I-PER", "I-LOC"}


@pytest.mark.parametrize("kept", list(itertools.product(range(3), range(1, 4))))
def test_targets_are_the_tags_of_the_kept_words(head, kept):
    first, count = kept
    example = Example("1", tuple("abcdef"), tags=("O", "B-PER", "I-PER", "I-LOC", "O", "O"))
    encoded = EncodedText({}, torch.arange(count), torch.arange(count), first_word=first)
    assert head.build_targets(example, encoded)["tags"].tolist() == [
        TAGS.index(tag) for tag in example.tags[first : first + count]
    ]


def test_states_are_needed(head):
    with pytest.raises(ValueError, match="states"):
        head(Fused(pooled=torch.zeros(4, WIDTH)), text_of())


def test_confidence_of_any_entity_is_its_fraction_of_all_paths(head):
    emissions = 1.5 * torch.randn(len(LENGTHS), 5, len(TAGS), generator=torch.Generator().manual_seed(3))
    asked = [
        [Entity(s, e, kind, 0.0) for s in range(n) for e in range(s + 1, n + 1) for kind in ("PER", "LOC")]
        for n in LENGTHS
    ]
    for row, known in enumerate(head.confidences(emissions, text_of(), asked)):
        every = paths.all_paths(head.crf, emissions[row], LENGTHS[row])
        for entity, confidence in zip(asked[row], known, strict=True):
            run = TaggedSpan(entity.start, entity.end, entity.type)
            holds = paths.probability(every, lambda path, run=run: run in decode_bio([TAGS[tag] for tag in path]))
            assert confidence == pytest.approx(holds, abs=1e-5)


def test_default_confidence_is_defined_for_decoded_entities(head):
    emissions = torch.randn(len(LENGTHS), 5, len(TAGS), generator=torch.Generator().manual_seed(4))
    decoded = head.decode(emissions, text_of())
    assert any(decoded)
    asked = [[*row, Entity(0, 1, "MISC", 0.0)] for row in decoded]
    known = Head.confidences(head, emissions, text_of(), asked)
    assert known == [[*(entity.confidence for entity in row), None] for row in decoded]
