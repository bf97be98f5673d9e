"""What training seldom reads lies in a file instead of memory (our own)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file, save_file
from torch import nn

from hvpkit.training.run_directory import UNREAD


def leave_on_disk(module: nn.Module, folder: Path) -> None:
    """Map a module's frozen weights, which must be on the CPU, from a nameless file in `folder`: they take memory when they are read."""
    frozen = {name: parameter for name, parameter in module.named_parameters() if not parameter.requires_grad}
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=UNREAD, ignore_cleanup_errors=True) as place:
        file = Path(place) / "weights.safetensors"
        save_file({name: parameter.detach().contiguous() for name, parameter in frozen.items()}, file)
        for name, mapped in load_file(file).items():
            frozen[name].data = mapped
