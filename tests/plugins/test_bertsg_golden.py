"""BERT+SG gives the numbers of its equations as first written down; no one's code is public."""

from __future__ import annotations

import pytest
import torch
from golden import (
    LOSSES,
    Golden,
    assert_near,
    bert_of,
    golden_cases,
    load_bert,
    load_module,
    pairs_of_entities,
    texts_of,
)
from torch import Tensor, nn

from hvpkit.interfaces import FusionContext, HeadContext, ImageBatch, LevelInfo, TextBatch, Visual, VisualBackbone
from hvpkit.model.heads.classifiers import ClsHead, entity_start_states
from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.model.text.input_layout import UNUSED_MARKERS
from hvpkit.types import Labels
from hvpkit_plugins.bertsg.fusion import BertSgFusion
from hvpkit_plugins.bertsg.layers import ObjectAttention

VARIANTS = ("mean", "attn")


class FeatureBackbone(VisualBackbone):
    """A backbone that only declares the width of its features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = (LevelInfo(channels, 1, cells=1),)

    def transform(self, image: object) -> Tensor:
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> list[Tensor]:
        raise NotImplementedError


def system_of(golden: Golden, variant: str) -> tuple[HuggingFaceEncoder, BertSgFusion, ClsHead]:
    """The network with golden weights, in evaluation mode."""
    config, weights = golden["config"], golden.parameters("B")
    encoder = bert_of(config["bert"], golden["vocab"], UNUSED_MARKERS)
    load_bert(encoder, weights, "bert.")
    labels = Labels("mre", tuple(f"r{i}" for i in range(config["classes"])))
    backbone = FeatureBackbone(config["pic_feat"])
    context = FusionContext(labels, encoder, backbone, 1, False, config["objects"], lambda kind, spec, context: None)
    fusion = BertSgFusion(context, attention=variant == "attn", all_levels=False)
    modules: dict[str, nn.Module] = {"objects": fusion.objects, "join": fusion.join}
    if isinstance(fusion.pool, ObjectAttention):
        modules |= {"query": fusion.pool.query, "key": fusion.pool.key, "value": fusion.pool.value}
    for name, module in modules.items():
        load_module(module, weights, f"{name}.")
    head = ClsHead(HeadContext(labels, fusion.width), dropout=0.5)
    load_module(head.linear, weights, "fc.")
    return encoder.eval(), fusion.eval(), head.eval()


def inputs_of(golden: Golden) -> tuple[TextBatch, Visual]:
    """The texts, and features of objects that a formula makes; an object exists if its features are not all 0."""
    generator = torch.Generator().manual_seed(golden.seed)
    features = torch.randn(
        len(golden["items"]), golden["config"]["objects"], golden["config"]["pic_feat"], generator=generator
    )
    features[1, 6:] = 0
    features[2] = 0
    checks = golden["checks"]
    assert float(features.sum()) == pytest.approx(checks["pic_sum"], abs=1e-4)
    assert_near(features.flatten()[: len(checks["pic_0"])], checks["pic_0"])
    mask = features.abs().sum(-1) > 0
    assert torch.equal(mask, golden.tensor("objects_mask") > 0)
    names = ("token", "attention_mask", "pos_head", "pos_tail")
    ids, text_mask, head_position, tail_position = (golden.tensor(name) for name in names)
    text = texts_of(ids, text_mask, head_position[:, 0], tail_position[:, 0])
    return text, Visual((features[..., None],), ImageBatch(mask, torch.zeros(*mask.shape, 4)))


@golden_cases("bertsg")
def test_wordpieces_and_markers_are_the_same(golden):
    encoder, _, _ = system_of(golden, "mean")
    for i, example in enumerate(pairs_of_entities(golden["items"])[:2]):  # those of the third overlap
        encoded = encoder.encode(example, golden["config"]["max_length"])
        expected = golden.tensor("token", i)
        assert encoded.features["input_ids"].tolist() == expected[expected > 0].tolist()
        assert (encoded.head_position, encoded.tail_position) == (golden["pos_head"][i][0], golden["pos_tail"][i][0])


@pytest.mark.parametrize("variant", VARIANTS)
@golden_cases("bertsg")
def test_vectors_logits_and_loss_are_the_same(golden, variant):
    encoder, fusion, head = system_of(golden, variant)
    text, visual = inputs_of(golden)
    expected = golden[variant]
    relation = entity_start_states(encoder(text).states, text)
    assert_near(relation[:, :12], expected["r"])
    assert_near(fusion.pooled_objects(relation, visual)[:, :12], expected["O"])
    fused = fusion(encoder, text, visual, {})
    assert_near(fused.pooled[:, :12], expected["x"])
    logits = head(fused, text)
    assert_near(logits, expected["logits"])
    assert_near(head.loss(logits, text, {"relation": golden.tensor("labels")}), expected["loss"], LOSSES)
    assert [relation.label for relation in head.decode(logits, text)] == [f"r{i}" for i in expected["predicted"]]
