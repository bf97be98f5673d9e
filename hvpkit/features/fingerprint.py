"""Whose features are whose: a name for all that decides what a tower makes of an image, and the folder that they are kept in."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, fx

from hvpkit.features.store import FeatureLayout, FeatureStore
from hvpkit.images.decode import open_image
from hvpkit.model.vision.tower import VisualTower
from hvpkit.types import Box

PLACE = "HVPKIT_CACHE"
NOWHERE = "none"
FORMAT = 1
PROBE = bytes(32)  # the key of the features of `probe`
CLOSE = 1e-2  # of a level's largest value: GPUs round otherwise than CPUs


def feature_dir(data: Path) -> Path | None:
    """Give the folder where features of all backbones are kept: `$HVPKIT_CACHE`, or `.features` beside the prepared `data`.

    None where `$HVPKIT_CACHE` is `none`.
    """
    place = os.environ.get(PLACE)
    return Path(os.path.abspath(data)).parent / ".features" if not place else None if place == NOWHERE else Path(place).expanduser()


def open_feature_store(tower: VisualTower, folder: Path) -> tuple[FeatureStore, bool]:
    """Open the store of this tower's features in `folder`, and tell whether what it held was stale, so that it is empty now.

    What the tower makes of an image of ours must be what it made of it when the store was begun: code may change where weights do not.
    Raises OSError when the folder cannot be made or written.
    """
    if tower.training:
        raise ValueError("a tower in training mode makes other features than in evaluation")
    what = feature_fingerprint(tower)
    name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    own = [level[0].float().cpu().numpy() for level in _probed(tower)]
    place = folder / f"{what['backbone'].rpartition('.')[2].lower()}-{name}"
    store = FeatureStore(place, FeatureLayout(tuple(level.shape[0] for level in own), tuple(level.shape[1] for level in own)))
    kept = store.read(PROBE)
    stale = kept is not None and not all(map(_alike, kept, own))
    if stale:
        store.clear()
    if kept is None or stale:
        (place / "identity.json").write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")
        store.write_many({PROBE: own})
    return store, stale


def feature_fingerprint(tower: VisualTower) -> dict[str, Any]:
    """Describe a tower: its backbone's class, structure and weights, what its transform makes of an image, grid and pooling."""
    backbone = tower.backbone
    return {
        "format": FORMAT,
        "backbone": f"{type(backbone).__module__}.{type(backbone).__qualname__}",
        "structure": _digest(_structure(tower).encode()),
        "weights": _weights(tower),
        "transform": _digest(tower.transform(probe(backbone.min_decode_size)).numpy().tobytes()),
        "grid": tower.grid,
        "pooling": tower.options.pooling,
    }


def region_key(content: bytes, box: Box | None) -> bytes:
    """Give the key of an image, by its file's bytes, or of a box of it."""
    edges = b"" if box is None else np.array(astuple(box), "<f8").tobytes()
    return hashlib.sha256(hashlib.sha256(content).digest() + edges).digest()


@lru_cache
def probe(ample: int | None) -> Image.Image:
    """Draw an image of noise and slopes and send it through JPEG, so that whatever decodes otherwise is found out."""
    height, width = 1000, 1200
    slopes = np.add.outer(np.arange(height), np.arange(width))[..., None] // (2, 3, 4)
    noise = np.random.RandomState(0).randint(0, 64, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(((slopes + noise) % 256).astype(np.uint8)).save(file, "JPEG", quality=90)
    return open_image(Path("probe"), content=file.getvalue(), min_decode_size=ample)


@torch.no_grad()
def _probed(tower: VisualTower) -> tuple[Tensor, ...]:
    pixels = tower.transform(probe(tower.backbone.min_decode_size))
    return tower.pyramid(pixels[None].to(tower.device))


def _alike(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=CLOSE * np.abs(other).max(), equal_nan=True))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _weights(tower: VisualTower) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.backbone.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _structure(tower: VisualTower) -> str:
    """List every module with its class and plain settings, and the code of traced ones."""
    lines = [f"{tower.backbone.levels} {tower.backbone.min_decode_size}"]
    for name, module in tower.backbone.named_modules():
        settings = {key: value for key, value in sorted(vars(module).items()) if key[0] != "_" and key != "training" and _plain(value)}
        code = module.code if isinstance(module, fx.GraphModule) else ""
        lines.append(f"{name} {type(module).__module__}.{type(module).__qualname__} {settings} {code}")
    return "\n".join(lines)


def _plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
