"""Model cards: the README.md of a model folder."""

from __future__ import annotations

from typing import Any

from hvpkit.config.recipe import Recipe
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.utils.percent import format_score


def provenance_notes(model: Model, recipe: Recipe) -> list[str]:
    """List notes on random weights and missing pretraining, which distinguish the model from a pretrained one."""
    notes = [*model.text.provenance_notes(), *(model.vision.backbone.provenance_notes() if model.vision else [])]
    notes += model.fusion.provenance_notes()
    if recipe.vision is not None and recipe.vision.weights == "random":
        notes.append(Message("frozen-backbone-random") if recipe.vision.frozen else Message("backbone-random"))
    return notes


def model_card(model_folder: ModelFolder) -> str:
    """Render the model card: components, training data, scores and usage.

    Args:
        model_folder: Model folder with its recipe and metrics.

    Returns:
        Markdown text.
    """
    metrics, recipe = model_folder.metrics, model_folder.recipe
    data = metrics["data"]
    epoch = "best epoch on dev" if metrics["dev"] else "last epoch (no dev split)"
    vision = f"{recipe.vision.backbone} ({recipe.vision.weights})" if recipe.vision else "none"
    lines = [
        f"# {model_folder.folder.name}",
        "",
        f"A model for {recipe.task.upper()}, trained with hvpkit.",
        f"Text encoder: {metrics['encoder']}. Visual backbone: {vision}. Fusion: {recipe.fusion.name}.",
        "",
        f"- Data: {data['name']}, fingerprint `{data['fingerprint']}`, {data['examples']['train']} training examples "
        f"({data['with_image']['train']} with an image)",
        f"- Seed: {metrics['seed']}; {epoch}: {metrics['best_epoch']} of {recipe.train.epochs}",
        *_training_line(metrics),
        *_subset_line(recipe),
        *(
            [f"- Initialized from the weights of `{metrics['init_from']['model']}`, except the head"]
            if metrics.get("init_from")
            else []
        ),
        *[f"- {note}" for note in metrics["notes"]],
        "",
        "| split | precision | recall | F1 | examples |",
        "|---|---|---|---|---|",
        *[_row(split, metrics[split]) for split in ("dev", "test") if metrics[split]],
        "",
        "```",
        f'hvp predict --model {model_folder.folder.name} --text "..." --image image.jpg',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _training_line(metrics: dict[str, Any]) -> list[str]:
    training = metrics["training"]
    processes = f" in {training['processes']} processes" if training["processes"] > 1 else ""
    batch = f"{training['examples_a_step']} examples per step{processes}"
    return [f"- Training: {training['precision']} on {training['device']}, {batch}"]


def _subset_line(recipe: Recipe) -> list[str]:
    train = recipe.train
    subset = (
        f"{train.shots} examples of each class" if train.shots else f"{100 * train.fraction:g}% of the training set"
    )
    return [f"- Training subset: {subset}, drawn by the seed (see sample.json)"] if train.is_subsampled else []


def _row(split: str, scores: dict[str, Any]) -> str:
    overall = scores["overall"]
    columns = " | ".join(format_score(overall[key]) for key in ("precision", "recall", "f1"))
    return f"| {split} | {columns} | {scores['examples']} |"
