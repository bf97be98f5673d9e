from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hvpkit import messages

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[[str], ModuleType]]:
    """Load a script of benchmarks/ as a module; its templates, which are none of hvpkit's, go with it."""
    added: set[str] = set()

    def by_name(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        before = messages.templates().keys()
        spec.loader.exec_module(module)
        added.update(messages.templates().keys() - before)
        return module

    yield by_name
    for code in added:
        del messages._ADDED[code]
