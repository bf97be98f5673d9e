"""Frozen weights that training rarely reads, mapped from a file to save memory.

Source: own.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file, save_file
from torch import nn

from hvpkit.training.run_directory import MEMORY_MAP_PREFIX


def leave_on_disk(module: nn.Module, folder: Path) -> None:
    """Map a module's frozen weights from a file, so that they take memory only when they are read.

    Args:
        module: Module on the CPU.
        folder: Directory for the file, which is deleted at once; the mapping keeps its content.
    """
    frozen = {name: parameter for name, parameter in module.named_parameters() if not parameter.requires_grad}
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=MEMORY_MAP_PREFIX, ignore_cleanup_errors=True) as directory:
        file = Path(directory) / "weights.safetensors"
        save_file({name: parameter.detach().contiguous() for name, parameter in frozen.items()}, file)
        for name, mapped in load_file(file).items():
            frozen[name].data = mapped
