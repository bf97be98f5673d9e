"""Cache key of image features: fingerprint of backbone, weights and preprocessing; folder of the cache."""

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
PROBE = bytes(32)  # key of the features of the probe image
TOLERANCE = 1e-2  # relative to the largest value of a level: GPUs and CPUs round differently


def feature_dir(data: Path) -> Path | None:
    """Return the folder of the feature stores of all backbones.

    Args:
        data: Folder of prepared data.

    Returns:
        `$HVPKIT_CACHE`, or `.features` next to the prepared data; None if `$HVPKIT_CACHE` is `none`.
    """
    folder = os.environ.get(PLACE)
    if not folder:
        return Path(os.path.abspath(data)).parent / ".features"
    return None if folder == NOWHERE else Path(folder).expanduser()


def open_feature_store(tower: VisualTower, folder: Path) -> tuple[FeatureStore, bool]:
    """Open the store of a tower's features.

    The features of a fixed probe image are compared with those in the store, because code may change while weights do
    not.

    Args:
        tower: Frozen visual tower in evaluation mode.
        folder: Folder of the stores of all backbones.

    Returns:
        The store, and whether its features were stale and therefore removed.

    Raises:
        OSError: The folder cannot be created or written.
    """
    if tower.training:
        raise ValueError("the tower must be in evaluation mode")
    fingerprint = feature_fingerprint(tower)
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    levels = [level[0].float().cpu().numpy() for level in _probe_features(tower)]
    store_dir = folder / f"{fingerprint['backbone'].rpartition('.')[2].lower()}-{digest}"
    layout = FeatureLayout(tuple(level.shape[0] for level in levels), tuple(level.shape[1] for level in levels))
    store = FeatureStore(store_dir, layout)
    stored = store.read(PROBE)
    stale = stored is not None and not all(map(_is_close, stored, levels))
    if stale:
        store.clear()
    if stored is None or stale:
        (store_dir / "identity.json").write_text(json.dumps(fingerprint, indent=2) + "\n", encoding="utf-8")
        store.write_many({PROBE: levels})
    return store, stale


def feature_fingerprint(tower: VisualTower) -> dict[str, Any]:
    """Return all that determines the features of a tower, with digests of structure, weights and transform."""
    backbone = tower.backbone
    return {
        "format": FORMAT,
        "backbone": f"{type(backbone).__module__}.{type(backbone).__qualname__}",
        "structure": _digest(_structure(tower).encode()),
        "weights": _weights_digest(tower),
        "transform": _digest(tower.transform(probe(backbone.min_decode_size)).numpy().tobytes()),
        "grid": tower.grid,
        "pooling": tower.options.pooling,
    }


def region_key(content: bytes, box: Box | None) -> bytes:
    """Compute the key of an image region.

    Args:
        content: Bytes of the image file.
        box: Box in pixels; None: the full image.

    Returns:
        A sha256 digest, 32 bytes.
    """
    edges = b"" if box is None else np.array(astuple(box), "<f8").tobytes()
    return hashlib.sha256(hashlib.sha256(content).digest() + edges).digest()


@lru_cache
def probe(min_decode_size: int | None) -> Image.Image:
    """Generate the probe image, noise and gradients as a JPEG, which reveals changes of the decoder.

    Args:
        min_decode_size: Minimum side length up to which the JPEG may be decoded at reduced resolution; None: full
        resolution.
    """
    height, width = 1000, 1200
    gradients = np.add.outer(np.arange(height), np.arange(width))[..., None] // (2, 3, 4)
    noise = np.random.RandomState(0).randint(0, 64, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(((gradients + noise) % 256).astype(np.uint8)).save(file, "JPEG", quality=90)
    return open_image(Path("probe"), content=file.getvalue(), min_decode_size=min_decode_size)


@torch.no_grad()
def _probe_features(tower: VisualTower) -> tuple[Tensor, ...]:
    pixels = tower.transform(probe(tower.backbone.min_decode_size))
    return tower.pyramid(pixels[None].to(tower.device))


def _is_close(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=TOLERANCE * np.abs(other).max(), equal_nan=True))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _weights_digest(tower: VisualTower) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.backbone.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _structure(tower: VisualTower) -> str:
    """Describe every module by its class and plain attributes, and traced modules by their code."""
    lines = [f"{tower.backbone.levels} {tower.backbone.min_decode_size}"]
    for name, module in tower.backbone.named_modules():
        attributes = sorted((key, value) for key, value in vars(module).items() if key[0] != "_" and key != "training")
        settings = {key: value for key, value in attributes if _is_plain(value)}
        code = module.code if isinstance(module, fx.GraphModule) else ""
        lines.append(f"{name} {type(module).__module__}.{type(module).__qualname__} {settings} {code}")
    return "\n".join(lines)


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
