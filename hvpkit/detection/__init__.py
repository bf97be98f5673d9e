"""Object detection: phrases to search for, detectors that return boxes, and box selection."""

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

    build.__doc__ = (
        f"Open-vocabulary detector: boxes for phrases by {name} (transformers)."
        "\n\nArgs:\n    context: Device and batch size.\n    weights: Hub id or folder."
    )
    return build


def _closed_set(name: str) -> Callable[..., ObjectDetector]:
    def build(
        context: DetectorContext, *, weights: str = "coco", side: PositiveInt = 800, regions: PositiveInt = 1000
    ) -> ObjectDetector:
        from hvpkit.detection.closed_set import load_closed_set

        return load_closed_set(name, context, weights, side, regions)

    build.__doc__ = (
        f"Closed-set detector: the 80 COCO classes by torchvision's {name} (ResNet-50, FPN)."
        "\n\nPhrases are not used.\n\nArgs:\n    context: Device and batch size."
        "\n    weights: `coco`, `random`, or the file of a state dict."
        "\n    side: Length of the shorter image side after resizing, in pixels."
        "\n    regions: Number of region proposals that the second stage scores."
    )
    return build


def build_saliency(context: DetectorContext) -> ObjectDetector:
    """Saliency detector: regions that differ in color from the image border, without weights.

    Phrases are not used.

    Args:
        context: Not used.

    Source: boundary prior of Wei et al. 2012; the rest is own.
    """
    from hvpkit.detection.saliency import SaliencyDetector

    return SaliencyDetector()


def build_annotated(context: DetectorContext, *, source: str | None = None, crops: str | None = None) -> ObjectDetector:
    """Annotated objects: those of the dataset, PASCAL VOC files, or the crops of a release.

    Args:
        context: Not used.
        source: A folder of `<image>.xml` files, a `_dict.pth` file, or a folder of `*_{train,val,test}_dict.pth`
            files. None: the objects of the dataset.
        crops: Folder of the crops that a `_dict.pth` file lists.

    Raises:
        DataError: "source-missing", "source-without-objects", "crops-without-source", "crop-folder-not-given" or
            "crop-folder-missing" if the source or the crops cannot be used.
    """
    from hvpkit.detection.annotated import load_annotated

    return load_annotated(source, crops)
