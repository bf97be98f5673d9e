from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
import small_models
import tiny
import torch
from raising import raises

from hvpkit.batching import pad_texts
from hvpkit.config.compatibility import check_compatibility
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.interfaces import FusionContext, TextContext
from hvpkit.messages import Message
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing import check_fusion
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, small_bert, stack, text_batch
from hvpkit.training.train import train
from hvpkit.types import Example, Span
from hvpkit_plugins.mtb.layers import matching_loss
from hvpkit_plugins.mtb.sentence_pairs import SentencePairs
from hvpkit_plugins.mtb.tokens import (
    HEAD,
    NO_LABEL,
    TAIL,
    entity_positions,
    mask_wordpieces,
    replace_entities,
)

REGISTRY = load_registry()
MTB, BLANKS = (REGISTRY.get("fusion", name).factory for name in ("mtb", "matching-the-blanks"))
SMALL = "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}"
NEW_HEAD, NEW_TAIL = 901, 902


def pair(words: str, head: tuple[int, int], tail: tuple[int, int], name: str = "1") -> Example:
    return Example(name, tuple(words.split()), head=Span(*head), tail=Span(*tail), relation="None")


def context_of(encoder, examples=EXAMPLES["mre"]) -> FusionContext:
    return FusionContext(LABELS["mre"], encoder, None, 0, False, 0, lambda kind, spec, context: None, examples)


def batch_of(encoder, *examples: Example):
    return pad_texts([encoder.encode(example, 64) for example in examples], encoder.pad_values())


# ---------------------------------------------------------------------------------------------------------- contract
@pytest.mark.parametrize("options", [{}, {"middle": "layer-norm"}, {"middle": "none"}, {"mask_entities": True}])
def test_the_fusion_keeps_the_contract(options):
    check_fusion(MTB, task="mre", **options)


@pytest.mark.parametrize("options", [{}, {"blank": 1.0, "mask": 1.0}, {"activation": "none", "group_size": 1}])
def test_the_pretraining_keeps_the_contract(options):
    check_fusion(BLANKS, task="mre", **options)


def test_its_module_comes_without_torch():
    program = "import sys, hvpkit_plugins.mtb; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


# ------------------------------------------------------------------------------------------------- entities and masks
def test_an_entity_becomes_one_wordpiece_and_all_positions_move():
    encoder = small_bert("mre")
    text = batch_of(encoder, pair("Ada Lovelace loves New York !", (0, 2), (3, 5)), pair("Zoë has Ada", (2, 3), (0, 1)))
    markers = encoder.marker_ids()
    codes = entity_positions(text, markers, with_markers=False)
    replaced = replace_entities(text, codes, [NEW_HEAD, NEW_TAIL])
    for row, order in enumerate(((NEW_HEAD, NEW_TAIL), (NEW_TAIL, NEW_HEAD))):
        before, after = text.features["input_ids"][row].tolist(), replaced.features["input_ids"][row].tolist()
        length = int(replaced.mask[row].sum())
        kept = [
            id
            for id, code, exists in zip(before, codes[row].tolist(), text.mask[row].tolist(), strict=True)
            if exists and not code
        ]
        assert [id for id in after[:length] if id not in (NEW_HEAD, NEW_TAIL)] == kept
        assert [id for id in after[:length] if id in (NEW_HEAD, NEW_TAIL)] == list(order)
        assert after[int(replaced.head_position[row]) : int(replaced.head_position[row]) + 2] == [markers[0], NEW_HEAD]
        assert after[int(replaced.tail_position[row]) : int(replaced.tail_position[row]) + 2] == [markers[2], NEW_TAIL]
        assert not replaced.mask[row, length:].any()
        assert (replaced.word_ids[row, length:] == -1).all()
    starts = replaced.word_starts[0].tolist()
    assert starts[0] == starts[1] < starts[2] < starts[3] == starts[4] < starts[5]


def test_with_its_markers_an_entity_is_one_wordpiece_at_its_position():
    encoder = small_bert("mre")
    text = batch_of(encoder, pair("Ada loves Paris", (0, 1), (2, 3)))
    codes = entity_positions(text, encoder.marker_ids(), with_markers=True)
    replaced = replace_entities(text, codes, [NEW_HEAD, NEW_TAIL])
    ids = replaced.features["input_ids"][0]
    assert (ids[replaced.head_position], ids[replaced.tail_position]) == (NEW_HEAD, NEW_TAIL)
    assert not set(ids.tolist()) & set(encoder.marker_ids())


def test_of_overlapping_entities_the_head_has_the_common_positions():
    encoder = small_bert("mre")
    inner_tail, inner_head = (pair("New York City", (0, 3), (1, 2)), pair("New York City", (1, 2), (0, 3)))
    text = batch_of(encoder, inner_tail, inner_head)
    codes = entity_positions(text, encoder.marker_ids(), with_markers=True)
    assert set(codes[0].tolist()) == {0, HEAD}
    assert set(codes[1].tolist()) == {0, HEAD, TAIL}
    replaced = replace_entities(text, codes, [NEW_HEAD, NEW_TAIL])
    assert replaced.features["input_ids"][0, replaced.tail_position[0]] == NEW_HEAD


def test_words_are_masked_at_the_rate_asked_for_and_entities_never():
    torch.manual_seed(0)
    encoder = small_bert("mre")
    text = batch_of(encoder, *EXAMPLES["mre"])
    allowed = (text.word_ids >= 0) & (entity_positions(text, encoder.marker_ids(), with_markers=True) == 0)
    for fraction in (0.0, 0.5, 1.0):
        masked, labels = mask_wordpieces(text, allowed, fraction, 999)
        ids, before = masked.features["input_ids"], text.features["input_ids"]
        chosen = labels != NO_LABEL
        assert torch.equal(chosen, ids == 999)
        assert torch.equal(labels[chosen], before[chosen])
        assert torch.equal(ids[~chosen], before[~chosen])
        assert not (chosen & ~allowed).any()
        assert chosen.sum(1).tolist() == [round(fraction * int(row.sum())) for row in allowed]


def test_blanks_come_at_the_rate_asked_for_and_each_entity_by_itself():
    torch.manual_seed(0)
    encoder = small_bert("mre")
    fusion = BLANKS(context_of(encoder))
    fusion.blank_id = NEW_HEAD
    text = batch_of(encoder, *[pair("Ada loves Paris", (0, 1), (2, 3))] * 5000)
    text = fusion.with_blanks(text)
    blanks = ((text.features["input_ids"] == fusion.blank_id) & text.mask).sum(1)
    assert int(blanks.sum()) / 10_000 == pytest.approx(0.7, abs=0.02)
    assert (blanks == 1).float().mean().item() == pytest.approx(2 * 0.7 * 0.3, abs=0.02)


# ------------------------------------------------------------------------------------------------------ sentence pairs
SENTENCES = (
    pair("Ada loves Paris", (0, 1), (2, 3), "a"),
    pair("paris has ADA", (2, 3), (0, 1), "b"),  # the same pair in another order and case
    pair("in Paris Ada", (1, 2), (2, 3), "c"),  # and with head and tail reversed
    pair("Ada met Bob", (0, 1), (2, 3), "d"),
    pair("Paris and Rome", (0, 1), (2, 3), "e"),
    pair("Zoë met Max", (0, 1), (2, 3), "f"),
)


def test_positives_have_the_same_two_strings_in_any_order():
    torch.manual_seed(0)
    sentences = SentencePairs(SENTENCES)
    assert sorted(sentences.positives(0, 10)) == [0, 1, 2]
    assert sentences.positives(1, 10)[0] == 1
    assert {tuple(sentences.positives(0, 2)) for _ in range(50)} == {(0, 1), (0, 2)}
    assert sentences.positives(0, 1) == [0]


def test_negatives_have_another_pair_and_half_of_them_share_an_entity():
    torch.manual_seed(0)
    sentences = SentencePairs(SENTENCES)
    counts = Counter(sentences.negatives(0, 6000))
    assert set(counts) == {3, 4, 5}
    # a half from all other pairs, in equal parts, and a half that share Ada or Paris
    assert counts[5] / 6000 == pytest.approx(0.5 / 3, abs=0.03)
    assert counts[3] / 6000 == pytest.approx(0.25 + 0.5 / 3, abs=0.03)
    assert set(sentences.negatives(5, 100)) == {0, 1, 2, 3, 4}  # no sentence shares an entity with it


def test_where_all_sentences_have_one_pair_there_are_no_negatives():
    assert SentencePairs(SENTENCES[:3]).negatives(0, 4) == []


def test_the_loss_of_identical_vectors_is_low_with_the_same_pair_and_high_without():
    vectors = torch.tensor([[3.0, 1.0], [3.0, 1.0]])
    group = torch.zeros(2, dtype=torch.long)
    same, other = (matching_loss(vectors, group, torch.tensor([True, positive])) for positive in (True, False))
    assert (same.item(), other.item()) == (pytest.approx(0, abs=1e-4), pytest.approx(10, abs=1e-3))


def test_a_group_without_a_pair_to_compare_has_no_loss():
    vectors = torch.randn(3, 2, requires_grad=True)
    loss = matching_loss(vectors, torch.tensor([0, 1, 1]), torch.tensor([True, False, False]))
    loss.backward()
    assert (loss.item(), vectors.grad.abs().sum().item()) == (0, 0)


# -------------------------------------------------------------------------------------------------------- pretraining
def test_the_losses_train_the_encoder_and_the_head_does_not():
    torch.manual_seed(0)
    encoder = small_bert("mre")
    fusion = BLANKS(context_of(encoder)).train()
    encoded = encode(encoder, EXAMPLES["mre"])
    rows = [fusion.build_inputs(*one) for one in zip(EXAMPLES["mre"], encoded, strict=True)]
    fused = fusion(encoder, text_batch(encoder, encoded), None, stack(rows))
    assert not fused.pooled.requires_grad
    for name in ("pairs", "masked"):
        encoder.zero_grad()
        fused.losses[name].backward(retain_graph=True)
        assert encoder.model.get_input_embeddings().weight.grad.any(), name
    assert set(fused.losses) == {"pairs", "masked"}


def test_examples_that_are_not_of_the_training_text_have_no_losses():
    encoder = small_bert("mre")
    fusion = BLANKS(context_of(encoder, ())).train()
    text = batch_of(encoder, *EXAMPLES["mre"])
    unknown = fusion.build_inputs(EXAMPLES["mre"][0], encoder.encode(EXAMPLES["mre"][0], 64))["example"]
    assert int(unknown) == -1
    assert fusion(encoder, text, None, {"example": unknown.expand(3)}).losses == {}
    assert fusion.eval()(encoder, text, None, {"example": torch.arange(3)}).losses == {}


@pytest.mark.parametrize("build", [lambda context: BLANKS(context), lambda context: MTB(context, mask_entities=True)])
def test_all_embeddings_stay_trainable_where_wordpieces_are_inserted(build, tmp_path):
    folder = str(small_models.save_encoder(tmp_path / "bert", "bert"))
    factory = REGISTRY.get("text encoder", "hugging-face").factory
    for builds, expected in ((False, True), (True, False)):
        encoder = factory(TextContext("mre"), name=folder)
        if builds:
            build(context_of(encoder))
        encoder.restrict_vocabulary([encoder.encode(EXAMPLES["mre"][1], 64)])
        assert isinstance(encoder.model.get_input_embeddings(), PartialEmbedding) == expected


def test_vocabularies_without_unused_wordpieces_have_others_in_their_place():
    encoder = small_bert("mre")
    tokenizer = encoder.tokenizer
    assert MTB(context_of(encoder), mask_entities=True).tokens == [tokenizer.mask_token_id] * 2
    assert BLANKS(context_of(encoder)).blank_id == tokenizer.unk_token_id


@pytest.mark.parametrize(("name", "options"), [("mtb", {"mask_entities": True}), ("matching-the-blanks", {})])
def test_markers_are_needed_where_entities_are_replaced(name, options):
    sizes = {"width": 16, "num_layers": 1, "num_attention_heads": 2, "markers": False}
    encoder = REGISTRY.build("text encoder", "bert-from-scratch", TextContext("mre", EXAMPLES["mre"]), sizes)
    for other in (encoder, REGISTRY.build("text encoder", "pcnn", TextContext("mre", EXAMPLES["mre"]), {})):
        with raises(ComponentError, "mtb-without-markers", fusion=name):
            REGISTRY.build("fusion", name, context_of(other), options)


def test_a_mask_token_is_needed_for_pretraining():
    encoder = small_bert("mre")
    encoder.tokenizer.mask_token = None
    with raises(ComponentError, "mtb-without-mask-token"):
        BLANKS(context_of(encoder))


def test_the_pretraining_needs_wordpieces(tmp_path):
    overrides = ("text={encoder: pcnn}", "fusion=matching-the-blanks", "head=cls")
    recipe = tiny.recipe(tmp_path, tmp_path, "mre", images=False, overrides=overrides)
    with raises(ComponentError, "components-do-not-fit") as refused:
        check_compatibility(recipe, REGISTRY)
    (problem,) = refused.value.problems
    assert (problem.message.code, problem.message.fields["need"]) == ("fusion-needs", "wordpieces")


# --------------------------------------------------------------------------------------------------- training, recipes
def test_a_pretrained_model_is_the_start_of_fine_tuning(mre_data, tmp_path):
    blanks = (SMALL, "fusion={name: matching-the-blanks, group_size: 4}", "head=cls", "train.epochs=2", "train.lr=1e-3")
    recipe = tiny.recipe(tmp_path, mre_data.folder, "mre", images=False, overrides=blanks)
    pretrained = train(recipe, load_registry(), tmp_path / "blanks")
    fine = (SMALL, "fusion=mtb", "head=cls", "train.epochs=2", "train.lr=1e-3")
    overrides = (*fine, f"train.init_from={pretrained.folder}")
    recipe = tiny.recipe(tmp_path, mre_data.folder, "mre", images=False, overrides=overrides)
    finished = train(recipe, load_registry(), tmp_path / "model")
    report = finished.metrics["init_from"]
    assert report["loaded"].keys() == {"text"}
    assert all(not name.startswith("text.") for name in report["initialized"])
    assert Message("mtb-not-pretrained") in finished.metrics["notes"]
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test


def test_the_recipes_have_the_authors_settings():
    names = ("mtb_mre", "mtb_blanks_mre", "mtb_common_mre", "bert_common_mre")
    fine, blanks, common, bert = (load_recipe(name, registry=REGISTRY) for name in names)
    spec = fine.train
    assert (spec.optimizer, spec.lr, spec.weight_decay, spec.decay_all) == ("bert-adam", 2e-5, 0.01, False)
    assert (spec.batch_size, spec.epochs, spec.warmup_steps, spec.max_grad_norm, spec.seed) == (64, 3, 300, 0, 42)
    assert (fine.head.options["dropout"], fine.text.options["markers"]) == (0.5, "unused")
    spec = blanks.train
    assert (spec.lr, spec.batch_size, spec.gradient_accumulation_steps, spec.max_grad_norm) == (1e-4, 1, 2, 1)
    assert (spec.epochs, spec.first_eval_epoch, spec.gamma) == (18, 18, 0.8)  # the last epoch is kept
    assert spec.milestones == [2, 4, 6, 8, 12, 15]
    assert blanks.text == fine.text
    assert common.train == bert.train.model_copy(update={"fusion_lr": 1e-3})
    assert (common.text, common.data) == (bert.text, bert.data)
