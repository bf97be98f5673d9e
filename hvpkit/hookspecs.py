"""The hooks of hvpkit, one a component kind. A plugin implements those it needs and calls `register(name, factory, ...)`.

`factory` is a class or function: its first argument is the context of its kind (hvpkit/interfaces.py), its keyword-only arguments are
the options a recipe may give, and its docstring's first line is what `hvp components` shows. Modules that implement hooks are
imported by every command, so they import torch inside their factories only.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

hookspec = pluggy.HookspecMarker("hvpkit")
hookimpl = pluggy.HookimplMarker("hvpkit")


class Register(Protocol):
    """What a hook is handed to announce its components."""

    def __call__(
        self,
        name: str,
        factory: object,
        *,
        needs: frozenset[str] | set[str] = frozenset(),
        provides: frozenset[str] | set[str] = frozenset(),
        tasks: tuple[str, ...] = ("mner", "mre"),
    ) -> None:
        """Announce one component: what it needs of its neighbours ("prefix", "images", "states", "pooled"), what it provides, tasks."""


@hookspec
def register_text_encoders(register: Register) -> None:
    """Words to states. `provides`: "states", "pooled", "prefix" (it takes keys and values before its own)."""


@hookspec
def register_visual_backbones(register: Register) -> None:
    """Images to a pyramid of maps."""


@hookspec
def register_projectors(register: Register) -> None:
    """Pooled maps to levels of the text's width."""


@hookspec
def register_gates(register: Register) -> None:
    """Levels to weights over levels, for every text layer."""


@hookspec
def register_fusions(register: Register) -> None:
    """Text encoder, text and images to fused states. `needs`: "prefix" and/or "images"; `provides`: empty means what the text has;
    "emissions": it has a say on the tags of words."""


@hookspec
def register_heads(register: Register) -> None:
    """Fused states to predictions. `needs`: "states" or "pooled"; `tasks`: ("mner",), ("mre",) or both."""


@hookspec
def register_readers(register: Register) -> None:
    """A folder or file to examples."""


@hookspec
def register_detectors(register: Register) -> None:
    """An image and phrases to scored boxes. `needs`: "phrases" (it looks for them), "dataset" (it knows the objects of one dataset)."""
