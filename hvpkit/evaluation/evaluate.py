"""Evaluate a model folder on prepared data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hvpkit.batching import Batcher
from hvpkit.config.recipe import Recipe, describe_objects
from hvpkit.data.prepared import PreparedData, open_for, with_advice
from hvpkit.data.shuffle_images import shuffle_images
from hvpkit.errors import DataError, InputError
from hvpkit.evaluation.metrics import Scores, entity_scores, relation_scores
from hvpkit.evaluation.wordpiece import wordpiece_scores
from hvpkit.features.cache import open_feature_cache
from hvpkit.features.fingerprint import feature_dir
from hvpkit.inference.decode import Decoded, predict_stream
from hvpkit.inference.engine import count_with_image
from hvpkit.labels.bio import encode_bio
from hvpkit.labels.gold import gold_labels
from hvpkit.labels.inventory import label_kinds
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.saving.weights import load_model
from hvpkit.synthetic.upper_bounds import group_examples
from hvpkit.types import Example, Relation, Split
from hvpkit.utils.atomic_write import atomic_file, check_overwrite
from hvpkit.utils.progress import track


@dataclass(frozen=True)
class GroupScore:
    """F1 of a group of synthetic examples with its upper bounds.

    Attributes:
        examples: Number of examples.
        gold: Number of gold labels.
        text_upper_bound: Upper bound of F1 from text only, 0..1.
        f1: F1, 0..1.
        image_upper_bound: Upper bound of F1 from text and images, 0..1.
    """

    examples: int
    gold: int
    text_upper_bound: float
    f1: float
    image_upper_bound: float


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        model: Model folder.
        task: Task of the model.
        data: Name of the dataset.
        split: Split that was scored.
        fingerprint: Fingerprint of the data.
        images: Number of examples with an image.
        unread: Number of examples that could not be encoded.
        first_error: Error of the first of them.
        seed: Seed of training.
        encoder: Text encoder of the model.
        notes: Notes on the model and the evaluation.
        groups: Scores of groups with their upper bounds, for the dev and test splits of synthetic data.
        scores: Scores of the split.
    """

    model: Path
    task: str
    data: str
    split: Split
    fingerprint: str
    images: int
    unread: int
    first_error: Message | None
    seed: int
    encoder: str
    notes: Sequence[str]
    groups: dict[str, GroupScore]
    scores: Scores


def evaluate(
    folder: ModelFolder,
    split: Split = "test",
    data_folder: Path | None = None,
    predictions: Path | None = None,
    shuffle: int | None = None,
) -> Evaluation:
    """Evaluate a model on a split of prepared data.

    Args:
        folder: Model folder.
        split: Split to score.
        data_folder: Folder of prepared data; None for the data that the model was trained with.
        predictions: File to which predictions are written as JSON lines.
        shuffle: Seed for the control with images shuffled between examples (hvpkit/data/shuffle_images.py); None: no
            shuffling.

    Raises:
        DataError: "task-mismatch", "labels-unknown", "no-split-examples" or "no-example-readable".
        InputError: "output-holds-no-predictions" or "shuffle-without-images".
    """
    if shuffle is not None and not folder.recipe.uses_images:
        raise InputError("shuffle-without-images", model=folder.folder)
    if predictions is not None:
        check_overwrite(predictions, _is_replaceable)
    data = open_for(folder.recipe, data_folder, split)
    examples = data.examples(split)
    if folder.recipe.data.text_only:
        examples = [replace(example, image=None, objects=()) for example in examples]
    unknown = unknown_labels(data, folder)
    if shuffle is not None:
        examples = shuffle_images(examples, shuffle)
    if predictions is not None:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.touch()  # fail early if the file cannot be written
    model = load_model(folder)
    with _batcher(model, folder.recipe, data) as batcher:
        results = list(track(predict_stream(model, batcher, examples), "examples", len(examples)))
        wordpiece_result = (
            wordpiece_scores(model, batcher, examples)[0] if folder.recipe.scoring == "wordpieces" else None
        )
    if predictions is not None:
        write_predictions(predictions, examples, results)
    errors = [result for result in results if isinstance(result, InputError)]
    if len(errors) == len(examples):
        reason = with_advice(errors[0])
        raise DataError("no-example-readable", count=len(examples), split=split, data=data.folder, reason=reason)
    bounds = {} if shuffle is not None else data.manifest.facts.get("upper_bounds", {}).get(split, {})
    return Evaluation(
        model=folder.folder,
        task=folder.recipe.task,
        data=data.manifest.name,
        split=split,
        fingerprint=data.manifest.fingerprint,
        images=count_with_image(folder.recipe, examples),
        unread=len(errors),
        first_error=errors[0].message if errors else None,
        seed=folder.metrics["seed"],
        encoder=folder.metrics["encoder"],
        notes=[*folder.metrics["notes"], *_training_data_notes(folder, data, unknown & label_set(examples), shuffle)],
        groups=group_scores(bounds, examples, results),
        scores=wordpiece_result or score_predictions(examples, results),
    )


def unknown_labels(data: PreparedData, folder: ModelFolder) -> set[str]:
    """Return the types or relations of the data that a model does not know.

    Args:
        data: Prepared data.
        folder: Model folder.

    Raises:
        DataError: "labels-unknown" if the model knows none of them, or some are unknown and wordpieces are scored.
    """
    in_data, known = (set(label_kinds(labels)) - {"None"} for labels in (data.labels, folder.labels))
    unknown = in_data - known
    if unknown and (not in_data & known or folder.recipe.scoring == "wordpieces"):
        raise DataError("labels-unknown", data=data.folder, names=sorted(unknown), known=sorted(known))
    return unknown


def label_set(examples: Sequence[Example]) -> set[str]:
    """Return the gold types or relations of examples."""
    return {label for example in examples for _, label in gold_labels(example)}


def _training_data_notes(
    folder: ModelFolder, data: PreparedData, unknown: set[str], shuffle: int | None
) -> Iterator[Message]:
    """Yield notes on differences from the training data; the fingerprint does not cover images."""
    recipe, trained = folder.recipe, folder.metrics["data"]
    if data.manifest.name == trained["name"] and trained["fingerprint"] not in (None, data.manifest.fingerprint):
        yield Message("trained-with-other-data", name=trained["name"], fingerprint=trained["fingerprint"])
    if unknown:
        yield Message("labels-missed", names=sorted(unknown))
    if recipe.uses_images and data.manifest.text_only:
        yield Message("data-without-images")
    elif recipe.uses_objects:
        trained_objects, objects = describe_objects(recipe.data.objects), describe_objects(data.objects)
        if objects != trained_objects:
            yield Message("trained-with-other-objects", expected=trained_objects, found=objects)
    if shuffle is not None:
        yield Message("images-shuffled", seed=shuffle)


@contextmanager
def _batcher(model: Model, recipe: Recipe, data: PreparedData) -> Iterator[Batcher]:
    """Open a batcher; the features of a frozen backbone come from the cache of the data."""
    if model.vision is None or not model.vision.is_frozen:
        yield Batcher(model, recipe)
        return
    with open_feature_cache(model.vision, feature_dir(data.folder)) as features:
        yield Batcher(model, recipe, features)


def group_scores(
    bounds: Mapping[str, Mapping[str, Any]], examples: Sequence[Example], results: Sequence[Decoded | InputError]
) -> dict[str, GroupScore]:
    """Score the groups of a synthetic split.

    Args:
        bounds: Upper bounds by group, with "text" and "image" (hvpkit/synthetic/upper_bounds.py); empty: no groups
            are scored.
        examples: Examples of the split.
        results: Prediction or error of each example.
    """
    if not bounds:
        return {}
    by_id = {example.id: result for example, result in zip(examples, results, strict=True)}
    scores = {
        name: score_predictions(group, [by_id[example.id] for example in group])
        for name, group in group_examples(examples).items()
    }
    return {
        name: GroupScore(
            group.examples, group.overall.gold, bounds[name]["text"], group.overall.f1, bounds[name]["image"]
        )
        for name, group in scores.items()
        if name in bounds
    }


def _is_replaceable(file: Path) -> bool:
    """Check that a file contains predictions or nothing.

    Raises:
        InputError: "output-holds-no-predictions".
    """
    if not file.is_file() or not file.stat().st_size:
        return True
    try:
        with file.open(encoding="utf-8") as lines:
            first = json.loads(lines.readline())
        has_predictions = isinstance(first, dict) and "words" in first and ("predicted" in first or "error" in first)
    except ValueError:
        has_predictions = False
    if not has_predictions:
        raise InputError("output-holds-no-predictions", file=file)
    return True


def write_predictions(file: Path, examples: Sequence[Example], results: Sequence[Decoded | InputError]) -> None:
    """Write a JSON line for each example: id, words, gold label, and the prediction with confidences or the error.

    Args:
        file: Output file; it is replaced when all lines are written.
        examples: Examples.
        results: Prediction or error of each example.
    """
    with atomic_file(file) as draft, draft.open("w", encoding="utf-8") as lines:
        for example, result in zip(examples, results, strict=True):
            lines.write(json.dumps(_to_record(example, result), ensure_ascii=False) + "\n")


def _to_record(example: Example, result: Decoded | InputError) -> dict[str, Any]:
    record: dict[str, Any] = {"id": example.id, "words": example.words}
    if example.tags is not None:
        record["tags"] = example.tags
    else:
        record |= {"head": asdict(example.head), "tail": asdict(example.tail)}  # type: ignore[arg-type]
        record["relation"] = example.relation
    if isinstance(result, InputError):
        return record | {"error": str(result), "code": result.code}
    if isinstance(result, Relation):
        record |= {"predicted": result.label, "confidence": result.confidence}
        return record | {"probabilities": dict(result.probabilities)}
    return record | {"predicted": [asdict(entity) for entity in result]}


def score_predictions(examples: Sequence[Example], results: Sequence[Decoded | InputError]) -> Scores:
    """Score predictions against gold labels.

    Args:
        examples: Examples with gold labels.
        results: Prediction of each example; an error counts as no entity or as relation "None".
    """
    if examples and examples[0].tags is None:
        predicted = [result.label if isinstance(result, Relation) else "None" for result in results]
        return relation_scores([str(example.relation) for example in examples], predicted)
    entities = [result if isinstance(result, list) else [] for result in results]
    tags = [encode_bio(spans, len(example.words)) for example, spans in zip(examples, entities, strict=True)]
    return entity_scores([example.tags or () for example in examples], tags)
