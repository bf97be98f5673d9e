"""The contract of visual backbones."""

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
from hvpkit.testing.assertions import build_checked, check_deterministic, check_state, require, require_close, require_shape, seeded


def check_backbone(factory: Callable[..., VisualBackbone], *, side: int = 64, weights: str = "random", **options: Any) -> None:  # noqa: ANN401
    """Check that a backbone's maps are as its levels say, that images do not mix, gradients, determinism, and what it saves.

    Raises AssertionError for what is broken.
    """
    name = getattr(factory, "__name__", type(factory).__name__)
    require("weights" in signature(factory).parameters, Message("no-weights-option", name=name))
    with seeded():
        backbone = build_checked(factory, VisionContext(side), weights=weights, **options).eval()
        image = Image.frombytes("RGB", (50, 90), bytes(i * 7 % 256 for i in range(50 * 90 * 3)))
        (one,) = check_deterministic(lambda: {"pixels": backbone.transform(image)}).values()
        require_shape("pixels", one, (3, side, side))
        pixels = torch.stack([one, one.flip(-1)])
        maps = backbone(pixels)
        _check_levels(backbone, maps, side)
        for i in range(2):
            for alone, together in zip(backbone(pixels[i : i + 1]), maps, strict=True):
                require_close(
                    alone, together[i : i + 1], lambda off: Message("batch-changes-output", output="an image's maps", difference=off), 1e-4
                )
        learns = any(parameter.requires_grad for parameter in backbone.parameters())
        require(not learns or any(level.requires_grad for level in maps), Message("weights-without-gradient"))
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            backbone.save(Path(folder))
            saved = VisionContext(side, Path(folder))
            check_state(backbone, lambda: factory(saved, weights=weights, **options), lambda module: module(pixels))


def _check_levels(backbone: VisualBackbone, maps: Sequence[Tensor], side: int) -> None:
    require(len(maps) == len(backbone.levels), Message("map-count", found=len(maps), expected=len(backbone.levels)))
    strides = [level.stride for level in backbone.levels]
    require(strides == sorted(strides), Message("levels-unordered", strides=strides))
    for level, found in zip(backbone.levels, maps, strict=True):
        edge = round(side / level.stride)
        cells = (edge, edge) if level.cells is None else (level.cells,)
        require_shape("a map", found, (2, level.channels, *cells))
