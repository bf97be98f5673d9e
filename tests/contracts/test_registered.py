"""Every registered component, built in or from an installed plugin, keeps its contract.

A new one is checked as soon unchanged registered.

OPTIONS holds what a component cannot be built without.
"""

from __future__ import annotations

from pathlib import Path

import formats
import pytest
from fabricate import TWEETS, draw, pair, write_pairs, write_tweets
from torch import nn

from hvpkit.interfaces import TextContext, TextEncoder
from hvpkit.registry import KINDS, Component, load_registry
from hvpkit.testing import (
    check_backbone,
    check_detector,
    check_fusion,
    check_gate,
    check_head,
    check_projector,
    check_reader,
    check_text_encoder,
)
from hvpkit.testing.inputs import EXAMPLES
from hvpkit.types import Task

COMPONENTS = load_registry().components()
DETECTORS = ("grounding-dino", "mm-grounding-dino", "owlv2", "omdet-turbo")
OPTIONS = {
    ("text encoder", "bert-from-scratch"): {"width": 16, "num_layers": 2, "num_attention_heads": 2},
    ("text encoder", "hugging-face"): {"name": "bert"},
    ("text encoder", "visualbert"): {"name": "bert", "region_width": 6},
    ("text encoder", "visualbert-from-scratch"): {"width": 16, "num_layers": 2, "num_attention_heads": 2},
    ("visual backbone", "hugging-face"): {"name": "resnet"},
    ("visual backbone", "object-roi"): {"detector": "fasterrcnn-mobilenet-v3-large-fpn"},
    ("visual backbone", "cnn-from-scratch"): {"width": 8},
    ("visual backbone", "object-labels"): {"weights": "none"},
    ("visual backbone", "scattering"): {"weights": "wavelets", "orientations": 4},
    ("reader", "demo"): {"size": 40},
    ("reader", "demo-mre"): {"size": 40},
}


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    found = [component for component in COMPONENTS if component.kind in kinds]
    return pytest.mark.parametrize("component", found, ids=[component.name for component in found])


def for_each_task(*kinds: str) -> pytest.MarkDecorator:
    found = [(component, task) for component in COMPONENTS if component.kind in kinds for task in component.tasks]
    return pytest.mark.parametrize(
        ("component", "task"), found, ids=[f"{component.name}-{task}" for component, task in found]
    )


def options_of(component: Component) -> dict:
    return dict(OPTIONS.get((component.kind, component.name), {}))


@pytest.fixture
def quick_start(monkeypatch):
    """Draw first weights from a box: torch's truncated normals take seconds for the largest backbones."""

    def box(tensor, mean=0.0, std=1.0, *arguments, **options):
        return tensor.data.uniform_(mean - std, mean + std)

    monkeypatch.setattr(nn.init, "trunc_normal_", box)


def test_all_kinds_have_their_checks():
    assert {component.kind for component in COMPONENTS} <= {
        kind for kind in KINDS if f"test_{kind.replace(' ', '_')}" in globals()
    }


@for_each_task("text encoder")
def test_text_encoder(component, task, encoder_folder):
    options = options_of(component)
    if "name" in options:
        options["name"] = str(encoder_folder(options["name"]))
    declared = {name: name in component.provides for name in ("prefix", "layers")}
    check_text_encoder(component.factory, task=task, **declared, **options)


@of_kind("visual backbone")
def test_visual_backbone(component, backbone_folder, quick_start):
    options = options_of(component)
    if component.name == "hugging-face":
        options["name"] = str(backbone_folder(options["name"]))
    check_backbone(component.factory, **options)


@of_kind("projector")
def test_projector(component):
    check_projector(component.factory, **options_of(component))


@of_kind("gate")
def test_gate(component):
    check_gate(component.factory, **options_of(component))


@for_each_task("fusion")
def test_fusion(component, task):
    check_fusion(component.factory, task=task, encoder=encoder_for(component, task), **options_of(component))


def encoder_for(fusion: Component, task: Task) -> TextEncoder | None:
    """Make an encoder that gives all that a fusion needs, the first that is registered; None: the usual one does."""
    needs = fusion.needs - {"images"}
    if needs <= load_registry().get("text encoder", "bert-from-scratch").provides:
        return None
    fitting = [
        c for c in COMPONENTS if c.kind == "text encoder" and needs <= c.provides and "name" not in options_of(c)
    ]
    encoder: TextEncoder = fitting[0].factory(TextContext(task, EXAMPLES[task]), **options_of(fitting[0]))
    return encoder


@for_each_task("head")
def test_head(component, task):
    check_head(component.factory, task=task, **options_of(component))


def dataset_for(name: str, task: str, folder: Path) -> Path:
    """Write a few examples as the reader expects them; one that draws its own needs none."""
    if name.startswith("demo"):
        return Path()
    if name == "mnre":
        for split in ("train", "val", "test"):
            write_pairs(folder / "mnre" / f"mnre_{split}.txt", [pair(), pair("b.jpg", "None")])
        for image in ("a.jpg", "b.jpg"):
            draw(folder / "mnre" / "img_org" / image)
    elif name in formats.WRITERS[task]:
        formats.write_format(folder, name, task, images=True)
    else:
        write_tweets(folder / name)
        for split in TWEETS.values():
            for tweet, _ in split:
                draw(folder / f"{name}_images" / f"{tweet}.jpg")
    return folder


@for_each_task("reader")
def test_reader(component, task, tmp_path):
    check_reader(
        component.factory,
        root=dataset_for(component.name, task, tmp_path),
        task=task,
        **options_of(component),
    )


@of_kind("detector")
def test_detector(component, detector_folder):
    options = {"weights": str(detector_folder(component.name))} if component.name in DETECTORS else {}
    options |= {"weights": "random", "side": 64, "regions": 8} if "side" in component.options else {}
    check_detector(component.factory, uses_phrases="phrases" in component.needs, **options)
