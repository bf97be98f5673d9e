"""Contract check for projectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hvpkit.interfaces import PrefixConfig, Projector
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
from hvpkit.testing.inputs import SHAPE, random_visual, select_row


def check_projector(
    factory: Callable[..., Projector],
    *,
    shape: PrefixConfig = SHAPE,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a projector.

    Its levels and width have the expected shapes; the result for an example does not depend on the batch; it has
    gradients, is deterministic, and is restored from its state dict.

    Args:
        factory: Factory of the projector.
        shape: Shape of the prefix for which it is built.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    with seeded():
        visual = random_visual(shape.channels, shape.cells)
        projector = build_checked(factory, shape, **options).eval()
        width = Message("projector-width", found=projector.width, expected=shape.width)
        require(projector.width in (shape.width, 2 * shape.width), width)
        levels = projector(visual)
        require_shape("levels", levels, (*visual.mask.shape, len(shape.channels), shape.cells, projector.width))
        for row in range(len(levels)):
            require_close(
                projector(select_row(visual, row)),
                levels[row : row + 1],
                lambda difference: Message("batch-changes-output", output="an example's levels", difference=difference),
            )
        check_state(projector, lambda: factory(shape, **options), lambda module: [module(visual)])
        check_gradients(projector, lambda module: [module(visual)])
