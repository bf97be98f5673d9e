"""Cache key of image features: code, configuration, weights and preprocessing of a backbone; folder of the cache."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from contextlib import suppress
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hvpkit.features.store import FeatureLayout, FeatureStore
from hvpkit.model.vision.tower import VisualTower
from hvpkit.types import Box
from hvpkit.utils.atomic_write import atomic_file

PLACE = "HVPKIT_CACHE"
NOWHERE = "none"
FORMAT = 2
FILE = "fingerprint.json"
LIBRARIES = ("hvpkit", "torch", "torchvision", "transformers", "pillow")


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


def open_feature_store(tower: VisualTower, folder: Path) -> FeatureStore:
    """Open the store of a tower's features, whose folder is named by backbone and fingerprint.

    Args:
        tower: Frozen visual tower in evaluation mode.
        folder: Folder of the stores of all backbones.

    Raises:
        OSError: The folder cannot be created, read or written.
    """
    if tower.training:
        raise ValueError("the tower must be in evaluation mode")
    fingerprint = feature_fingerprint(tower)
    digest = _digest(json.dumps(fingerprint, sort_keys=True).encode())[:16]
    levels = tower.backbone.levels
    layout = FeatureLayout(
        tuple(level.channels for level in levels), tuple(level.cells or tower.grid**2 for level in levels)
    )
    store = FeatureStore(folder / f"{type(tower.backbone).__name__.lower()}-{digest}", layout)
    if not (file := store.folder / FILE).exists():
        with atomic_file(file) as draft:
            draft.write_text(json.dumps(fingerprint, indent=2) + "\n", encoding="utf-8")
    return store


def feature_fingerprint(tower: VisualTower) -> dict[str, Any]:
    """Return all that determines the features of a tower, as JSON values."""
    noise = np.random.RandomState(0).randint(0, 256, (375, 500, 3)).astype(np.uint8)
    return {
        "format": FORMAT,
        "backbone": f"{type(tower.backbone).__module__}.{type(tower.backbone).__qualname__}",
        "code": _digest(*_source_code(tower)),
        "configuration": _digest(_configuration(tower).encode()),
        "weights": _weights_digest(tower),
        "preprocessing": _digest(tower.transform(Image.fromarray(noise)).numpy().tobytes()),
        "libraries": {name: version(name).partition("+")[0] for name in LIBRARIES},
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


def _source_code(tower: VisualTower) -> list[bytes]:
    """Read the files that define the classes of all modules."""
    files = set()
    for kind in {kind for module in tower.modules() for kind in type(module).__mro__}:
        with suppress(TypeError):  # built in, or defined interactively
            files.add(inspect.getfile(kind))
    contents = (Path(file).read_bytes() for file in files if Path(file).is_file())
    return sorted(contents)  # not by name, which differs between machines


def _configuration(tower: VisualTower) -> str:
    """Describe the tower, and every module by class, public attributes and, if it was traced, code."""
    modules = {
        name: [
            type(module).__qualname__,
            {key: value for key, value in vars(module).items() if key[0] != "_" and key != "training"},
            getattr(module, "code", None),
        ]
        for name, module in tower.backbone.named_modules()
    }
    values = [tower.grid, tower.options.pooling, str(tower.backbone.levels), tower.backbone.min_decode_size, modules]
    return json.dumps(values, sort_keys=True, skipkeys=True, default=lambda value: type(value).__qualname__)


def _weights_digest(tower: VisualTower) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.backbone.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()
