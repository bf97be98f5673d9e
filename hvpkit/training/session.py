"""Everything that a training run needs before its first step."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transformers.trainer_utils import set_seed

from hvpkit.batching import Batcher, EncodedDataset
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData
from hvpkit.errors import DataError, ModelFolderError
from hvpkit.features.cache import PixelCache, open_feature_cache
from hvpkit.features.fingerprint import feature_dir
from hvpkit.messages import Message
from hvpkit.model.model import Model, build_model
from hvpkit.registry import Registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.training.distributed import local_device
from hvpkit.training.encode import encode_training_set, extract_features
from hvpkit.training.init_from import load_matching
from hvpkit.training.subsample import subsample
from hvpkit.types import SPLITS, Example, Split

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSession:
    """Data, model and encoded training set of one run.

    Attributes:
        recipe: Recipe to train.
        registry: Registry of the recipe's components.
        data: Prepared data.
        examples: Usable examples by split; empty for a split that is not read.
        model: Model to train.
        batcher: Batcher of the model.
        train_set: Encoded training examples.
        num_unread: Number of training examples that could not be encoded.
        init_from: Description of the model whose weights were copied; None without one.
        notes: Notes on the data, for metrics.json.
    """

    recipe: Recipe
    registry: Registry
    data: PreparedData
    examples: dict[Split, Sequence[Example]]
    model: Model
    batcher: Batcher
    train_set: EncodedDataset
    num_unread: int
    init_from: dict[str, Any] | None
    notes: list[Message]


def setup(recipe: Recipe, registry: Registry, data: PreparedData, splits: Sequence[Split] = SPLITS) -> TrainingSession:
    """Read the examples, build the model, extract image features and encode the training set.

    Args:
        recipe: Recipe to train.
        registry: Registry of the recipe's components.
        data: Prepared data.
        splits: Splits that are read.

    Raises:
        DataError: "no-training-examples", "no-usable-training-examples" or "no-entity-to-sample" if the data do not
            suit the recipe.
        ModelFolderError: "no-tensors-in-common" if the model of `train.init_from` does not fit.
    """
    examples = read_examples(recipe, data, splits)
    set_seed(recipe.train.seed)
    model = build_model(recipe, registry, data.labels, examples["train"])
    init_from = None if recipe.train.init_from is None else _init_from(recipe.train.init_from, model, registry)
    return encode_session(recipe, registry, data, examples, model, init_from)


def read_examples(
    recipe: Recipe, data: PreparedData, splits: Sequence[Split] = SPLITS
) -> dict[Split, Sequence[Example]]:
    """Read the examples of splits, the training set subsampled as the recipe says.

    Args:
        recipe: Recipe to train.
        data: Prepared data.
        splits: Splits that are read; the others are empty.

    Raises:
        DataError: "no-training-examples" or "no-entity-to-sample".
    """
    examples: dict[Split, Sequence[Example]] = {
        split: _select_images(data.examples(split), recipe) if split in splits else () for split in SPLITS
    }
    if not examples["train"]:
        raise DataError("no-training-examples", data=data.folder)
    if not examples["dev"]:
        log.warning(Message("no-dev-examples", data=data.folder))
    examples["train"] = subsample(examples["train"], recipe.train)
    if not examples["train"]:
        location = recipe.source_locations.location("train", "shots")
        raise DataError("no-entity-to-sample", location=location, data=data.folder)
    return examples


def encode_session(
    recipe: Recipe,
    registry: Registry,
    data: PreparedData,
    examples: dict[Split, Sequence[Example]],
    model: Model,
    init_from: dict[str, Any] | None = None,
) -> TrainingSession:
    """Extract image features, encode the training set and restrict the vocabulary to it.

    Args:
        recipe: Recipe to train.
        registry: Registry of the recipe's components.
        data: Prepared data.
        examples: Examples by split.
        model: Model to train.
        init_from: Description of the model whose weights were copied; None without one.

    Raises:
        DataError: "no-usable-training-examples" if no training example can be encoded.
    """
    notes = _image_notes(recipe, examples["train"])
    batcher = build_batcher(model, recipe, data)
    # without a feature cache, images of the other splits are decoded when they are scored
    splits_to_read = SPLITS if batcher.features else ("train",)
    extract_features(batcher, (example for split in splits_to_read for example in examples[split]))
    train_set = EncodedDataset(encode_training_set(batcher, examples["train"]))
    num_unread = len(examples["train"]) - len(train_set)
    examples = examples | {"train": [item.example for item in train_set.items]}
    if not recipe.train.decay_all:  # weight decay would change the rows that no training text uses
        model.text.restrict_vocabulary(item.text for item in train_set.items)
    return TrainingSession(recipe, registry, data, examples, model, batcher, train_set, num_unread, init_from, notes)


def build_batcher(model: Model, recipe: Recipe, data: PreparedData) -> Batcher:
    """Build the batcher, with a feature cache for a frozen backbone or a pixel cache for a trained one."""
    vision = model.vision
    if vision is None:
        return Batcher(model, recipe)
    if vision.is_frozen:
        vision.to(local_device())
        return Batcher(model, recipe, open_feature_cache(vision, feature_dir(data.folder)))
    return Batcher(model, recipe, pixels=PixelCache(vision))


def _select_images(examples: list[Example], recipe: Recipe) -> list[Example]:
    """Remove the images of the examples if the recipe is text-only."""
    return [replace(example, image=None, objects=()) for example in examples] if recipe.data.text_only else examples


def _image_notes(recipe: Recipe, examples: Sequence[Example]) -> list[Message]:
    """Log and return a note if a model that uses images is trained without any."""
    if not recipe.uses_images or any(example.image is not None or example.objects for example in examples):
        return []
    note = Message("no-training-images")
    log.warning(note)
    return [note]


def _init_from(folder: Path, model: Model, registry: Registry) -> dict[str, Any]:
    """Copy the weights of a model folder and return a description for metrics.json."""
    other = open_model_folder(folder, registry=registry)
    report = load_matching(model, load_model(other, "cpu"))
    if not report.loaded and not report.partial:
        raise ModelFolderError("no-tensors-in-common", model=folder)
    for message in report.lines(folder):
        log.info(message)
    return {"model": str(folder), "data": other.metrics["data"], "seed": other.metrics["seed"], **asdict(report)}
