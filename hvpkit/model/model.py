"""The model and its construction from a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.config.recipe import Recipe
from hvpkit.interfaces import (
    Batch,
    Fusion,
    FusionContext,
    Gate,
    Head,
    HeadContext,
    Projector,
    TextContext,
    TextEncoder,
    Trace,
    VisionContext,
)
from hvpkit.model.vision.tower import TowerOptions, VisualTower
from hvpkit.registry import Registry
from hvpkit.types import Example, Labels


@dataclass(frozen=True)
class ModelOutput:
    """Output of the model.

    Attributes:
        scores: Emissions [B, n, L] or logits [B, classes].
        loss: The loss, a scalar; None if the batch has no targets.
    """

    scores: Tensor
    loss: Tensor | None = None


class Model(nn.Module):
    """Compute a feature pyramid from images, fuse it with the text, and score the fused states.

    Args:
        text: The text encoder.
        vision: The visual tower; None for a text-only model.
        fusion: The fusion.
        head: The head.

    Source: Chen et al. 2022, figure 2.
    """

    def __init__(self, text: TextEncoder, vision: VisualTower | None, fusion: Fusion, head: Head) -> None:
        super().__init__()
        self.text, self.vision, self.fusion, self.head = text, vision, fusion, head

    @property
    def graph_safe(self) -> bool:
        """Return whether training steps may be captured as CUDA graphs: all components declare it."""
        kinds = (TextEncoder, VisualTower, Projector, Gate, Fusion, Head)
        return all(module.graph_safe for module in self.modules() if isinstance(module, kinds))

    def forward(self, batch: Batch, trace: Trace | None = None) -> ModelOutput:
        """Compute the scores of a batch; `trace` is filled with gates and attention."""
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
    """Folders of the components of a saved model.

    Attributes:
        folder: The model folder; None for a new model.
    """

    folder: Path | None = None

    def component_dir(self, name: str) -> Path | None:
        """Return the folder of a component, "text", "vision" or "fusion"; None for a new model."""
        return None if self.folder is None else self.folder / name


def build_model(
    recipe: Recipe,
    registry: Registry,
    labels: Labels,
    examples: Sequence[Example] = (),
    saved: ComponentFolders = ComponentFolders(),  # noqa: B008 - frozen
) -> Model:
    """Build the model of a recipe.

    Args:
        recipe: The recipe.
        registry: The registered components.
        labels: The labels that the head predicts.
        examples: Training examples, from which vocabularies are built.
        saved: Folders of a saved model, whose weights are loaded later; empty for a new model.

    Raises:
        ComponentError: If a component cannot be built or is incompatible with the others.
        ModelFolderError: If pretrained weights or a saved component cannot be loaded.
    """
    text = _build_text_encoder(recipe, registry, TextContext(recipe.task, examples, saved.component_dir("text")))
    vision = build_visual_tower(recipe, registry, saved)
    context = FusionContext(
        labels=labels,
        text=text,
        backbone=vision.backbone if vision else None,
        cells=recipe.vision.grid**2 if recipe.vision else 0,
        full_image=recipe.vision.full_image if recipe.vision else False,
        max_objects=recipe.vision.max_objects if recipe.vision else 0,
        build=lambda kind, spec, component_context: registry.build(kind, spec.name, component_context, spec.options),
        examples=examples,
        folder=saved.component_dir("fusion"),
        max_length=recipe.data.max_length,
    )
    fusion = _build_fusion(recipe, registry, context)
    head = registry.build("head", recipe.head.name, HeadContext(labels, fusion.width), recipe.head.options)
    return Model(text, vision, fusion, head)


def _build_text_encoder(recipe: Recipe, registry: Registry, context: TextContext) -> TextEncoder:
    options = recipe.text.options | ({} if recipe.text.name is None else {"name": recipe.text.name})
    encoder: TextEncoder = registry.build("text encoder", recipe.text.encoder, context, options)
    return encoder


def build_visual_tower(
    recipe: Recipe,
    registry: Registry,
    saved: ComponentFolders = ComponentFolders(),  # noqa: B008 - frozen
) -> VisualTower | None:
    """Build the visual tower of a recipe; None for a text-only model.

    Random weights of a frozen backbone depend on nothing but `train.seed`.

    Args:
        recipe: The recipe.
        registry: The registered components.
        saved: Folders of a saved model; empty for a new model.

    Raises:
        ComponentError: If the backbone cannot be built.
        ModelFolderError: If its weights cannot be loaded.
    """
    if recipe.vision is None:
        return None
    context = VisionContext(recipe.vision.image_size, saved.component_dir("vision"))
    backbone_options = recipe.vision.options | {"weights": recipe.vision.weights}
    is_frozen_random = recipe.vision.frozen and recipe.vision.weights == "random"
    with torch.random.fork_rng(enabled=is_frozen_random, devices=[]):
        if is_frozen_random:
            torch.manual_seed(recipe.train.seed)
        backbone = registry.build("visual backbone", recipe.vision.backbone, context, backbone_options)
    options = TowerOptions(
        recipe.vision.pooling, recipe.vision.missing, update_batchnorm_stats=recipe.train.backbone_mode == "train"
    )
    return VisualTower(backbone, grid=recipe.vision.grid, frozen=recipe.vision.frozen, options=options)


def _build_fusion(recipe: Recipe, registry: Registry, context: FusionContext) -> Fusion:
    specs = {"projector": recipe.fusion.projector, "gate": recipe.fusion.gate}
    options = recipe.fusion.options | {name: spec for name, spec in specs.items() if spec is not None}
    fusion: Fusion = registry.build("fusion", recipe.fusion.name, context, options)
    return fusion
