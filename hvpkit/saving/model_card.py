"""What a model folder says of itself to people."""

from __future__ import annotations

from typing import Any

from hvpkit.config.recipe import Recipe
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.saving.model_folder import ModelFolder


def provenance_notes(model: Model, recipe: Recipe) -> list[str]:
    """Name the parts with random or untrained weights: a score must not be taken for that of a pretrained system."""
    found = [*model.text.provenance_notes(), *(model.vision.backbone.provenance_notes() if model.vision else [])]
    if recipe.vision is not None and recipe.vision.weights == "random":
        found.append(Message("frozen-backbone-random") if recipe.vision.frozen else Message("backbone-random"))
    return found


def model_card(what: ModelFolder) -> str:
    """Write README.md of a model folder: what it is, on what it was trained, how it scored, how to use it."""
    metrics, recipe = what.metrics, what.recipe
    data = metrics["data"]
    vision = f"{recipe.vision.backbone} ({recipe.vision.weights})" if recipe.vision else "none"
    lines = [
        f"# {what.folder.name}",
        "",
        f"A model for {recipe.task.upper()} made with hvpkit.",
        f"Text: {metrics['encoder']}. Images: {vision}. Fusion: {recipe.fusion.name}.",
        "",
        f"- data: {data['name']}, fingerprint `{data['fingerprint']}`, {data['examples']['train']} training examples "
        f"({data['images']['train']} with an image)",
        f"- seed {metrics['seed']}, {'best epoch on dev' if metrics['dev'] else 'without a dev split, epoch'} {metrics['best_epoch']} "
        f"of {recipe.train.epochs}",
        *_how(metrics),
        *_drawn(recipe),
        *([f"- started from the weights of `{metrics['start']['model']}`, all but the head"] if metrics.get("start") else []),
        *[f"- {remark}" for remark in metrics["remarks"]],
        "",
        "| split | precision | recall | F1 | examples |",
        "|---|---|---|---|---|",
        *[_row(split, metrics[split]) for split in ("dev", "test") if metrics[split]],
        "",
        "```",
        f'hvp predict --model {what.folder.name} --text "..." --image image.jpg',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _how(metrics: dict[str, Any]) -> list[str]:
    how = metrics["training"]
    among = f" among {how['processes']} processes" if how["processes"] > 1 else ""
    return [f"- trained in {how['precision']} on {how['device']}, {how['examples_a_step']} examples a step{among}"]


def _drawn(recipe: Recipe) -> list[str]:
    train = recipe.train
    what = f"{train.shots} shots of each class" if train.shots else f"{100 * train.fraction:g}% of the training set"
    return [f"- trained on {what}, drawn by the seed (sample.json)"] if train.is_subsampled else []


def _row(split: str, scores: dict[str, Any]) -> str:
    overall = scores["overall"]
    numbers = " | ".join(f"{100 * overall[key]:.2f}" for key in ("precision", "recall", "f1"))
    return f"| {split} | {numbers} | {scores['examples']} |"
