"""Contract check for gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hvpkit.interfaces import Gate, PrefixConfig
from hvpkit.messages import Message
from hvpkit.testing.assertions import (
    build_checked,
    check_gradients,
    check_state,
    require,
    require_close,
    require_shape,
    seeded,
)
from hvpkit.testing.inputs import EXISTING, SHAPE


def check_gate(
    factory: Callable[..., Gate],
    *,
    shape: PrefixConfig = SHAPE,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a gate.

    Its weights are not negative and sum to 1; masked images do not affect the penalty; the result for an example does
    not depend on the batch; it has gradients, is deterministic, and is restored from its state dict.

    Args:
        factory: Factory of the gate.
        shape: Shape of the prefix for which it is built.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    with seeded():
        mask = torch.tensor(EXISTING)
        levels = torch.randn(*mask.shape, len(shape.channels), shape.cells, shape.width)
        gate = build_checked(factory, shape, **options).eval()
        weights = gate(levels)
        require_shape("weights", weights, (*mask.shape, shape.layers, len(shape.channels)))
        require(bool((weights >= 0).all()), Message("negative-weights"))
        ones = torch.ones_like(weights[..., 0])
        require_close(
            weights.sum(-1),
            ones,
            lambda difference: Message("sum-not-one", output="a layer's weights", difference=difference),
        )
        for row in range(len(mask)):
            require_close(
                gate(levels[row : row + 1]),
                weights[row : row + 1],
                lambda difference: Message(
                    "batch-changes-output", output="an example's weights", difference=difference
                ),
            )
        _check_penalty(gate, weights, mask)
        check_state(gate, lambda: factory(shape, **options), lambda module: [module(levels)])
        check_gradients(gate, lambda module: [module(levels), *_penalties(module, module(levels), mask)])


def _check_penalty(gate: Gate, weights: Tensor, mask: Tensor) -> None:
    noise = torch.rand_like(weights).softmax(-1)
    changed = torch.where(mask[..., None, None], weights, noise)
    for penalty, changed_penalty in zip(_penalties(gate, weights, mask), _penalties(gate, changed, mask), strict=True):
        require_shape("the penalty", penalty, ())
        require_close(
            changed_penalty, penalty, lambda difference: Message("missing-image-counts", difference=difference)
        )
    for penalty in _penalties(gate, weights, torch.zeros_like(mask)):
        require_shape("the penalty of a batch whose images are all masked", penalty, ())


def _penalties(gate: Gate, weights: Tensor, mask: Tensor) -> list[Tensor]:
    penalty = gate.penalty(weights, mask)
    return [] if penalty is None else [penalty]
