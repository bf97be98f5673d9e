"""Small training runs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tiny
from safetensors.torch import load_file

LEARNS = (
    "vision={backbone: cnn-from-scratch, weights: random, width: 8, image_size: 32, max_objects: 2, frozen: false}",
    "train.epochs=5",
)


def write_recipe(folder: Path, data: Path) -> Path:
    """Write a recipe that trains every part, images too."""
    recipe = tiny.recipe(folder, data, "mner", overrides=LEARNS)
    file = folder / "small.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    return file


def start(recipe: Path, output: Path, *options: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start `hvp train` as a user would."""
    command = [sys.executable, *launcher, "-m", "hvpkit", "train", str(recipe), "--output", str(output), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a run to end well; gives what it printed to stdout and stderr."""
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    return out, err


def weights(model: Path) -> dict[str, bytes]:
    """Read a model folder's weights as comparable bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(model / "weights.safetensors").items()}
