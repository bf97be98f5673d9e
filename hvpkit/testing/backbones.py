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

from hvpkit.contracts import VisionContext, VisualBackbone
from hvpkit.testing.assertions import check_state, made, prepared_twice, require, require_close, require_shape, seeded


def check_backbone(factory: Callable[..., VisualBackbone], *, side: int = 64, weights: str = "random", **options: Any) -> None:  # noqa: ANN401
    """Check that a backbone's maps are as its levels say, that pictures do not mix, gradients, determinism, and what it saves.

    Raises AssertionError for what is broken.
    """
    require("weights" in signature(factory).parameters, "its factory takes no option `weights`, which every backbone is given")
    with seeded():
        backbone = made(factory, VisionContext(side), weights=weights, **options).eval()
        picture = Image.frombytes("RGB", (50, 90), bytes(i * 7 % 256 for i in range(50 * 90 * 3)))
        (one,) = prepared_twice(lambda: {"pixels": backbone.transform(picture)}).values()
        require_shape("pixels", one, (3, side, side))
        pixels = torch.stack([one, one.flip(-1)])
        maps = backbone(pixels)
        _check_levels(backbone, maps, side)
        for i in range(2):
            for alone, together in zip(backbone(pixels[i : i + 1]), maps, strict=True):
                require_close("a picture's maps alone and in a batch", alone, together[i : i + 1], 1e-4)
        learns = any(parameter.requires_grad for parameter in backbone.parameters())
        require(not learns or any(level.requires_grad for level in maps), "no gradient can reach its weights")
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            backbone.save(Path(folder))
            saved = VisionContext(side, Path(folder))
            check_state(backbone, lambda: factory(saved, weights=weights, **options), lambda module: module(pixels))


def _check_levels(backbone: VisualBackbone, maps: Sequence[Tensor], side: int) -> None:
    require(len(maps) == len(backbone.levels), f"it gives {len(maps)} maps and declares {len(backbone.levels)} levels")
    strides = [level.stride for level in backbone.levels]
    require(strides == sorted(strides), f"its levels do not go from fine to coarse: their strides are {strides}")
    for level, found in zip(backbone.levels, maps, strict=True):
        edge = round(side / level.stride)
        cells = (edge, edge) if level.cells is None else (level.cells,)
        require_shape("a map", found, (2, level.channels, *cells))
