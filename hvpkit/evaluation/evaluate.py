"""Scoring a model folder on prepared data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hvpkit.batching import Batcher
from hvpkit.config.recipe import Recipe, describe_objects
from hvpkit.data.prepared import PreparedData, open_prepared, with_advice
from hvpkit.data.shuffle_images import shuffle_images
from hvpkit.errors import DataError, InputError
from hvpkit.evaluation.metrics import Scores, entity_scores, relation_scores
from hvpkit.evaluation.wordpiece import wordpiece_scores
from hvpkit.features.cache import open_feature_cache
from hvpkit.features.fingerprint import feature_dir
from hvpkit.inference.engine import Decoded, count_with_image, predict_stream
from hvpkit.labels.bio import encode_bio
from hvpkit.labels.gold import gold_labels
from hvpkit.labels.inventory import label_kinds
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.saving.weights import load_model
from hvpkit.synthetic.upper_bounds import group_examples
from hvpkit.types import Example, Relation, Split
from hvpkit.utils.progress import track


@dataclass(frozen=True)
class GroupScore:
    """F1 over a group of examples that hold `gold` answers, and the best F1 that text alone and text with images allow, all 0..1."""

    examples: int
    gold: int
    text_ceiling: float
    f1: float
    image_ceiling: float


@dataclass(frozen=True)
class Evaluation:
    """Scores, and of what: data, split, fingerprint, examples with an image, examples that could not be read, the model's remarks.

    `groups` hold the scores beside their ceilings where the data knows these, as the dev and test splits of the demo do.
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
    remarks: Sequence[str]
    groups: dict[str, GroupScore]
    scores: Scores


def evaluate(
    folder: ModelFolder,
    split: Split = "test",
    data_folder: Path | None = None,
    predictions: Path | None = None,
    shuffle: int | None = None,
) -> Evaluation:
    """Score a model on a split of its own data, or of `data_folder`; write every prediction to `predictions` if asked.

    A seed to `shuffle` gives each example the image of another (hvpkit/data/shuffle_images.py): a control, told among the remarks.
    Raises DataError when the data is for another task, has other labels alone, has no such split or none of it can be read; InputError when
    `predictions` is a file of something else, or images are to be shuffled that the model does not look at.
    """
    if shuffle is not None and not folder.recipe.uses_images:
        raise InputError("shuffle-without-images", model=folder.folder)
    if predictions is not None:
        check_replaceable(predictions)
    data = open_prepared(data_folder or folder.recipe.data.path)
    examples = _examples(folder, data, split)
    unknown = unknown_labels(data, folder)
    if shuffle is not None:
        examples = shuffle_images(examples, shuffle)
    if predictions is not None:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        predictions.touch()  # a place that cannot be written is told before the work, not after it
    model = load_model(folder)
    with _batcher(model, folder.recipe, data) as batcher:
        answers = list(track(predict_stream(model, batcher, examples), "examples", len(examples)))
        pieces = wordpiece_scores(model, batcher, examples)[0] if folder.recipe.scoring == "wordpieces" else None
    if predictions is not None:
        write_predictions(predictions, examples, answers)
    errors = [answer for answer in answers if isinstance(answer, InputError)]
    if len(errors) == len(examples):
        raise DataError("no-example-readable", count=len(examples), split=split, data=data.folder, reason=with_advice(errors[0]))
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
        remarks=[*folder.metrics["remarks"], *_of_data(folder, data, unknown & label_set(examples), shuffle)],
        groups={} if shuffle is not None else group_scores(data.manifest.facts.get("ceilings", {}).get(split, {}), examples, answers),
        scores=pieces or score_predictions(examples, answers),
    )


def _examples(folder: ModelFolder, data: PreparedData, split: Split) -> list[Example]:
    """Read a split as the model is given it; raises DataError when it is for another task, or empty."""
    examples = data.examples(split)
    if data.manifest.task != folder.recipe.task:
        raise DataError("task-mismatch", data=data.folder, found=data.manifest.task, expected=folder.recipe.task)
    if not examples:
        raise DataError("no-split-examples", data=data.folder, split=split)
    return [replace(example, image=None, objects=()) for example in examples] if folder.recipe.data.text_only else examples


def unknown_labels(data: PreparedData, folder: ModelFolder) -> set[str]:
    """Name the types or relations of the data that a model does not know: what has them can only be missed.

    Raises DataError when it knows none of them, or scores pieces.
    """
    there, known = (set(label_kinds(what)) - {"None"} for what in (data.labels, folder.labels))
    unknown = there - known
    if unknown and (not there & known or folder.recipe.scoring == "wordpieces"):
        raise DataError("labels-unknown", data=data.folder, names=sorted(unknown), known=sorted(known))
    return unknown


def label_set(examples: Sequence[Example]) -> set[str]:
    """Name the types or relations that examples have."""
    return {label for example in examples for _, label in gold_labels(example)}


def _of_data(folder: ModelFolder, data: PreparedData, unknown: set[str], shuffle: int | None) -> Iterator[Message]:
    """Say how this data is not what the model was trained with; of images the fingerprint tells nothing."""
    recipe, trained = folder.recipe, folder.metrics["data"]
    if data.manifest.name == trained["name"] and trained["fingerprint"] not in (None, data.manifest.fingerprint):
        yield Message("trained-with-other-data", name=trained["name"], fingerprint=trained["fingerprint"])
    if unknown:
        yield Message("labels-missed", names=sorted(unknown))
    if recipe.uses_images and data.manifest.text_only:
        yield Message("data-without-images")
    elif recipe.uses_objects and (here := describe_objects(data.objects)) != (then := describe_objects(recipe.data.objects)):
        yield Message("trained-with-other-objects", expected=then, found=here)
    if shuffle is not None:
        yield Message("images-shuffled", seed=shuffle)


@contextmanager
def _batcher(model: Model, recipe: Recipe, data: PreparedData) -> Iterator[Batcher]:
    """Give a batcher that takes the features of a frozen backbone from where training keeps them."""
    if model.vision is None or not model.vision.is_frozen:
        yield Batcher(model, recipe)
        return
    with open_feature_cache(model.vision, feature_dir(data.folder)) as pyramids:
        yield Batcher(model, recipe, pyramids)


def group_scores(
    ceilings: Mapping[str, Mapping[str, Any]], examples: Sequence[Example], answers: Sequence[Decoded | InputError]
) -> dict[str, GroupScore]:
    """Score the groups of a generated split by themselves, each beside its `ceilings` (as hvpkit/synthetic/upper_bounds.py gives them)."""
    if not ceilings:
        return {}
    answer_of = {example.id: answer for example, answer in zip(examples, answers, strict=True)}
    scores = {
        name: score_predictions(group, [answer_of[example.id] for example in group]) for name, group in group_examples(examples).items()
    }
    return {
        name: GroupScore(found.examples, found.overall.gold, ceilings[name]["text"], found.overall.f1, ceilings[name]["image"])
        for name, found in scores.items()
        if name in ceilings
    }


def check_replaceable(file: Path) -> None:
    """Raise InputError for a file that is there and holds something else than predictions."""
    if not file.is_file() or not file.stat().st_size:
        return
    try:
        with file.open(encoding="utf-8") as lines:
            first = json.loads(lines.readline())
        ours = isinstance(first, dict) and "words" in first and ("predicted" in first or "error" in first)
    except ValueError:
        ours = False
    if not ours:
        raise InputError("output-holds-no-predictions", file=file)


def write_predictions(file: Path, examples: Sequence[Example], answers: Sequence[Decoded | InputError]) -> None:
    """Write one JSON line an example: id, words, the gold label and what was predicted, with confidences; or the error."""
    draft = file.with_name(f".{file.name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as lines:
            for example, answer in zip(examples, answers, strict=True):
                lines.write(json.dumps(_prediction(example, answer), ensure_ascii=False) + "\n")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _prediction(example: Example, answer: Decoded | InputError) -> dict[str, Any]:
    record: dict[str, Any] = {"id": example.id, "words": example.words}
    if example.tags is not None:
        record["tags"] = example.tags
    else:
        record |= {"head": asdict(example.head), "tail": asdict(example.tail), "relation": example.relation}  # type: ignore[arg-type]
    if isinstance(answer, InputError):
        return record | {"error": str(answer), "code": answer.code}
    if isinstance(answer, Relation):
        return record | {"predicted": answer.label, "confidence": answer.confidence, "probabilities": dict(answer.probabilities)}
    return record | {"predicted": [asdict(entity) for entity in answer]}


def score_predictions(examples: Sequence[Example], answers: Sequence[Decoded | InputError]) -> Scores:
    """Score predictions against the examples' labels; an example that could not be read counts as one without a find."""
    if examples and examples[0].tags is None:
        predicted = [answer.label if isinstance(answer, Relation) else "None" for answer in answers]
        return relation_scores([str(example.relation) for example in examples], predicted)
    found = [answer if isinstance(answer, list) else [] for answer in answers]
    tags = [encode_bio(entities, len(example.words)) for example, entities in zip(examples, found, strict=True)]
    return entity_scores([example.tags or () for example in examples], tags)
