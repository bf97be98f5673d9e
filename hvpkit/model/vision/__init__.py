"""Visual backbones, projectors, and the tower that makes pyramids of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import VisionContext, VisualBackbone

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
CONVNEXTS = ("convnext-tiny", "convnext-small", "convnext-base", "convnext-large")


@hookimpl
def register_visual_backbones(register: Register) -> None:
    """Register the built-in backbones."""
    for name in (*RESNETS, "vgg16", *CONVNEXTS):
        register(name, _torchvision(name))
    register("hugging-face", build_hugging_face)
    register("cnn-from-scratch", build_cnn_from_scratch)
    register("scattering", build_scattering)


def _torchvision(name: str) -> Callable[..., VisualBackbone]:
    def build(context: VisionContext, *, weights: str = "imagenet", resize: Literal["full", "center-crop"] = "full") -> VisualBackbone:
        from hvpkit.model.vision.torchvision_backbone import load_torchvision_backbone

        return load_torchvision_backbone(name, context, weights=weights, resize=resize)

    build.__doc__ = (
        f"torchvision's {name}; weights `imagenet`, `random`, or a state dict's file.\n\n"
        "`resize: center-crop` shows the middle of an image whose shorter side was rescaled (release of Chen et al. 2022)."
    )
    return build


def build_hugging_face(context: VisionContext, *, weights: str, name: str | None = None) -> VisualBackbone:
    """Any Hugging Face backbone (`AutoBackbone`) by hub id or folder.

    `weights` is the id or folder, or `random` for the architecture of `name` alone.
    """
    from hvpkit.model.vision.hugging_face_backbone import load_hugging_face_backbone

    return load_hugging_face_backbone(context, weights=weights, name=name)


def build_cnn_from_scratch(context: VisionContext, *, weights: Literal["random"] = "random", width: PositiveInt = 16) -> VisualBackbone:
    """A small convolutional pyramid with random weights, to be trained with the rest (our own; offline)."""
    from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch

    return CnnFromScratch(context, width)


def build_scattering(context: VisionContext, *, weights: Literal["wavelets"] = "wavelets", orientations: PositiveInt = 8) -> VisualBackbone:
    """A pyramid of wavelets that are fixed and know nothing of any image (Bruna and Mallat 2013; offline)."""
    from hvpkit.model.vision.scattering import Scattering

    return Scattering(context, orientations)
