"""The option `--device`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps. [default: HVP_DEVICE, else auto]"),
]


def use_device(name: str | None) -> None:
    """Make a device the default of this process and of the processes that it starts.

    Args:
        name: Value of `--device`; None: no change. A GPU number hides the other GPUs, which must happen before torch is
            imported.
    """
    if name is None:
        return
    kind, _, number = name.partition(":")
    if kind == "cuda" and number.isdecimal():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        is_listed = int(number) < len(visible) and visible != [""]
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if is_listed else number
        name = kind
    os.environ["HVP_DEVICE"] = name
