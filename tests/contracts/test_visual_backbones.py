"""Hugging Face backbones of every family, opened from a folder as they stand on the hub.

Classifiers with a head too many.
"""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from raising import raises
from small_models import BACKBONES
from transformers import AutoModelForImageClassification

from hvpkit.errors import ModelFolderError
from hvpkit.interfaces import LevelInfo, VisionContext
from hvpkit.messages import Message
from hvpkit.registry import load_registry
from hvpkit.testing import check_backbone

hugging_face = load_registry().get("visual backbone", "hugging-face").factory
LEVELS = {
    "resnet": [(8, 4), (12, 8), (16, 16), (20, 32)],
    "convnextv2": [(8, 4), (12, 8), (16, 16), (20, 32)],
    "swin": [(8, 4), (16, 8), (32, 16), (64, 32)],
    "dinov2": [(16, 16), (16, 16), (16, 16)],  # a plain transformer: its layers are the levels
}


@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_it_keeps_the_contract(kind, backbone_folder):
    check_backbone(hugging_face, weights=str(backbone_folder(kind)))
    check_backbone(hugging_face, weights="random", name=str(backbone_folder(kind)))


@pytest.mark.parametrize("kind", sorted(BACKBONES))
@pytest.mark.parametrize("side", [64, 128])
def test_all_of_its_stages_are_levels(kind, side, backbone_folder):
    backbone = hugging_face(VisionContext(side), weights=str(backbone_folder(kind)))
    assert backbone.levels == tuple(LevelInfo(channels, stride) for channels, stride in LEVELS[kind])
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(1, 3, side, side))
    assert [tuple(level.shape) for level in maps] == [(1, c, side // s, side // s) for c, s in LEVELS[kind]]


@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_weights_are_loaded_unless_random_ones_are_requested(kind, backbone_folder):
    folder = str(backbone_folder(kind))
    whole = AutoModelForImageClassification.from_pretrained(folder).state_dict()
    saved = whole | {name.partition(".")[2]: value for name, value in whole.items()}
    opened = hugging_face(VisionContext(64), weights=folder).model.state_dict()
    common = [name for name in opened if name in saved]
    assert len(common) > 10
    assert all(torch.equal(opened[name], saved[name]) for name in common)
    assert all("hidden_states_norms" in name for name in opened if name not in saved)
    random = hugging_face(VisionContext(64), weights="random", name=folder).model.state_dict()
    assert any(not torch.equal(random[name], saved[name]) for name in common)


def test_pixels_are_normalized_and_resized_by_its_preprocessor(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder("resnet"), tmp_path / "resnet")
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "image_mean": [0.5, 0.25, 0.0],
        "image_std": [0.5, 0.25, 2.0],
    }
    preprocessor["size"] = {"height": 96, "width": 96}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    backbone = hugging_face(VisionContext(), weights=str(folder))
    expected = torch.tensor([1.0, -1.0, 0.1])[:, None, None].expand(3, 96, 96)
    image = Image.new("RGB", (7, 9), (255, 0, 51))
    torch.testing.assert_close(backbone.transform(image), expected)
    backbone.save(tmp_path / "saved")
    reopened = hugging_face(VisionContext(None, tmp_path / "saved"), weights="imagenet")
    assert torch.equal(reopened.transform(image), backbone.transform(image))
    assert hugging_face(VisionContext(64), weights=str(folder)).transform(image).shape == (3, 64, 64)


def test_a_preprocessor_that_does_not_normalise_is_followed(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder("resnet"), tmp_path / "resnet")
    preprocessor = {"image_processor_type": "ViTImageProcessor", "do_normalize": False, "image_mean": [0.5, 0.5, 0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    backbone = hugging_face(VisionContext(64), weights=str(folder))
    pixels = backbone.transform(Image.new("RGB", (7, 9), (255, 0, 51)))
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor([1.0, 0.0, 0.2]))


def test_without_a_preprocessor_imagenet_s_normalisation_is_taken(backbone_folder):
    backbone = hugging_face(VisionContext(), weights=str(backbone_folder("resnet")))
    pixels = backbone.transform(Image.new("RGB", (7, 9), "black"))
    assert pixels.shape == (3, 224, 224)
    torch.testing.assert_close(pixels[:, 0, 0], torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]))


def test_weights_that_lack_a_stage_are_refused(backbone_folder, tmp_path):
    folder = shutil.copytree(backbone_folder("resnet"), tmp_path / "resnet")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"depths": [1, 1, 1, 3]}))
    with raises(ModelFolderError, "pretrained-not-opened", kind="visual backbone", name=str(folder)) as refused:
        hugging_face(VisionContext(64), weights=str(folder))
    reason = refused.value.fields["reason"]
    assert reason.code == "weights-incomplete"
    assert reason.fields["count"] > 0
    assert any("encoder.stages.3" in name for name in reason.fields["names"])


@pytest.mark.parametrize("weights", ["imagenet", "random"])
def test_name_of_backbone_is_required(weights):
    with raises(ModelFolderError, "hugging-face-without-weights"):
        hugging_face(VisionContext(64), weights=weights)


def test_a_text_encoder_is_no_backbone(encoder_folder):
    with raises(
        ModelFolderError, "pretrained-not-opened", reason=Message("model-without-backbone", model_type="bert")
    ) as refused:
        hugging_face(VisionContext(64), weights=str(encoder_folder("bert")))
    assert refused.value.fields["reason"].code == "model-without-backbone"


def test_a_missing_folder_and_an_unreachable_id_name_the_way_out():
    with raises(
        ModelFolderError,
        "pretrained-folder-missing",
        kind="visual backbone",
        folder="./nothing",
        option="vision.weights",
    ):
        hugging_face(VisionContext(64), weights="./nothing")
    with raises(
        ModelFolderError, "hub-offline", kind="visual backbone", name="microsoft/resnet-18", option="vision.weights"
    ):
        hugging_face(VisionContext(64), weights="microsoft/resnet-18")
