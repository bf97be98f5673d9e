"""What training seldom reads lies in a file instead of memory (our own)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file, save_file
from torch import nn


def leave_on_disk(module: nn.Module, folder: Path) -> None:
    """Map a module's weights, which must be on the CPU, from a nameless file in `folder`: they take memory when they are read."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        file = Path(place) / "weights.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, file)
        module.load_state_dict(load_file(file), assign=True)
