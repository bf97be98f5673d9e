from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import small_models
import tiny
import torch
from PIL import Image
from raising import raises
from transformers import (
    AutoModel,
    BertConfig,
    BertForPreTraining,
    BertModel,
    VisualBertConfig,
    VisualBertForPreTraining,
)

from hvpkit.batching import Batcher
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.interfaces import TextContext, Trace, VisionContext
from hvpkit.messages import Message
from hvpkit.model.model import build_model
from hvpkit.model.text.input_layout import MARKERS
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion, check_text_encoder
from hvpkit.testing.fusions import _context
from hvpkit.testing.inputs import EXAMPLES, encode, random_visual, text_batch, without_images
from hvpkit.training.parameter_groups import parameter_groups
from hvpkit.types import Example

REGISTRY = load_registry()
visualbert, from_scratch = (
    REGISTRY.get("text encoder", name).factory for name in ("visualbert", "visualbert-from-scratch")
)
single_stream = REGISTRY.get("fusion", "visualbert").factory
object_roi = REGISTRY.get("visual backbone", "object-roi").factory
SIZES = {"width": 16, "num_layers": 2, "num_attention_heads": 2}
DETECTOR = "fasterrcnn-mobilenet-v3-large-fpn"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A VisualBERT as it stands on the hub: with the heads of its pretraining, and without a tokenizer."""
    folder = tmp_path_factory.mktemp("visualbert")
    config = VisualBertConfig(
        **small_models.SIZES, vocab_size=len(small_models.wordpiece_tokenizer()), visual_embedding_dim=7, pad_token_id=0
    )
    VisualBertForPreTraining(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """The tokenizer of a plain BERT, alone."""
    folder = tmp_path_factory.mktemp("tokenizer")
    small_models.wordpiece_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A plain BERT as it stands on the hub, with the heads of its pretraining, and its tokenizer."""
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = small_models.wordpiece_tokenizer()
    BertForPreTraining(BertConfig(**small_models.SIZES, vocab_size=len(tokenizer), pad_token_id=0)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    return folder


def scratch(task="mner", **options):
    torch.manual_seed(0)
    return from_scratch(TextContext(task, EXAMPLES[task]), **{**SIZES, "region_width": 3, **options}).eval()


def batch_of(encoder, examples=EXAMPLES["mner"]):
    return text_batch(encoder, encode(encoder, examples))


# ----------------------------------------------------------------------------------------------------------------
# contract
@pytest.mark.parametrize("task", ["mner", "mre"])
def test_fusion_and_encoder_keep_the_contract_together(task):
    check_fusion(single_stream, task=task, encoder=scratch(task))
    check_fusion(single_stream, task=task, encoder=scratch(task, region_width=5))  # features of another width
    check_fusion(single_stream, task=task, encoder=scratch(task, region_width=6), levels="all")


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_a_checkpoint_keeps_the_contract(task, checkpoint, tokenizer):
    check_text_encoder(visualbert, task=task, name=str(checkpoint), tokenizer=str(tokenizer))


def test_one_that_starts_from_bert_keeps_the_contract(bert):
    check_text_encoder(visualbert, name=str(bert), region_width=6)


# ----------------------------------------------------------------------------------------------------------- single
# stream
@torch.no_grad()
def test_with_every_region_masked_it_is_bert_on_the_text(bert):
    encoder = visualbert(TextContext("mner"), name=str(bert), region_width=3).eval()
    plain = AutoModel.from_pretrained(bert).eval()
    text = batch_of(encoder)
    expected = plain(**text.features, attention_mask=text.mask.long()).last_hidden_state
    visual = without_images(random_visual((3, 3), 4))
    for given in (visual, None):
        states = single_stream(_context("mner", encoder))(encoder, text, given, {}).states
        torch.testing.assert_close(states[text.mask], expected[text.mask], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encoder(text).states[text.mask], expected[text.mask], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_regions_change_the_states_and_missing_ones_do_not():
    encoder, visual = scratch(), random_visual((3, 3), 4)
    text, fusion = batch_of(encoder), single_stream(_context("mner", encoder))
    seen, blind = (fusion(encoder, text, given, {}).states for given in (visual, None))
    assert [bool((seen - blind)[row].abs().max() > 1e-4) for row in range(3)] == [True, True, False]
    missing = ~visual.mask[:, :, None, None]
    noisy = replace(visual, levels=tuple(level + 100 * missing for level in visual.levels))
    torch.testing.assert_close(fusion(encoder, text, noisy, {}).states, seen)
    order = torch.tensor([2, 0, 1])
    images = replace(visual.images, mask=visual.mask[:, order], boxes=visual.images.boxes[:, order])
    turned = replace(visual, levels=tuple(level[:, order] for level in visual.levels), images=images)
    torch.testing.assert_close(fusion(encoder, text, turned, {}).states, seen, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_longer_padding_of_the_text_changes_nothing():
    encoder, visual = scratch(), random_visual((3, 3), 4)
    fusion = single_stream(_context("mner", encoder))
    short = batch_of(encoder)
    padded = batch_of(encoder, (*EXAMPLES["mner"], Example("long", ("Ada", "visits", "Zoë") * 5)))
    padded = replace(padded, features={"input_ids": padded.features["input_ids"][:3]}, mask=padded.mask[:3])
    assert padded.mask.shape[1] > short.mask.shape[1]
    first, second = (fusion(encoder, text, visual, {}).states for text in (short, padded))
    torch.testing.assert_close(first[short.mask], second[padded.mask], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_trace_has_attention_of_words_with_regions_first():
    encoder, visual, trace = scratch(), random_visual((3, 3), 4), Trace()
    text = batch_of(encoder)
    single_stream(_context("mner", encoder))(encoder, text, visual, {}, trace)
    exists = torch.cat([visual.mask.repeat_interleave(4, dim=1), text.mask], dim=1)
    assert torch.equal(trace.cells, torch.arange(12).expand(2, -1))
    assert len(trace.attention) == 2
    for attention in trace.attention:
        assert attention.shape == (3, 2, text.mask.shape[1], 12 + text.mask.shape[1])
        assert not attention.permute(0, 3, 1, 2)[~exists].any()
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:3]))


@torch.no_grad()
def test_regions_have_the_first_position_and_the_second_type_of_their_own_tables():
    encoder, visual = scratch(), random_visual((3, 3), 4)
    text, (regions, exists) = batch_of(encoder), visual.cells()
    tables = encoder.model.embeddings
    assert torch.equal(tables.visual_position_embeddings.weight, tables.position_embeddings.weight)
    assert torch.equal(tables.visual_token_type_embeddings.weight, tables.token_type_embeddings.weight)
    before = encoder.read(text, regions, exists).states
    tables.visual_position_embeddings.weight[1:] += 9
    tables.visual_token_type_embeddings.weight[0] += 9
    assert torch.equal(encoder.read(text, regions, exists).states, before)
    for row in (tables.visual_position_embeddings.weight[0], tables.visual_token_type_embeddings.weight[1]):
        row += torch.arange(16)
        after = encoder.read(text, regions, exists).states
        assert not torch.allclose(after[0], before[0])
        before = after


def test_prefix_is_refused():
    with raises(ComponentError, "prefix-unsupported", encoder="visual_bert"):
        scratch().enable_prefix()


# --------------------------------------------------------------------------------------------------------------
# checkpoints
def test_a_checkpoint_s_weights_are_taken_whole(checkpoint, tokenizer):
    saved = VisualBertForPreTraining.from_pretrained(checkpoint).visual_bert.state_dict()
    opened = visualbert(TextContext("mner"), name=str(checkpoint), tokenizer=str(tokenizer))
    assert opened.region_width == 7
    assert all(torch.equal(saved[name], value) for name, value in opened.model.state_dict().items())
    random = visualbert(
        TextContext("mner"), name=str(checkpoint), tokenizer=str(tokenizer), weights="random"
    ).model.state_dict()
    assert not torch.equal(random["embeddings.visual_projection.weight"], saved["embeddings.visual_projection.weight"])


def test_from_a_plain_bert_all_is_taken_but_the_new_projection_and_tables_begin_as_the_text_s(bert):
    saved = BertModel.from_pretrained(bert).state_dict()
    model = visualbert(TextContext("mner"), name=str(bert)).model
    assert model.config.visual_embedding_dim == 1024
    assert model.config.pad_token_id == 0
    new = [
        name for name, value in model.state_dict().items() if name not in saved or not torch.equal(saved[name], value)
    ]
    assert sorted(new) == [
        "embeddings.visual_position_embeddings.weight",
        "embeddings.visual_projection.bias",
        "embeddings.visual_projection.weight",
        "embeddings.visual_token_type_embeddings.weight",
    ]
    assert torch.equal(
        model.embeddings.visual_position_embeddings.weight, saved["embeddings.position_embeddings.weight"]
    )


def test_the_new_projection_learns_at_the_fusion_s_rate_and_a_checkpoint_s_at_the_text_s(
    bert, checkpoint, tokenizer, mner_data, tmp_path
):
    vision = "vision={backbone: cnn-from-scratch, weights: random, width: 4, image_size: 32, max_objects: 2, grid: 2}"

    def rates(*text: str) -> list[float]:
        overrides = (vision, "fusion=visualbert", *text, "train.lr=1e-5", "train.fusion_lr=1e-3")
        recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=overrides)
        model = build_model(recipe, REGISTRY, mner_data.labels, mner_data.examples("train"))
        groups = parameter_groups(model, recipe.train)
        rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
        embeddings = model.text.model.embeddings
        return [rate[id(table.weight)] for table in (embeddings.visual_projection, embeddings.word_embeddings)]

    assert rates(f"text={{encoder: visualbert, name: {bert}}}") == [1e-3, 1e-5]
    assert rates(f"text={{encoder: visualbert, name: {checkpoint}, tokenizer: {tokenizer}}}") == [1e-5, 1e-5]


def test_notes_name_weights_without_pretraining_on_images(checkpoint, tokenizer, bert):
    context, names = TextContext("mner"), {"name": str(checkpoint), "tokenizer": str(tokenizer)}
    assert visualbert(context, **names).provenance_notes() == []
    random, started = visualbert(context, **names, weights="random"), visualbert(context, name=str(bert))
    assert [note.code for note in random.provenance_notes()] == ["text-encoder-random"]
    assert [note.code for note in scratch().provenance_notes()] == ["text-encoder-random"]
    assert [note.code for note in started.provenance_notes()] == ["visualbert-started-from-bert"]


def test_markers_are_new_tokens_for_relations(checkpoint, tokenizer):
    plain, marked = (
        visualbert(TextContext(task), name=str(checkpoint), tokenizer=str(tokenizer)) for task in ("mner", "mre")
    )
    assert marked.model.config.vocab_size == plain.model.config.vocab_size + len(MARKERS)
    encoded = marked.encode(EXAMPLES["mre"][0], 64)
    wordpieces = marked.tokenizer.convert_ids_to_tokens(encoded.features["input_ids"].tolist())
    assert (wordpieces[encoded.head_position], wordpieces[encoded.tail_position]) == ("<head>", "<tail>")


def test_unusable_weights_are_refused_with_advice(checkpoint, tokenizer, bert, tmp_path):
    with raises(ModelFolderError, "pretrained-not-opened", name=str(checkpoint), reason=Message("tokenizer-missing")):
        visualbert(TextContext("mner"), name=str(checkpoint))
    with raises(
        ModelFolderError, "pretrained-not-opened", reason=Message("visualbert-region-width", found=7, expected=9)
    ):
        visualbert(TextContext("mner"), name=str(checkpoint), tokenizer=str(tokenizer), region_width=9)
    with raises(ModelFolderError, "pretrained-not-opened", reason=Message("visualbert-other-model", type="roberta")):
        visualbert(TextContext("mner"), name=str(small_models.save_encoder(tmp_path / "roberta", "roberta")))
    other = small_models.save_encoder(tmp_path / "xlm", "xlm-roberta")
    small = shutil.copytree(checkpoint, tmp_path / "small")
    VisualBertForPreTraining(VisualBertConfig(**small_models.SIZES, vocab_size=20, pad_token_id=0)).save_pretrained(
        small
    )
    with raises(ModelFolderError, "visualbert-tokenizer-mismatch", tokenizer=str(other), model=str(small)) as refused:
        visualbert(TextContext("mner"), name=str(small), tokenizer=str(other))
    reason = refused.value.fields["reason"]
    assert (reason.code, reason.fields["expected"]) == ("tokenizer-too-large", 20)


def test_words_are_hidden_in_training_alone_and_also_beside_regions():
    encoder = scratch(name_replacement=1.0, word_dropout=1.0)
    text, (regions, exists) = batch_of(encoder), random_visual((3, 3), 4).cells()
    assert torch.equal(encoder.read(text, regions, exists).states, encoder.read(text, regions, exists).states)
    encoder.train()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    assert not torch.equal(encoder.read(text, regions, exists).states, encoder.read(text, regions, exists).states)


# ------------------------------------------------------------------------------------------------------------- the
# backbone
@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return object_roi(VisionContext(64), weights="random", detector=DETECTOR).eval()


@torch.no_grad()
def test_features_are_the_detector_s_own_of_a_box_over_the_whole_image(detector):
    from torchvision.models import get_model

    torch.manual_seed(0)
    whole = get_model(DETECTOR.replace("-", "_"), weights=None, weights_backbone=None).eval()
    seen: list[torch.Tensor] = []
    whole.roi_heads.box_head.register_forward_hook(lambda module, inputs, output: seen.append(output))
    pixels = torch.stack([detector.transform(tiny_image(shade)) for shade in (0, 150)])
    features = whole.backbone(pixels)
    whole.roi_heads(features, [torch.tensor([[0.0, 0.0, 64.0, 64.0]])] * 2, [(64, 64)] * 2)
    (found,) = detector(pixels)
    assert found.shape == (2, 1024, 1)
    torch.testing.assert_close(found[..., 0], seen[0])


def tiny_image(shade: int) -> Image.Image:
    return Image.effect_noise((50, 70), 60).convert("RGB").point(lambda value: (value + shade) % 256)


def test_weights_come_from_a_file_of_the_whole_detector(detector, tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(1)
    other = get_model(DETECTOR.replace("-", "_"), weights=None, weights_backbone=None).state_dict()
    frozen = {name: value for name, value in other.items() if "num_batches" not in name}  # as torchvision's files are
    torch.save(frozen, tmp_path / "detector.pth")
    opened = object_roi(VisionContext(64), weights=str(tmp_path / "detector.pth"), detector=DETECTOR).state_dict()
    assert all(
        torch.equal(value, other[name if name in other else f"roi_heads.{name}"]) for name, value in opened.items()
    )
    assert not torch.equal(opened["box_head.fc6.weight"], detector.state_dict()["box_head.fc6.weight"])
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pth")
    with raises(ModelFolderError, "visualbert-weights-mismatch", file=tmp_path / "other.pth", detector=DETECTOR):
        object_roi(VisionContext(64), weights=str(tmp_path / "other.pth"), detector=DETECTOR)


def test_coco_weights_of_the_first_detectors_are_read_as_torchvision_reads_them():
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    from hvpkit_plugins.visualbert.box_head import ObjectRoi

    backbone = ObjectRoi(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None), 64)
    backbone.drop_epsilon()
    norms = [module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert {norm.eps for norm in norms} == {0.0}


def test_weights_that_detectors_do_not_have_are_refused():
    with raises(ModelFolderError, "visualbert-imagenet-weights"):
        object_roi(VisionContext(64), weights="imagenet")
    with raises(ModelFolderError, "visualbert-weights-missing", file=Path("none.pth"), detector=DETECTOR):
        object_roi(VisionContext(64), weights="none.pth", detector=DETECTOR)


# ------------------------------------------------------------------------------------------------------------ as a
# whole
def test_what_cannot_compose_is_refused_with_what_would_fit(mner_data, tmp_path):
    from hvpkit.config.compatibility import compatibility_problems

    wrong = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("fusion={name: visualbert}",))
    ((_, problem),) = compatibility_problems(wrong, REGISTRY)
    fitting = Message("fitting-components", kind="text encoder", names=["visualbert", "visualbert-from-scratch"])
    assert problem.code == "fusion-needs"
    assert problem.fields == {
        "fusion": "visualbert",
        "need": "regions",
        "encoder": "bert-from-scratch",
        "hint": fitting,
    }
    alone = load_recipe("visualbert_mner", ["vision=null", "fusion=none"])
    assert compatibility_problems(alone, REGISTRY) == []
    prefix = load_recipe("visualbert_mner", ["fusion={name: visual-prefix, projector: per-level, gate: dynamic}"])
    problem = compatibility_problems(prefix, REGISTRY)[0][1]
    assert (problem.code, problem.fields["need"], problem.fields["encoder"]) == ("fusion-needs", "prefix", "visualbert")


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_it_learns(task, request, tmp_path):
    data = request.getfixturevalue(f"{task}_data")
    text = "text={encoder: visualbert-from-scratch, width: 32, num_layers: 2, num_attention_heads: 2}"
    recipe = tiny.recipe(tmp_path, data.folder, task, overrides=(text, "fusion={name: visualbert}", "vision.grid=1"))
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, data.labels, data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(example, labeled=True) for example in list(data.examples("train"))[:6]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
