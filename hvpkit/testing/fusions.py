"""Contract check for fusions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hvpkit.interfaces import (
    Fused,
    Fusion,
    FusionContext,
    LevelInfo,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
    VisualBackbone,
)
from hvpkit.messages import Message
from hvpkit.registry import load_registry
from hvpkit.testing.assertions import (
    build_checked,
    check_deterministic,
    check_gradients,
    check_state,
    require,
    require_close,
    require_equal,
    require_shape,
    seeded,
)
from hvpkit.testing.inputs import (
    EXAMPLES,
    LABELS,
    encode,
    random_visual,
    select_row,
    small_bert,
    stack,
    text_batch,
    without_images,
)
from hvpkit.types import Labels, Task

GRID = 2


class AveragePoolBackbone(VisualBackbone):
    """Backbone without weights: two levels of average pooling."""

    levels = (LevelInfo(3, 8), LevelInfo(3, 16))

    def transform(self, image: Image.Image) -> Tensor:
        """Return a black image [3, 64, 64]."""
        return torch.zeros(3, 64, 64)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Pool pixels [N, 3, 64, 64] to one map per level."""
        return [avg_pool2d(pixels, level.stride) for level in self.levels]


def check_fusion(
    factory: Callable[..., Fusion],
    *,
    task: Task = "mner",
    encoder: TextEncoder | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a fusion.

    Its states, losses and trace have the expected shapes; no images and masked images give the same; the result for an
    example does not depend on the batch; it does not register the encoder or the backbone as a submodule; it has
    gradients, is deterministic, and is restored from its saved files.

    Args:
        factory: Factory of the fusion.
        task: Task of the fusion.
        encoder: Text encoder that the fusion requires; None takes a small BERT.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    with seeded():
        encoder = encoder or small_bert(task)
        context = _context(task, encoder.eval())
        fusion = build_checked(factory, context, **options).eval()
        _check_no_shared_modules(fusion, context)
        text, extras = _inputs(fusion, encoder, task)
        visual = random_visual([level.channels for level in AveragePoolBackbone.levels], context.cells)

        def run(module: Fusion) -> list[Tensor]:
            fused = module(encoder, text, visual, extras)
            return [*_outputs(fused), *fused.losses.values()]

        _check_fused(fusion(encoder, text, visual, extras), fusion.width, text, context.labels)
        masked = _outputs(fusion(encoder, text, without_images(visual), extras))
        for without, with_masked in zip(_outputs(fusion(encoder, text, None, extras)), masked, strict=True):
            require_close(
                without, with_masked, lambda difference: Message("masked-image-counts", difference=difference)
            )
        _check_rows(fusion, encoder, task, visual)
        _check_trace(fusion, encoder, text, visual, extras)
        with tempfile.TemporaryDirectory() as folder:
            fusion.save(Path(folder))
            saved = replace(context, examples=(), folder=Path(folder))
            check_state(fusion, lambda: factory(saved, **options), run)
        check_gradients(fusion, run)


def _context(task: Task, encoder: TextEncoder) -> FusionContext:
    registry = load_registry()
    return FusionContext(
        labels=LABELS[task],
        text=encoder,
        backbone=AveragePoolBackbone(),
        cells=GRID**2,
        full_image=True,
        max_objects=2,
        build=lambda kind, part, inner: registry.build(kind, part.name, inner, part.options),
        examples=EXAMPLES[task],
    )


def _inputs(
    fusion: Fusion, encoder: TextEncoder, task: Task, row: int | None = None
) -> tuple[TextBatch, dict[str, Tensor]]:
    examples = EXAMPLES[task] if row is None else EXAMPLES[task][row : row + 1]
    encoded = encode(encoder, examples)
    pairs = zip(examples, encoded, strict=True)
    rows = [check_deterministic(partial(fusion.build_inputs, *pair)) for pair in pairs]
    return text_batch(encoder, encoded), stack(rows)


def _outputs(fused: Fused) -> list[Tensor]:
    added = None if fused.emissions is None else fused.emissions.added
    return [tensor for tensor in (fused.states, fused.pooled, added) if tensor is not None]


def _check_no_shared_modules(fusion: Fusion, context: FusionContext) -> None:
    shared = {
        id(module) for other in (context.text, context.backbone) if other is not None for module in other.modules()
    }
    require(not any(id(module) in shared for module in fusion.modules()), Message("borrowed-module"))


def _check_fused(fused: Fused, width: int, text: TextBatch, labels: Labels) -> None:
    require(fused.states is not None or fused.pooled is not None, Message("nothing-fused"))
    if fused.states is not None:
        require_shape("states", fused.states, (*text.mask.shape, width))
    if fused.pooled is not None:
        require_shape("pooled", fused.pooled, (len(text.mask), width))
    if fused.emissions is not None:
        require_shape("added emissions", fused.emissions.added, (*text.word_mask.shape, len(labels.names)))
    for name, loss in fused.losses.items():
        require_shape(f"the loss {name!r}", loss, ())


def _check_rows(fusion: Fusion, encoder: TextEncoder, task: Task, visual: Visual) -> None:
    text, extras = _inputs(fusion, encoder, task)
    together = fusion(encoder, text, visual, extras)
    for row in range(len(text.mask)):
        row_text, row_extras = _inputs(fusion, encoder, task, row)
        alone = fusion(encoder, row_text, select_row(visual, row), row_extras)
        for first, second in zip(_outputs(alone), _outputs(together), strict=True):
            expected = second[row : row + 1]
            require_close(
                first,
                expected if expected.dim() == 2 else expected[:, : first.shape[1]],
                lambda difference: Message("batch-changes-output", output="an example", difference=difference),
            )


def _check_trace(
    fusion: Fusion, encoder: TextEncoder, text: TextBatch, visual: Visual, extras: dict[str, Tensor]
) -> None:
    trace = Trace()
    traced, plain = fusion(encoder, text, visual, extras, trace), fusion(encoder, text, visual, extras)
    require_equal(_outputs(traced), _outputs(plain), Message("trace-changes-output", output="the output"))
    if trace.gates is not None:
        require_shape("traced gates", trace.gates, (*visual.mask.shape, encoder.num_layers, len(visual.levels)))
    for attention in trace.attention:
        sums = attention.sum(-1).transpose(1, 2)[text.mask]
        ones = torch.ones_like(sums)
        require_close(
            sums,
            ones,
            lambda difference: Message("sum-not-one", output="a row of traced attention", difference=difference),
        )
