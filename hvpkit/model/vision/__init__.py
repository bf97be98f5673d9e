"""Visual backbones, and the tower that computes feature pyramids of images."""

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
    def build(
        context: VisionContext, *, weights: str = "imagenet", resize: Literal["full", "center-crop"] = "full"
    ) -> VisualBackbone:
        from hvpkit.model.vision.torchvision_backbone import load_torchvision_backbone

        return load_torchvision_backbone(name, context, weights=weights, resize=resize)

    build.__doc__ = (
        f"torchvision's {name}; weights `imagenet`, `random`, or the file of a state dict.\n\n"
        "`resize: center-crop` rescales the shorter side of an image and crops its center, as in the code released "
        "with "
        "Chen et al. 2022."
    )
    return build


def build_hugging_face(context: VisionContext, *, weights: str, name: str | None = None) -> VisualBackbone:
    """Hugging Face backbone (`AutoBackbone`), by hub id or local folder.

    Args:
        context: What the backbone is built from.
        weights: Hub id or local folder; `random` for the architecture of `name` alone.
        name: Hub id or local folder of the architecture, if it is not that of `weights`.

    Raises:
        ModelFolderError: If the backbone cannot be found or loaded.
    """
    from hvpkit.model.vision.hugging_face_backbone import load_hugging_face_backbone

    return load_hugging_face_backbone(context, weights=weights, name=name)


def build_cnn_from_scratch(
    context: VisionContext, *, weights: Literal["random"] = "random", width: PositiveInt = 16
) -> VisualBackbone:
    """Small convolutional network with random weights, trained with the rest of the model (offline).

    Args:
        context: What the backbone is built from.
        weights: Always `random`.
        width: Channels of the finest level; they double with each level.

    Source: own.
    """
    from hvpkit.model.vision.cnn_from_scratch import CnnFromScratch

    return CnnFromScratch(context, width)


def build_scattering(
    context: VisionContext, *, weights: Literal["wavelets"] = "wavelets", orientations: PositiveInt = 8
) -> VisualBackbone:
    """Scattering transform: a pyramid of fixed wavelets, not trained on images (offline).

    Args:
        context: What the backbone is built from.
        weights: Always `wavelets`.
        orientations: Number of orientations of the wavelets.

    Source: Bruna and Mallat 2013.
    """
    from hvpkit.model.vision.scattering import Scattering

    return Scattering(context, orientations)
