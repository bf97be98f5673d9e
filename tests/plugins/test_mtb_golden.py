"""MTB gives the numbers of OpenNRE and of plkmo/BERT-Relation-Extraction."""

from __future__ import annotations

import pytest
import torch
from golden import (
    LOSSES,
    Golden,
    assert_near,
    assign,
    bert_of,
    golden_cases,
    gradient_norms,
    load_bert,
    load_module,
    pairs_of_entities,
    texts_of,
)
from torch import Tensor

from hvpkit.batching import pad_texts
from hvpkit.interfaces import FusionContext, HeadContext, TextBatch
from hvpkit.model.heads.classifiers import ClsHead
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.model.text.input_layout import UNUSED_MARKERS
from hvpkit.types import Labels
from hvpkit_plugins.mtb.fusion import MtbFusion
from hvpkit_plugins.mtb.layers import matching_loss
from hvpkit_plugins.mtb.pretraining import BlanksOptions, MatchingTheBlanks


def whole(golden: Golden) -> list[int]:
    """The items that are not cut and whose entities do not overlap, since OpenNRE treats others in its own way."""
    last = [row[-1] for row in golden["token"]]
    spans = [(*item["h"]["pos"], *item["t"]["pos"]) for item in golden["items"]]
    apart = [end <= other or other_end <= start for start, end, other, other_end in spans]
    return [i for i in range(len(spans)) if apart[i] and last[i] == 0]


def context_of(golden: Golden, encoder: HuggingFaceEncoder) -> FusionContext:
    labels = Labels("mre", tuple(f"r{i}" for i in range(golden["config"]["classes"])))
    return FusionContext(labels, encoder, None, 0, False, 0, build=lambda kind, spec, context: None)


def system_of(golden: Golden) -> tuple[HuggingFaceEncoder, MtbFusion, ClsHead]:
    """The network of fine-tuning with golden weights, in evaluation mode."""
    weights = golden.parameters("B")
    encoder = bert_of(golden["config"]["bert"], golden["vocab"], UNUSED_MARKERS)
    load_bert(encoder, weights, "sentence_encoder.bert.")
    context = context_of(golden, encoder)
    fusion = MtbFusion(context, "linear", mask_entities=False)
    load_module(fusion.middle, weights, "sentence_encoder.linear.")
    head = ClsHead(HeadContext(context.labels, fusion.width), dropout=0.5)
    load_module(head.linear, weights, "fc.")
    return encoder.eval(), fusion.eval(), head.eval()


def batch_of(golden: Golden) -> TextBatch:
    """All items as the authors cut them into wordpieces."""
    names = ("token", "attention_mask", "pos_head", "pos_tail")
    ids, mask, head_position, tail_position = (golden.tensor(name) for name in names)
    return texts_of(ids, mask, head_position[:, 0], tail_position[:, 0])


def cut(ids: Tensor, expected: Tensor) -> tuple[list[int], list[int]]:
    """Two rows of ids without padding, which is 0."""
    return ids[ids > 0].tolist(), expected[expected > 0].tolist()


# -------------------------------------------------------------------------------------------------------- fine-tuning
@golden_cases("mtb")
def test_wordpieces_and_markers_are_the_same(golden):
    encoder, _, _ = system_of(golden)
    rows = whole(golden)
    assert len(rows) > 1
    for i in rows:
        encoded = encoder.encode(pairs_of_entities(golden["items"])[i], golden["config"]["max_length"])
        ours, theirs = cut(encoded.features["input_ids"], golden.tensor("token", i))
        assert ours == theirs
        assert [encoded.head_position, encoded.tail_position] == [golden["pos_head"][i][0], golden["pos_tail"][i][0]]


@golden_cases("mtb")
def test_masked_entities_are_the_same(golden):
    encoder, _, _ = system_of(golden)
    fusion = MtbFusion(context_of(golden, encoder), "none", mask_entities=True)
    rows, max_length = whole(golden), golden["config"]["max_length"]
    examples = [pairs_of_entities(golden["items"])[i] for i in rows]
    text = fusion.with_masked_entities(pad_texts([encoder.encode(example, max_length) for example in examples], {}))
    for row, i in enumerate(rows):
        ours, theirs = cut(text.features["input_ids"][row] * text.mask[row], masked(golden, "token")[i])
        assert ours == theirs
    assert torch.equal(text.head_position, masked(golden, "pos_head")[rows, 0])
    assert torch.equal(text.tail_position, masked(golden, "pos_tail")[rows, 0])


def masked(golden: Golden, name: str) -> Tensor:
    return golden.tensor("masked_entity", name)


@golden_cases("mtb")
def test_states_vectors_logits_and_loss_are_the_same(golden):
    encoder, fusion, head = system_of(golden)
    text = batch_of(golden)
    states = encoder(text).states
    assert_near(states[text.mask][:, :6], golden.tensor("hidden")[text.mask])
    fused = fusion(encoder, text, None, {})
    assert_near(fused.pooled, golden["rep"])
    logits = head(fused, text)
    assert_near(logits, golden["logits"])
    loss = head.loss(logits, text, {"relation": golden.tensor("labels")})
    assert_near(loss, golden["loss"], LOSSES)
    assert [relation.label for relation in head.decode(logits, text)] == [f"r{i}" for i in golden["predicted"]]
    modules = {"sentence_encoder.bert": encoder.model, "sentence_encoder.linear": fusion.middle, "fc": head.linear}
    ours = {f"{part}.{name}": p for part, module in modules.items() for name, p in module.named_parameters()}
    theirs = {name: norm for name, norm in golden["grad_norms"].items() if norm is not None}
    norms = gradient_norms(loss, ours)
    assert {name: norms[name] for name in theirs} == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    assert set(norms) == {name for name in theirs if ".pooler." not in name}


# -------------------------------------------------------------------------------------------------------- pretraining
def blanks_of(golden: Golden) -> tuple[HuggingFaceEncoder, MatchingTheBlanks, Tensor]:
    """The network of pretraining with golden weights, and the decoder's, which are tied in training only."""
    weights = golden.parameters("B", "matching_the_blanks")
    encoder = bert_of(golden["config"]["bert"], golden["vocab"], ("[E1]", "[/E1]", "[E2]", "[/E2]"))
    bert = {name: weight for name, weight in weights.items() if not name.startswith("cls.")}
    load_bert(encoder, bert, "")
    fusion = MatchingTheBlanks(context_of(golden, encoder), BlanksOptions(0.7, 0.15, 6, tanh=True))
    transform = "cls.predictions.transform."
    load_module(fusion.language_head.dense, weights, f"{transform}dense.")
    load_module(fusion.language_head.norm, weights, f"{transform}LayerNorm.")
    assign(fusion.language_head.bias, weights["cls.predictions.bias"])
    return encoder.eval(), fusion.eval(), weights["cls.predictions.decoder.weight"]


@golden_cases("mtb")
def test_the_blank_is_the_authors(golden):
    _, fusion, _ = blanks_of(golden)
    assert fusion.blank_id == golden["vocab"].index("[BLANK]")
    assert fusion.mask_id == golden["vocab"].index("[MASK]")


@golden_cases("mtb")
def test_relation_vectors_predictions_and_both_losses_are_the_same(golden):
    encoder, fusion, decoder = blanks_of(golden)
    expected = golden["matching_the_blanks"]
    ids, starts = golden.tensor("matching_the_blanks", "ids"), golden.tensor("matching_the_blanks", "starts")
    text = texts_of(ids, ids > 0, starts[:, 0], starts[:, 1])
    states = encoder(text).states
    vectors = fusion.vectors(states, text)
    assert_near(vectors, expected["r"])
    rows, columns = golden.tensor("matching_the_blanks", "masked_at").T
    predicted = states[rows, columns]
    assert_near(fusion.language_head(predicted, decoder), expected["lm_logits"])
    masked_loss = fusion.masked_loss(predicted, golden.tensor("matching_the_blanks", "masked_gold"), decoder)
    assert_near(masked_loss, expected["lm_loss"], LOSSES)
    group, positive = torch.zeros(len(ids), dtype=torch.long), golden.tensor("matching_the_blanks", "blank_labels") > 0
    assert_near(matching_loss(vectors, group, positive) + masked_loss, expected["total_logits"], LOSSES)
    one = torch.arange(len(ids)) == 0
    assert_near(matching_loss(vectors, group, one) + masked_loss, expected["total_one_positive"], LOSSES)


@golden_cases("mtb")
def test_the_loss_of_pairs_of_small_vectors_is_the_same(golden):
    given = golden["matching_the_blanks"]["loss_only"]
    vectors, positive = torch.tensor(given["r"]), torch.tensor(given["blank_labels"]) > 0
    pairs = matching_loss(vectors, torch.zeros(len(vectors), dtype=torch.long), positive)
    logits, gold = torch.tensor(given["lm_logits"]), torch.tensor(given["masked_gold"])
    assert_near(pairs + torch.nn.functional.cross_entropy(logits, gold), given["logits"], LOSSES)
    shuffled = torch.tensor([4, 0, 3, 5, 1, 2])  # the order does not matter
    again = matching_loss(vectors[shuffled], torch.zeros(6, dtype=torch.long), positive[shuffled])
    torch.testing.assert_close(again, pairs)


@golden_cases("mtb")
def test_groups_are_compared_by_themselves(golden):
    given = golden["matching_the_blanks"]["loss_only"]
    vectors, positive = torch.tensor(given["r"]), torch.tensor(given["blank_labels"]) > 0
    groups, both = torch.tensor([0] * 6 + [1] * 6), torch.cat([vectors, 2 * vectors])
    alone = [matching_loss(part, groups[:6], positive) for part in (vectors, 2 * vectors)]
    torch.testing.assert_close(matching_loss(both, groups, positive.repeat(2)), sum(alone) / 2)
