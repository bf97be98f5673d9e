"""Plugin hooks of hvpkit, one per component kind.

A plugin implements the hooks that it needs and calls `register(name, factory, ...)` in them. `factory` is a class or
function: its first argument is the context of its kind (hvpkit/interfaces.py), its keyword-only arguments are the
options that a recipe may set, and the first line of its docstring is shown by `hvp components`. Every command imports
the modules that implement hooks, so they import torch only inside their factories.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

hookspec = pluggy.HookspecMarker("hvpkit")
hookimpl = pluggy.HookimplMarker("hvpkit")


class Register(Protocol):
    """Callback that a hook receives to register its components."""

    def __call__(
        self,
        name: str,
        factory: object,
        *,
        needs: frozenset[str] | set[str] = frozenset(),
        provides: frozenset[str] | set[str] = frozenset(),
        tasks: tuple[str, ...] = ("mner", "mre"),
    ) -> None:
        """Register one component.

        Args:
            name: Name in recipes, unique within the kind.
            factory: Class or function that builds the component.
            needs: What it needs: from other components "prefix", "images", "states", "pooled", ...; from the user
                "path".
            provides: What it provides to other components.
            tasks: Tasks that it can be used for.
        """


@hookspec
def register_text_encoders(register: Register) -> None:
    """Register text encoders, which map words to states.

    `provides`: "states", "pooled", "prefix" (it accepts keys and values before its own), "layers" (it calls
    all methods of a Prefix), "wordpieces" (it is a HuggingFaceEncoder whose states depend on the feature `input_ids`
    alone).
    """


@hookspec
def register_visual_backbones(register: Register) -> None:
    """Register visual backbones, which map images to a pyramid of feature maps."""


@hookspec
def register_projectors(register: Register) -> None:
    """Register projectors, which map pooled levels to the width of the text encoder."""


@hookspec
def register_gates(register: Register) -> None:
    """Register gates, which map levels to weights over the levels for every text layer."""


@hookspec
def register_fusions(register: Register) -> None:
    """Register fusions, which map text and images to fused states.

    `needs`: "prefix", "layers", "images". `provides`: empty for what the text encoder provides; "emissions" if it
    adds to the emissions of words.
    """


@hookspec
def register_heads(register: Register) -> None:
    """Register heads, which map fused states to predictions.

    `needs`: "states" or "pooled". `provides`: "other-tags" if its emissions are not of the labels, so that a fusion
    cannot add to them. `tasks`: ("mner",), ("mre",) or both.
    """


@hookspec
def register_readers(register: Register) -> None:
    """Register readers, which map a folder or file to examples.

    `needs`: "path" for readers of a file format, which is recognized by content under a path that the user names;
    other readers are selected by the name of their dataset.
    """


@hookspec
def register_detectors(register: Register) -> None:
    """Register object detectors, which map an image and phrases to scored boxes.

    `needs`: "phrases" (it searches for them), "dataset" (it returns the annotated objects of one dataset).
    """
