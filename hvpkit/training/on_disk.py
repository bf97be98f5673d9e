"""What training seldom reads lies in a file instead of memory (our own)."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file, save_file
from torch import nn


def leave_on_disk(module: nn.Module, folder: Path) -> None:
    """Map what a module does not learn, which must be on the CPU, from a nameless file in `folder`: it takes memory when it is read."""
    frozen = {name: tensor for name, tensor in chain(module.named_parameters(), module.named_buffers()) if not tensor.requires_grad}
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        file = Path(place) / "weights.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in frozen.items()}, file)
        for name, mapped in load_file(file).items():
            frozen[name].data = mapped
