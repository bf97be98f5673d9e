"""Hooks on the layers of Hugging Face encoders, for prefixes that run between them.

A layer passes its prefix to its attention, but not to its feed-forward map. The hook on the layer therefore leaves the
prefix in a context variable, where the hook on the feed-forward map takes it; threads do not share context variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from hvpkit.interfaces import Prefix

# by architecture: names in a layer of its attention and of the first map of its feed-forward part, and how many inner
# values that map computes for each one that is activated (2 for gated linear units, the activated half first)
ARCHITECTURES = (
    ("attention.self", "intermediate.dense", 1),  # BERT, RoBERTa, XLM-R, ELECTRA, CamemBERT, ERNIE
    ("attention", "ffn.lin1", 1),  # DistilBERT
    ("attn", "mlp.Wi", 2),  # ModernBERT
)
_PREFIX: ContextVar[Prefix | None] = ContextVar("hvp_layer_prefix", default=None)


@dataclass(frozen=True)
class InnerMap:
    """First map of a layer's feed-forward part.

    Attributes:
        layer: The layer.
        attention: Its attention module.
        linear: The map.
        width: Number F of its outputs that are activated.
    """

    layer: nn.Module
    attention: nn.Module
    linear: nn.Linear
    width: int


def inner_maps(model: nn.Module) -> list[InnerMap]:
    """Find the feed-forward maps of all layers, from the first layer on; none for an unknown architecture."""
    return [found for module in model.modules() if (found := _inner_map(module)) is not None]


def _inner_map(layer: nn.Module) -> InnerMap | None:
    for attention_name, name, factor in ARCHITECTURES:
        attention, linear = _find_submodule(layer, attention_name), _find_submodule(layer, name)
        if attention is not None and isinstance(linear, nn.Linear):
            return InnerMap(layer, attention, linear, linear.out_features // factor)
    return None


def _find_submodule(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None


def add_layer_hooks(maps: Sequence[InnerMap]) -> None:
    """Add hooks that call `Prefix.enter_layer` and `Prefix.feed_forward_input`; call once per encoder.

    Args:
        maps: The feed-forward maps of an encoder, from the first layer on.
    """
    for number, inner in enumerate(maps):
        inner.layer.register_forward_pre_hook(partial(_enter_layer, number), with_kwargs=True)
        inner.linear.register_forward_hook(partial(_add_input, number))


def _enter_layer(number: int, layer: nn.Module, arguments: tuple[Tensor, ...], options: dict[str, object]) -> None:
    prefix = options.get("hvp_prefix")
    if isinstance(prefix, Prefix):
        prefix.enter_layer(number, arguments[0])
        _PREFIX.set(prefix)


def _add_input(number: int, linear: nn.Module, arguments: tuple[Tensor, ...], inner: Tensor) -> Tensor:
    """Add to the activated inner values [B, T, F] of a layer, if it has a prefix that asks for it."""
    prefix = _PREFIX.get()
    if prefix is None:
        return inner
    _PREFIX.set(None)  # a prefix holds tensors of its forward pass
    added = prefix.feed_forward_input(number)
    if added is None:
        return inner
    width = added.shape[-1]
    if width == inner.shape[-1]:
        return inner + added
    return torch.cat([inner[..., :width] + added, inner[..., width:]], dim=-1)
