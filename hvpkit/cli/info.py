"""`hvp info`: versions, devices, caches, plugins, prepared data and models."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

import hvpkit
from hvpkit.cli import output
from hvpkit.registry import load_registry

LIBRARIES = ("torch", "torchvision", "transformers", "accelerate", "pytorch-crf", "numpy", "pillow", "spacy")
DATA, RUNS = Path("data"), Path("runs")


def command(
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show versions, devices, caches and plugins, and the data and models in this folder.

    Example: `hvp info --json`
    """
    facts = collect(plugins or [])
    if as_json:
        output.print_json(facts)
    else:
        output.print_table(("", "value"), [(name, _cell(value)) for name, value in facts.items()])


def collect(plugin_files: list[Path]) -> dict[str, Any]:
    """Collect the facts that a bug report needs.

    Args:
        plugin_files: Plugin files to load.
    """
    sources = {component.source for component in load_registry(tuple(plugin_files)).components()}
    return {
        "hvpkit": hvpkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: installed for name in LIBRARIES if (installed := _version(name)) is not None},
        "devices": _devices(),
        "cpus": os.cpu_count(),
        "feature cache": os.environ.get("HVPKIT_CACHE", "with the prepared data"),
        "plugins": sorted(source for source in sources if not source.startswith("hvpkit ")),
        "prepared data": sorted(file.parent.name for file in DATA.glob("*/manifest.json")),
        "models": sorted(file.parent.name for file in RUNS.glob("*/model.json")),
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    gpus = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
