from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from clip_systems import system_of, visual_of
from PIL import Image
from raising import raises
from small_models import save_clip, save_encoder
from transformers import CLIPModel, CLIPVisionModel

from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.interfaces import LevelInfo, VisionContext
from hvpkit.messages import Message
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.testing import check_backbone
from hvpkit.training.parameter_groups import parameter_groups
from hvpkit_plugins.clip_layers.backbone import DEVIATION, MEAN, crop_center
from hvpkit_plugins.clip_layers.checkpoint import vision_parts

REGISTRY = load_registry()
FACTORY = REGISTRY.get("visual backbone", "clip-patches").factory


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


# ----------------------------------------------------------------------------------------------------------- backbone
def test_the_backbone_keeps_the_contract(clip):
    check_backbone(FACTORY, weights=str(clip))
    check_backbone(FACTORY, weights="random", name=str(clip), side=32)


def test_levels_are_the_patches_of_both_sizes(clip):
    backbone = FACTORY(VisionContext(), weights=str(clip))
    assert backbone.levels == (LevelInfo(32, 16, 64), LevelInfo(32, 16, 16))  # of 128 and 64 pixels
    assert not any(level.any() for level in backbone(torch.zeros(1, 3, 128, 128)))


def test_weights_are_those_of_the_checkpoint_or_random(clip, tmp_path):
    whole = vision_parts(CLIPModel.from_pretrained(clip).vision_model).embeddings.patch_embedding.weight
    assert torch.equal(FACTORY(VisionContext(64), weights=str(clip)).embedding.weight, whole)
    CLIPVisionModel.from_pretrained(clip).save_pretrained(tmp_path)
    assert torch.equal(FACTORY(VisionContext(64), weights=str(tmp_path)).embedding.weight, whole)
    assert not torch.equal(FACTORY(VisionContext(64), weights="random", name=str(clip)).embedding.weight, whole)


@torch.no_grad()
def test_patches_are_the_convolution_of_the_checkpoint(clip):
    backbone, model = FACTORY(VisionContext(64), weights=str(clip)), CLIPVisionModel.from_pretrained(clip).eval()
    pixels, embeddings = torch.randn(2, 3, 64, 64), vision_parts(model).embeddings
    expected = (embeddings(pixels) - embeddings.position_embedding.weight)[:, 1:]
    torch.testing.assert_close(backbone(pixels)[0].transpose(1, 2), expected)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((64, 67), (0, 2, 64, 66)),
        ((67, 64), (2, 0, 66, 64)),
        ((64, 64), (0, 0, 64, 64)),
        ((65, 64), (1, 0, 65, 64)),
        ((64, 68), (0, 2, 64, 66)),
    ],
)
def test_the_center_is_cropped_as_clip_did_in_2022(size, box):
    image = Image.frombytes("RGB", size, bytes(i * 7 % 251 for i in range(3 * size[0] * size[1])))
    assert crop_center(image, 64).tobytes() == image.crop(box).tobytes()


def test_the_shorter_side_is_rescaled_and_pixels_are_normalized(clip):
    assert crop_center(Image.new("RGB", (200, 150)), 64).size == (64, 64)
    image = Image.new("RGB", (300, 80), (255, 0, 51))
    pixels = FACTORY(VisionContext(64), weights=str(clip)).transform(image)
    values = zip((1.0, 0.0, 0.2), MEAN, DEVIATION, strict=True)
    expected = torch.tensor([(value - mean) / deviation for value, mean, deviation in values])
    torch.testing.assert_close(pixels, expected[:, None, None].expand(3, 64, 64))


def test_a_crop_of_half_patches_and_other_models_are_refused(clip, tmp_path):
    with raises(ComponentError, "clip-crop-not-divisible", multiple=32, size=48):
        FACTORY(VisionContext(48), weights=str(clip))
    with raises(ModelFolderError, "clip-without-name"):
        FACTORY(VisionContext(64), weights="imagenet")
    bert = str(save_encoder(tmp_path, "bert"))
    with raises(ModelFolderError, "pretrained-not-opened", reason=Message("clip-other-model", type="bert")):
        FACTORY(VisionContext(64), weights=bert)


# ------------------------------------------------------------------------------------------------------------- layers
@torch.no_grad()
def test_without_text_the_layers_compute_what_clip_computes(tmp_path):
    from hvpkit_plugins.clip_layers.layers import VisionStream

    system = system_of(tmp_path, "ifa")
    vision, model = system.fusion.vision, CLIPVisionModel.from_pretrained(tmp_path / "clip").eval()
    visual = visual_of(torch.ones(2, 5, dtype=torch.bool))
    stream = VisionStream(vision, visual)
    expected, parts = stream.states, vision_parts(model)
    class_token = parts.pre_layrnorm(parts.embeddings.class_embedding)
    torch.testing.assert_close(expected[:, 0], class_token.expand(2, -1))
    visible = torch.ones(2, 3, dtype=torch.bool)
    for number, layer in enumerate(parts.encoder.layers):
        normed = layer.layer_norm1(expected)
        wanted = layer.self_attn.k_proj(normed), layer.self_attn.v_proj(normed)
        torch.testing.assert_close(stream.keys_values(number), wanted)
        torch.testing.assert_close(stream.run_layer(number, None, visible), wanted)
        expected = layer(expected, None)
        torch.testing.assert_close(stream.states, expected, atol=1e-5, rtol=1e-5)


def test_tokens_belong_to_the_cells_of_the_grid_that_they_cover(tmp_path):
    vision = system_of(tmp_path, "ifa").fusion.vision
    large = [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]
    expected = [4 * region + cell for region in range(3) for cell in large]
    expected += [4 * region + cell for region in (3, 4) for cell in range(4)]
    assert vision.token_cells.tolist() == expected
    attention = torch.rand(1, 1, 1, 57)
    folded = vision.fold(attention)[0, 0, 0]
    assert folded.sum() == pytest.approx(float(attention[..., 1:].sum()))
    assert folded[1] == pytest.approx(float(attention[0, 0, 0, [3, 4, 7, 8]].sum()))


@pytest.mark.parametrize("fusion", ["ifa", "m-encoder"])
def test_pretrained_layers_have_the_rate_of_the_backbone_and_new_ones_that_of_the_fusion(
    fusion, clip, mner_data, tmp_path
):
    bert = save_encoder(tmp_path / "bert", "bert")
    rates = ("train.lr=1e-5", "train.vision_lr=2e-5", "train.fusion_lr=3e-5", "train.head_lr=4e-5")
    vision = f"vision={{backbone: clip-patches, weights: {clip}, image_size: 64, full_image: false, frozen: false}}"

    def rates_of(settings: str) -> dict[str, float]:
        overrides = (f"text={{name: {bert}}}", vision, f"fusion={{name: {fusion}{settings}}}", *rates)
        recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=overrides)
        model = build_model(recipe, REGISTRY, mner_data.labels)
        rate = {id(p): group["lr"] for group in parameter_groups(model, recipe.train) for p in group["params"]}
        return {name: rate[id(p)] for name, p in model.named_parameters() if p.requires_grad}

    pretrained, new = rates_of(f", clip: {clip}"), rates_of("")
    layers = [name for name in pretrained if "vision.layers" in name or "vision.norm" in name or "class_emb" in name]
    assert len(layers) > 20
    assert {pretrained[name] for name in layers} == {pretrained["vision.backbone.embedding.weight"]} == {2e-5}
    assert {new[name] for name in layers} == {pretrained["fusion.vision.positions.weight"]} == {3e-5}


def test_layers_without_pretraining_are_noted(tmp_path):
    system = system_of(tmp_path, "ifa")
    assert system.fusion.provenance_notes() == []
    system = system_of(tmp_path, "ifa", clip=None)
    assert system.fusion.provenance_notes() == [Message("clip-layers-random", fusion="ifa")]
