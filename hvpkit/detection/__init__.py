"""Objects of images: phrases to look for, detectors that find boxes for them, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hvpkit.config.option_types import PositiveInt
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import DetectorContext, ObjectDetector

ZERO_SHOT = {
    "grounding-dino": "IDEA-Research/grounding-dino-tiny",
    "mm-grounding-dino": "openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
    "owlv2": "google/owlv2-base-patch16-ensemble",
    "omdet-turbo": "omlab/omdet-turbo-swin-tiny-hf",
}
CLOSED_SET = ("fasterrcnn", "maskrcnn")


@hookimpl
def register_detectors(register: Register) -> None:
    """Register the built-in detectors."""
    for name, weights in ZERO_SHOT.items():
        register(name, _zero_shot(name, weights), needs={"phrases"})
    for name in CLOSED_SET:
        register(name, _closed_set(name))
    register("saliency", build_saliency)
    register("annotated", build_annotated, needs={"dataset"})


def _zero_shot(name: str, published: str) -> Callable[..., ObjectDetector]:
    def build(context: DetectorContext, *, weights: str = published) -> ObjectDetector:
        from hvpkit.detection.open_vocabulary import load_open_vocabulary

        return load_open_vocabulary(name, context, weights)

    build.__doc__ = f"Boxes for phrases by {name} (transformers); weights: a hub id or folder."
    return build


def _closed_set(name: str) -> Callable[..., ObjectDetector]:
    def build(context: DetectorContext, *, weights: str = "coco", side: PositiveInt = 800, regions: PositiveInt = 1000) -> ObjectDetector:
        from hvpkit.detection.closed_set import load_closed_set

        return load_closed_set(name, context, weights, side, regions)

    build.__doc__ = (
        f"torchvision's {name} (ResNet-50, FPN): 80 kinds of things, no phrases read; weights `coco`, `random`, or a state dict's file."
        "\n\n`side`: what the shorter side of an image is rescaled to, in pixels; `regions`: how many the second stage looks at."
    )
    return build


def build_saliency(context: DetectorContext) -> ObjectDetector:
    """What differs in colour from the image's border: no weights, no phrases read (boundary prior of Wei et al. 2012)."""
    from hvpkit.detection.saliency import SaliencyDetector

    return SaliencyDetector()


def build_annotated(context: DetectorContext, *, source: str | None = None, crops: str | None = None) -> ObjectDetector:
    """Objects that are known: those of the dataset, or of `source`: PASCAL-VOC files by image, or a released `_dict.pth` with `crops`.

    `source` is a folder of `<image>.xml`, a `_dict.pth`, or a folder of `*_{train,val,test}_dict.pth`; `crops` the folder of the crops.
    """
    from hvpkit.detection.annotated import load_annotated

    return load_annotated(source, crops)
