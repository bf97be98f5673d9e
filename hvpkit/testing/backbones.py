"""Contract check for visual backbones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from hvpkit.interfaces import VisionContext, VisualBackbone
from hvpkit.messages import Message
from hvpkit.testing.assertions import (
    build_checked,
    check_deterministic,
    check_state,
    require,
    require_close,
    require_shape,
    seeded,
)


def check_backbone(
    factory: Callable[..., VisualBackbone],
    *,
    side: int = 64,
    weights: str = "random",
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a visual backbone.

    Its feature maps have the shapes of its levels; the maps of an image do not depend on the batch; it has gradients,
    is deterministic, and is restored from its saved files and state dict.

    Args:
        factory: Factory of the backbone.
        side: Side of the images in pixels.
        weights: Value of the factory's option `weights`.
        options: Further options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    name = getattr(factory, "__name__", type(factory).__name__)
    require("weights" in signature(factory).parameters, Message("no-weights-option", name=name))
    with seeded():
        backbone = build_checked(factory, VisionContext(side), weights=weights, **options).eval()
        image = Image.frombytes("RGB", (50, 90), bytes(i * 7 % 256 for i in range(50 * 90 * 3)))
        (first,) = check_deterministic(lambda: {"pixels": backbone.transform(image)}).values()
        require_shape("pixels", first, (3, side, side))
        pixels = torch.stack([first, first.flip(-1)])
        maps = backbone(pixels)
        _check_levels(backbone, maps, side)
        for i in range(2):
            for alone, together in zip(backbone(pixels[i : i + 1]), maps, strict=True):
                require_close(
                    alone,
                    together[i : i + 1],
                    lambda difference: Message("batch-changes-output", output="an image's maps", difference=difference),
                    1e-4,
                )
        is_trained = any(parameter.requires_grad for parameter in backbone.parameters())
        require(not is_trained or any(level.requires_grad for level in maps), Message("weights-without-gradient"))
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            backbone.save(Path(folder))
            saved = VisionContext(side, Path(folder))
            check_state(backbone, lambda: factory(saved, weights=weights, **options), lambda module: module(pixels))


def _check_levels(backbone: VisualBackbone, maps: Sequence[Tensor], side: int) -> None:
    require(len(maps) == len(backbone.levels), Message("map-count", found=len(maps), expected=len(backbone.levels)))
    strides = [level.stride for level in backbone.levels]
    require(strides == sorted(strides), Message("levels-unordered", strides=strides))
    for level, feature_map in zip(backbone.levels, maps, strict=True):
        edge = round(side / level.stride)
        cells = (edge, edge) if level.cells is None else (level.cells,)
        require_shape("a map", feature_map, (2, level.channels, *cells))
