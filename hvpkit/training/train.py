"""Train a recipe on prepared data and write a model folder."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import TrainerCallback
from transformers.trainer_utils import set_seed
from transformers.utils import logging as transformers_logging

from hvpkit.batching import Batcher, EncodedDataset
from hvpkit.config.compatibility import check_compatibility, component_plugins
from hvpkit.config.recipe import Recipe, describe_objects
from hvpkit.data.prepared import PreparedData, open_prepared
from hvpkit.errors import DataError, InputError, ModelFolderError
from hvpkit.evaluation.evaluate import score_predictions
from hvpkit.evaluation.metrics import Scores
from hvpkit.evaluation.wordpiece import wordpiece_scores
from hvpkit.features.cache import PixelCache, open_feature_cache
from hvpkit.features.fingerprint import feature_dir
from hvpkit.inference.decode import predict_stream
from hvpkit.inference.engine import count_with_image
from hvpkit.messages import Message
from hvpkit.model.model import build_model
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.registry import Registry
from hvpkit.saving.model_card import model_card, provenance_notes
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.saving.weights import load_model, save_model
from hvpkit.training.acceleration.cpu import retain_freed_memory
from hvpkit.training.acceleration.narrow_gradients import keep_gradients_narrow
from hvpkit.training.acceleration.on_disk import leave_on_disk
from hvpkit.training.callbacks import EpochResult, TrainingCallbacks
from hvpkit.training.encode import encode_training_set, extract_features
from hvpkit.training.init_from import load_matching
from hvpkit.training.run_directory import LOGS, RunDirectory
from hvpkit.training.subsample import subsample
from hvpkit.training.timer import TrainingTimer
from hvpkit.training.trainer import MultimodalTrainer, build_training_arguments, logging_callbacks, uses_bf16
from hvpkit.types import SPLITS, Example, Split
from hvpkit.utils.dropout import use_cpu_dropout

log = logging.getLogger(__name__)
SUBSET = "sample.json"  # file of a model folder with the ids of a training subset


@dataclass(frozen=True)
class TrainResult:
    """Result of a finished run.

    Attributes:
        folder: Model folder.
        best_epoch: Number of the epoch that was kept.
        dev: Dev scores of this epoch; None without a dev split.
        test: Test scores; None if test was not scored.
        metrics: Content of metrics.json.
    """

    folder: Path
    best_epoch: int
    dev: Scores | None
    test: Scores | None
    metrics: dict[str, Any]


def train(
    recipe: Recipe,
    registry: Registry,
    output: Path,
    *,
    resume: bool = False,
    test: bool = True,
    callbacks: TrainingCallbacks = TrainingCallbacks(),  # noqa: B008 - frozen
) -> TrainResult | None:
    """Train a recipe on its prepared data and write a model folder.

    The epoch with the best dev F1 is kept, and the test split is scored once.

    Args:
        recipe: Recipe to train.
        registry: Registry of the recipe's components.
        output: Model folder to write.
        resume: Whether to continue an unfinished run.
        test: Whether to score the test split; a hyperparameter search does not.
        callbacks: Callbacks for progress.

    Returns:
        The result in the first process; None in the other processes of torchrun.

    Raises:
        RecipeError: If the recipe is invalid. This and the other checks come before anything is written.
        ComponentError: If a component is unknown or rejects its options.
        DataError: "task-mismatch", "no-training-examples", "no-usable-training-examples", "no-entity-to-sample" or
            "objects-mismatch" if the data do not suit the recipe.
        ModelFolderError: "no-tensors-in-common" if the model of `train.init_from` does not fit.
        InputError: If the output exists, an unfinished run is in the way, or the GPU memory is too small.
    """
    check_compatibility(recipe, registry)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    data = open_prepared(recipe.data.path)
    if data.manifest.task != recipe.task:
        raise DataError("task-mismatch", data=data.folder, found=data.manifest.task, expected=recipe.task)
    recipe = with_detection_settings(data, recipe)
    check_compatibility(recipe, registry)
    timer = TrainingTimer()
    identity = {"recipe": recipe.to_yaml(), "data": data.manifest.fingerprint, "number of processes": str(world_size())}
    identity |= component_plugins(recipe, registry)
    run_directory = RunDirectory(output)
    with run_directory.lock() if is_main_process() else nullcontext():
        last_checkpoint = (
            run_directory.check_resumable(identity, resume) if is_main_process() else run_directory.last_checkpoint()
        )
        checkpoint = last_checkpoint if resume else None
        if resume:
            log.info(
                Message("resumed", checkpoint=checkpoint.name) if checkpoint else Message("resumed-without-checkpoint")
            )
        session = TrainingSession(recipe, registry, data, callbacks, SPLITS if test else ("train", "dev"))
        with (
            run_directory.disk_full_errors(),
            run_directory.cleanup_on_failure() if is_main_process() else nullcontext(),
        ):
            if is_main_process():
                run_directory.create(identity)
            trainer = session.trainer(run_directory.folder)
            trainer.add_callback(timer)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if recipe.train.patience is not None and (trainer.state.epoch or 0) < recipe.train.epochs:
            log.info(Message("stopped-early", patience=recipe.train.patience))
        with run_directory.disk_full_errors():
            result = session.finish(trainer, output, timer.seconds) if trainer.is_world_process_zero() else None
        trainer.accelerator.wait_for_everyone()
        trainer.accelerator.end_training()
        if result is not None:
            run_directory.remove()
    return result


def is_main_process() -> bool:
    """Check whether this is the first process of torchrun, or the only process."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Return the number of processes of torchrun; each takes `train.batch_size` examples per step."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device() -> torch.device:
    """Return the GPU that torchrun assigned to this process, or the CPU without a GPU."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu")


class TrainingSession:
    """Data, model and batcher of one training run.

    Args:
        recipe: Recipe to train.
        registry: Registry of the recipe's components.
        data: Prepared data.
        callbacks: Callbacks for progress.
        splits: Splits that are read.
    """

    def __init__(
        self,
        recipe: Recipe,
        registry: Registry,
        data: PreparedData,
        callbacks: TrainingCallbacks,
        splits: Sequence[Split] = SPLITS,
    ) -> None:
        self.recipe, self.registry, self.data, self.callbacks = recipe, registry, data, callbacks
        self.examples = {
            split: _select_images(data.examples(split), recipe) if split in splits else [] for split in SPLITS
        }
        if not self.examples["train"]:
            raise DataError("no-training-examples", data=data.folder)
        self.examples["train"] = subsample(self.examples["train"], recipe.train)
        if not self.examples["train"]:
            raise DataError(
                "no-entity-to-sample", location=recipe.source_locations.location("train", "shots"), data=data.folder
            )
        self.num_unread: dict[Split, int] = {}
        self.image_notes = _image_notes(recipe, self.examples["train"])
        for note in self.image_notes:
            log.warning(note)
        set_seed(recipe.train.seed)
        self.model = build_model(recipe, registry, data.labels, self.examples["train"])
        self.init_from = self._init_from(recipe.train.init_from) if recipe.train.init_from is not None else None
        self.batcher = self.build_batcher()

    def _init_from(self, folder: Path) -> dict[str, Any]:
        """Copy the weights of a model folder and return a description for metrics.json."""
        other = open_model_folder(folder, registry=self.registry)
        report = load_matching(self.model, load_model(other, "cpu"))
        if not report.loaded and not report.partial:
            raise ModelFolderError("no-tensors-in-common", model=folder)
        for message in report.lines(folder):
            log.info(message)
        return {"model": str(folder), "data": other.metrics["data"], "seed": other.metrics["seed"], **asdict(report)}

    def build_batcher(self) -> Batcher:
        """Build the batcher, with a feature cache for a frozen backbone or a pixel cache for a trained one."""
        vision = self.model.vision
        if vision is None:
            return Batcher(self.model, self.recipe)
        if vision.is_frozen:
            vision.to(local_device())
            return Batcher(self.model, self.recipe, open_feature_cache(vision, feature_dir(self.data.folder)))
        return Batcher(self.model, self.recipe, pixels=PixelCache(vision))

    def trainer(self, folder: Path) -> MultimodalTrainer:
        """Compute and cache image features, encode the training examples, and build the trainer.

        Args:
            folder: Directory for checkpoints and logs.
        """
        # without a feature cache, images of the other splits are decoded when they are scored
        splits_to_read = SPLITS if self.batcher.features else ("train",)
        extract_features(self.batcher, (example for split in splits_to_read for example in self.examples[split]))
        train = EncodedDataset(encode_training_set(self.batcher, self.examples["train"]))
        self.num_unread["train"] = len(self.examples["train"]) - len(train)
        self.examples["train"] = [item.example for item in train.items]
        self.restrict_vocabulary(train)
        if local_device().type == "cpu":
            self.apply_cpu_settings(train)
            for module in self._modules_to_memory_map():
                leave_on_disk(module, folder)
        has_dev = bool(self.examples["dev"])
        if not has_dev:
            log.warning(Message("no-dev-examples", data=self.data.folder))
        arguments = build_training_arguments(
            self.recipe.train, folder, evaluates=has_dev, find_unused_parameters=self.model.vision is not None
        )
        reporter = _EpochReporter(self)
        logs = logging_callbacks(self.recipe.train, folder / LOGS) if is_main_process() else []
        score_dev = (lambda: self.score("dev", reporter)) if has_dev else None
        return MultimodalTrainer(
            self.model, self.recipe, self.batcher, train, self.examples["dev"], arguments, score_dev, [reporter, *logs]
        )

    def restrict_vocabulary(self, train: EncodedDataset) -> None:
        """Train only the embedding rows that the training set uses.

        Only for AdamW, whose effect on the other rows (weight decay) can be computed in closed form.
        """
        if self.recipe.train.optimizer == "adamw":
            self.model.text.restrict_vocabulary(item.text for item in train.items)

    def apply_cpu_settings(self, train: EncodedDataset) -> None:
        """Apply the CPU settings that save time and memory."""
        retain_freed_memory()
        use_cpu_dropout(self.model)
        train_spec = self.recipe.train
        if (
            uses_bf16(train_spec)
            and train_spec.optimizer == "adamw"
            and train_spec.gradient_accumulation_steps == 1
            and world_size() == 1
        ):
            batch = self.batcher.collate(train.items[: train_spec.batch_size])
            # only without accumulation: gradients that are summed over steps or processes would lose precision in bf16
            keep_gradients_narrow(self.model, lambda: self.model(batch))

    def _modules_to_memory_map(self) -> list[nn.Module]:
        """List modules whose weights are memory-mapped, because training rarely reads them."""
        tables: list[nn.Module] = [module for module in self.model.modules() if isinstance(module, PartialEmbedding)]
        uses_cached_features = self.model.vision is not None and self.batcher.features is not None
        return [*tables, *([self.model.vision.backbone] if uses_cached_features and self.model.vision else [])]

    def score(self, split: Split, reporter: _EpochReporter | None = None) -> Scores:
        """Score a split.

        An example that cannot be read counts as predicted without entities or relation; a warning is logged once per
        split.
        """
        scores, unread = self._score_examples(self.examples[split])
        if unread and split not in self.num_unread:
            log.warning(Message("scored-examples-unreadable", count=len(unread), split=split, reason=unread[0].message))
        self.num_unread[split] = len(unread)
        if reporter is not None:
            reporter.set_scores(scores)
        return scores

    def _score_examples(self, examples: Sequence[Example]) -> tuple[Scores, list[InputError]]:
        if self.recipe.scoring == "wordpieces":
            return wordpiece_scores(self.model, self.batcher, examples)
        predictions = list(predict_stream(self.model, self.batcher, examples))
        return score_predictions(examples, predictions), [
            prediction for prediction in predictions if isinstance(prediction, InputError)
        ]

    def finish(self, trainer: MultimodalTrainer, output: Path, seconds: float) -> TrainResult:
        """Score dev and test with the best weights and write the model folder.

        Args:
            trainer: Trainer that has finished.
            output: Model folder to write.
            seconds: Training time.
        """
        steps_per_epoch = trainer.state.max_steps / trainer.state.num_train_epochs
        best = trainer.state.best_global_step or trainer.state.global_step
        dev = self.score("dev") if self.examples["dev"] else None
        test = self.score("test") if self.examples["test"] else None
        metrics = self._metrics(round(best / steps_per_epoch), dev, test, seconds)
        model_folder = ModelFolder(output, self.recipe, self.data.labels, self.registry, metrics)
        save_model(self.model, model_folder, model_card(model_folder), extra_json=self._subset_file())
        return TrainResult(output, round(best / steps_per_epoch), dev, test, metrics)

    def _subset_file(self) -> dict[str, object]:
        """Return the name and content of the file with the ids of the training subset; empty without a subset."""
        train = self.recipe.train
        if not train.is_subsampled:
            return {}
        ids = [example.id for example in self.examples["train"]]
        return {
            SUBSET: {
                "seed": train.seed,
                "fraction": train.fraction,
                "shots": train.shots,
                "sampling": train.sampling,
                "ids": ids,
            }
        }

    def _metrics(self, best_epoch: int, dev: Scores | None, test: Scores | None, seconds: float) -> dict[str, Any]:
        manifest = self.data.manifest
        return {
            "data": {
                "name": manifest.name,
                "fingerprint": manifest.fingerprint,
                "examples": {split: len(self.examples[split]) for split in SPLITS},
                "with_image": {split: count_with_image(self.recipe, self.examples[split]) for split in SPLITS},
            },
            "seed": self.recipe.train.seed,
            "encoder": self.recipe.text.name or self.recipe.text.encoder,
            "training": {
                "precision": "bf16" if uses_bf16(self.recipe.train) else "fp32",
                "device": local_device().type,
                "processes": world_size(),
                "with_objects": sum(bool(example.objects) for example in self.examples["train"]),
                "examples_a_step": self.recipe.train.batch_size
                * self.recipe.train.gradient_accumulation_steps
                * world_size(),
            },
            "init_from": self.init_from,
            "notes": [*provenance_notes(self.model, self.recipe), *self.image_notes, *self._unreadable_notes()],
            "unread": self.num_unread,
            "best_epoch": best_epoch,
            "dev": None if dev is None else asdict(dev),
            "test": None if test is None else asdict(test),
            "seconds": round(seconds, 1),
        }

    def _unreadable_notes(self) -> list[Message]:
        counts = [
            Message("examples-of-split", count=count, split=split) for split, count in self.num_unread.items() if count
        ]
        return [Message("examples-unreadable", counts=counts)] if counts else []


class _EpochReporter(TrainerCallback):
    """Report each epoch to the callbacks."""

    def __init__(self, session: TrainingSession) -> None:
        self.session, self.start = session, time.monotonic()
        self.dev: Scores | None = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self.start, self.dev = time.monotonic(), None

    def set_scores(self, dev: Scores) -> None:
        self.dev = dev

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), math.nan)
        is_best = state.best_global_step == state.global_step
        if state.is_world_process_zero:
            result = EpochResult(
                round(state.epoch),
                self.session.recipe.train.epochs,
                loss,
                self.dev,
                is_best,
                time.monotonic() - self.start,
            )
            if self.session.callbacks.on_epoch is not None:
                self.session.callbacks.on_epoch(result)


def with_detection_settings(data: PreparedData, recipe: Recipe) -> Recipe:
    """Copy the detection settings of the prepared data into a recipe, for later use by `hvp predict`.

    Args:
        data: Prepared data.
        recipe: Recipe. It is returned unchanged if it uses no objects.

    Raises:
        DataError: "objects-mismatch" if `data.objects` of the recipe differs from the data.
    """
    if recipe.vision is None or recipe.data.text_only or not recipe.vision.max_objects:
        return recipe
    expected, actual = recipe.data.objects, data.objects
    if expected is not None and actual != expected:
        location = recipe.source_locations.location("data", "objects")
        raise DataError("objects-mismatch", location=location, data=data.folder, found=describe_objects(actual))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"objects": actual})})


def _image_notes(recipe: Recipe, examples: Sequence[Example]) -> list[Message]:
    """Return a note if a model that uses images is trained without any."""
    has_images = not recipe.uses_images or any(example.image is not None or example.objects for example in examples)
    return [] if has_images else [Message("no-training-images")]


def _select_images(examples: list[Example], recipe: Recipe) -> list[Example]:
    """Remove the images of the examples if the recipe is text-only."""
    return [replace(example, image=None, objects=()) for example in examples] if recipe.data.text_only else examples
