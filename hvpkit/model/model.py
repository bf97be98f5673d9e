"""The model: the paper's diagram, and how a recipe becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.config.recipe import Recipe
from hvpkit.interfaces import Batch, Fusion, FusionContext, Head, HeadContext, TextContext, TextEncoder, Trace, VisionContext
from hvpkit.model.vision.tower import TowerOptions, VisualTower
from hvpkit.registry import Registry
from hvpkit.types import Example, Labels


@dataclass(frozen=True)
class ModelOutput:
    """Scores: emissions [B, n, L] or logits [B, classes]; the loss, a scalar, when the batch has targets."""

    scores: Tensor
    loss: Tensor | None = None


class Model(nn.Module):
    """Images to a pyramid, text and pyramid to fused states, fused states to scores (Chen et al. 2022, figure 2)."""

    def __init__(self, text: TextEncoder, vision: VisualTower | None, fusion: Fusion, head: Head) -> None:
        super().__init__()
        self.text, self.vision, self.fusion, self.head = text, vision, fusion, head

    def forward(self, batch: Batch, trace: Trace | None = None) -> ModelOutput:
        """Score a batch; `trace` is filled with gates and attention."""
        images = batch.images
        visual = None if self.vision is None or images is None else self.vision(images)  # C levels [B, V, C_i, P]
        fused = self.fusion(self.text, batch.text, visual, batch.extras, trace)  # states [B, T, w]
        scores = self.head(fused, batch.text)  # emissions [B, n, L] or logits [B, classes]
        if not batch.targets:
            return ModelOutput(scores)
        loss = self.head.loss(scores, batch.text, batch.targets)
        return ModelOutput(scores, sum(fused.losses.values(), loss))


@dataclass(frozen=True)
class ComponentFolders:
    """The folder of a saved model: what its components wrote stands in a folder each."""

    folder: Path | None = None

    def component_dir(self, part: str) -> Path | None:
        """Give a part's folder, "text", "vision" or "fusion"; None for a new model."""
        return None if self.folder is None else self.folder / part


def build_model(
    recipe: Recipe,
    registry: Registry,
    labels: Labels,
    examples: Sequence[Example] = (),
    saved: ComponentFolders = ComponentFolders(),  # noqa: B008 - frozen
) -> Model:
    """Put a recipe's components together.

    Vocabularies are learnt from the training `examples`; from a saved model, all is built for weights that follow.
    Raises ComponentError or ModelFolderError when a part cannot be had or does not fit.
    """
    text = _text(recipe, registry, TextContext(recipe.task, examples, saved.component_dir("text")))
    vision = build_visual_tower(recipe, registry, saved)
    context = FusionContext(
        labels=labels,
        text=text,
        backbone=vision.backbone if vision else None,
        cells=recipe.vision.grid**2 if recipe.vision else 0,
        full_image=recipe.vision.full_image if recipe.vision else False,
        max_objects=recipe.vision.max_objects if recipe.vision else 0,
        build=lambda kind, part, inner: registry.build(kind, part.name, inner, part.options),
        examples=examples,
        folder=saved.component_dir("fusion"),
    )
    fusion = _fusion(recipe, registry, context)
    head = registry.build("head", recipe.head.name, HeadContext(labels, fusion.width), recipe.head.options)
    return Model(text, vision, fusion, head)


def _text(recipe: Recipe, registry: Registry, context: TextContext) -> TextEncoder:
    options = recipe.text.options | ({} if recipe.text.name is None else {"name": recipe.text.name})
    encoder: TextEncoder = registry.build("text encoder", recipe.text.encoder, context, options)
    return encoder


def build_visual_tower(recipe: Recipe, registry: Registry, saved: ComponentFolders = ComponentFolders()) -> VisualTower | None:  # noqa: B008 - frozen
    """Build what looks at images; None for a model of text alone. Frozen random weights come from the seed and nothing else."""
    if recipe.vision is None:
        return None
    context = VisionContext(recipe.vision.image_size, saved.component_dir("vision"))
    own = recipe.vision.options | {"weights": recipe.vision.weights}
    fixed = recipe.vision.frozen and recipe.vision.weights == "random"
    with torch.random.fork_rng(enabled=fixed, devices=[]):
        if fixed:
            torch.manual_seed(recipe.train.seed)
        backbone = registry.build("visual backbone", recipe.vision.backbone, context, own)
    options = TowerOptions(recipe.vision.pooling, recipe.vision.missing, update_batchnorm_stats=recipe.train.backbone_mode == "train")
    return VisualTower(backbone, grid=recipe.vision.grid, frozen=recipe.vision.frozen, options=options)


def _fusion(recipe: Recipe, registry: Registry, context: FusionContext) -> Fusion:
    parts = {"projector": recipe.fusion.projector, "gate": recipe.fusion.gate}
    options = recipe.fusion.options | {name: part for name, part in parts.items() if part is not None}
    fusion: Fusion = registry.build("fusion", recipe.fusion.name, context, options)
    return fusion
