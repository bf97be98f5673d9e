"""One training run: data in, a model folder out."""

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
from hvpkit.inference.engine import count_with_image, predict_stream
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
SAMPLE = "sample.json"  # in a model folder: the ids of the training examples that were drawn


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its model folder, the best epoch with its dev scores (None without a dev split), the test scores."""

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
    """Train a recipe on its prepared data, keep the epoch that is best on dev, score test once, write the model folder `output`.

    Without `test` the test split is not looked at, as in a search for settings.
    Of several processes (torchrun) the first one does the writing and gives what came out; the others give None.
    Raises RecipeError, ComponentError, DataError or ModelFolderError before anything is written when something cannot work.
    """
    check_compatibility(recipe, registry)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    data = open_prepared(recipe.data.path)
    if data.manifest.task != recipe.task:
        raise DataError("task-mismatch", data=data.folder, found=data.manifest.task, expected=recipe.task)
    recipe = with_detection_settings(data, recipe)
    check_compatibility(recipe, registry)
    clock = TrainingTimer()
    identity = {"recipe": recipe.to_yaml(), "data": data.manifest.fingerprint, "number of processes": str(world_size())}
    identity |= component_plugins(recipe, registry)
    workspace = RunDirectory(output)
    with workspace.lock() if is_main_process() else nullcontext():
        found = workspace.check_resumable(identity, resume) if is_main_process() else workspace.last_checkpoint()
        checkpoint = found if resume else None
        if resume:
            log.info(Message("resumed", checkpoint=checkpoint.name) if checkpoint else Message("resumed-without-checkpoint"))
        run = TrainingSession(recipe, registry, data, callbacks, SPLITS if test else ("train", "dev"))
        with workspace.disk_full_errors(), workspace.cleanup_on_failure() if is_main_process() else nullcontext():
            if is_main_process():
                workspace.create(identity)
            trainer = run.trainer(workspace.folder)
            trainer.add_callback(clock)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if recipe.train.patience is not None and (trainer.state.epoch or 0) < recipe.train.epochs:
            log.info(Message("stopped-early", patience=recipe.train.patience))
        with workspace.disk_full_errors():
            finished = run.finish(trainer, output, clock.seconds) if trainer.is_world_process_zero() else None
        trainer.accelerator.wait_for_everyone()
        trainer.accelerator.end_training()
        if finished is not None:
            workspace.remove()
    return finished


def is_main_process() -> bool:
    """Tell whether this is the first of the processes that torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def world_size() -> int:
    """Count the processes that torchrun started; each takes `train.batch_size` examples a step."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device() -> torch.device:
    """Give the GPU of this process, of those that torchrun counts, or the CPU where there is none."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu")


class TrainingSession:
    """The parts of a training run."""

    def __init__(
        self, recipe: Recipe, registry: Registry, data: PreparedData, callbacks: TrainingCallbacks, splits: Sequence[Split] = SPLITS
    ) -> None:
        self.recipe, self.registry, self.data, self.callbacks = recipe, registry, data, callbacks
        self.examples = {split: _imaged(data.examples(split), recipe) if split in splits else [] for split in SPLITS}
        if not self.examples["train"]:
            raise DataError("no-training-examples", data=data.folder)
        self.examples["train"] = subsample(self.examples["train"], recipe.train)
        if not self.examples["train"]:
            raise DataError("no-entity-to-sample", location=recipe.source_locations.location("train", "shots"), data=data.folder)
        self.unread: dict[Split, int] = {}
        self.unseen = _without_images(recipe, self.examples["train"])
        for line in self.unseen:
            log.warning(line)
        set_seed(recipe.train.seed)
        self.model = build_model(recipe, registry, data.labels, self.examples["train"])
        self.start = self._take_over(recipe.train.init_from) if recipe.train.init_from is not None else None
        self.batcher = self.new_batcher()

    def _take_over(self, folder: Path) -> dict[str, Any]:
        """Start from the weights of a model folder; gives what is to be remembered of it."""
        other = open_model_folder(folder, registry=self.registry)
        found = load_matching(self.model, load_model(other, "cpu"))
        if not found.loaded and not found.partial:
            raise ModelFolderError("no-tensors-in-common", model=folder)
        for line in found.lines(folder):
            log.info(line)
        return {"model": str(folder), "data": other.metrics["data"], "seed": other.metrics["seed"], **asdict(found)}

    def new_batcher(self) -> Batcher:
        """Keep the pyramids of a frozen backbone, and the pixels for one that learns."""
        vision = self.model.vision
        if vision is None:
            return Batcher(self.model, self.recipe)
        if vision.is_frozen:
            vision.to(local_device())
            return Batcher(self.model, self.recipe, open_feature_cache(vision, feature_dir(self.data.folder)))
        return Batcher(self.model, self.recipe, pixels=PixelCache(vision))

    def trainer(self, folder: Path) -> MultimodalTrainer:
        """Look at the images, encode the training examples, and set the trainer up."""
        looked_at = SPLITS if self.batcher.features else ("train",)  # others are decoded when they are scored
        extract_features(self.batcher, (example for split in looked_at for example in self.examples[split]))
        train = EncodedDataset(encode_training_set(self.batcher, self.examples["train"]))
        self.unread["train"] = len(self.examples["train"]) - len(train)
        self.examples["train"] = [item.example for item in train.items]
        self.restrict_vocabulary(train)
        if local_device().type == "cpu":
            self.tell_processor(train)
            for module in self._unread():
                leave_on_disk(module, folder)
        has_dev = bool(self.examples["dev"])
        if not has_dev:
            log.warning(Message("no-dev-examples", data=self.data.folder))
        arguments = build_training_arguments(self.recipe.train, folder, evaluates=has_dev, unused=self.model.vision is not None)
        lines = _EpochLines(self)
        logs = logging_callbacks(self.recipe.train, folder / LOGS) if is_main_process() else []
        score_dev = (lambda: self.score("dev", lines)) if has_dev else None
        return MultimodalTrainer(self.model, self.recipe, self.batcher, train, self.examples["dev"], arguments, score_dev, [lines, *logs])

    def restrict_vocabulary(self, train: EncodedDataset) -> None:
        """Train of a vocabulary what the training set uses; AdamW alone does to the rest what is known beforehand."""
        if self.recipe.train.optimizer == "adamw":
            self.model.text.restrict_vocabulary(item.text for item in train.items)

    def tell_processor(self, train: EncodedDataset) -> None:
        """Save time and memory of training on a CPU."""
        retain_freed_memory()
        use_cpu_dropout(self.model)
        how = self.recipe.train
        if uses_bf16(how) and how.optimizer == "adamw" and how.gradient_accumulation_steps == 1 and world_size() == 1:
            batch = self.batcher.collate(train.items[: how.batch_size])
            keep_gradients_narrow(self.model, lambda: self.model(batch))  # summed over steps or processes they would lose digits

    def _unread(self) -> list[nn.Module]:
        """List the parts that training does not read: the backbone whose features are kept, and tables of which some rows are trained."""
        tables: list[nn.Module] = [module for module in self.model.modules() if isinstance(module, PartialEmbedding)]
        kept = self.model.vision is not None and self.batcher.features is not None
        return [*tables, *([self.model.vision.backbone] if kept and self.model.vision else [])]

    def score(self, split: Split, lines: _EpochLines | None = None) -> Scores:
        """Score a split; what of it cannot be read counts as finding nothing, and is logged once."""
        scores, unread = self._scored(self.examples[split])
        if unread and split not in self.unread:
            log.warning(Message("scored-examples-unreadable", count=len(unread), split=split, reason=unread[0].message))
        self.unread[split] = len(unread)
        if lines is not None:
            lines.scored(scores)
        return scores

    def _scored(self, examples: Sequence[Example]) -> tuple[Scores, list[InputError]]:
        if self.recipe.scoring == "wordpieces":
            return wordpiece_scores(self.model, self.batcher, examples)
        answers = list(predict_stream(self.model, self.batcher, examples))
        return score_predictions(examples, answers), [answer for answer in answers if isinstance(answer, InputError)]

    def finish(self, trainer: MultimodalTrainer, output: Path, seconds: float) -> TrainResult:
        """Score dev and test with the best weights, and write the model folder."""
        per_epoch = trainer.state.max_steps / trainer.state.num_train_epochs
        best = trainer.state.best_global_step or trainer.state.global_step
        dev = self.score("dev") if self.examples["dev"] else None
        test = self.score("test") if self.examples["test"] else None
        metrics = self._metrics(round(best / per_epoch), dev, test, seconds)
        what = ModelFolder(output, self.recipe, self.data.labels, self.registry, metrics)
        save_model(self.model, what, model_card(what), documents=self._sample())
        return TrainResult(output, round(best / per_epoch), dev, test, metrics)

    def _sample(self) -> dict[str, object]:
        """Give the file that keeps which part of the training set was drawn, if not all of it."""
        train = self.recipe.train
        if not train.is_subsampled:
            return {}
        ids = [example.id for example in self.examples["train"]]
        return {SAMPLE: {"seed": train.seed, "share": train.fraction, "shots": train.shots, "sampling": train.sampling, "ids": ids}}

    def _metrics(self, best_epoch: int, dev: Scores | None, test: Scores | None, seconds: float) -> dict[str, Any]:
        manifest = self.data.manifest
        return {
            "data": {
                "name": manifest.name,
                "fingerprint": manifest.fingerprint,
                "examples": {split: len(self.examples[split]) for split in SPLITS},
                "images": {split: count_with_image(self.recipe, self.examples[split]) for split in SPLITS},
            },
            "seed": self.recipe.train.seed,
            "encoder": self.recipe.text.name or self.recipe.text.encoder,
            "training": {
                "precision": "bf16" if uses_bf16(self.recipe.train) else "fp32",
                "device": local_device().type,
                "processes": world_size(),
                "with_objects": sum(bool(example.objects) for example in self.examples["train"]),
                "examples_a_step": self.recipe.train.batch_size * self.recipe.train.gradient_accumulation_steps * world_size(),
            },
            "start": self.start,
            "remarks": [*provenance_notes(self.model, self.recipe), *self.unseen, *self._left_unread()],
            "unread": self.unread,
            "best_epoch": best_epoch,
            "dev": None if dev is None else asdict(dev),
            "test": None if test is None else asdict(test),
            "seconds": round(seconds, 1),
        }

    def _left_unread(self) -> list[Message]:
        counts = [Message("examples-of-split", count=count, split=split) for split, count in self.unread.items() if count]
        return [Message("examples-unreadable", counts=counts)] if counts else []


class _EpochLines(TrainerCallback):
    """Reports one line an epoch."""

    def __init__(self, run: TrainingSession) -> None:
        self.run, self.begun = run, time.monotonic()
        self.dev: Scores | None = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        self.begun, self.dev = time.monotonic(), None

    def scored(self, dev: Scores) -> None:
        self.dev = dev

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's signature
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), math.nan)
        is_best = state.best_global_step == state.global_step
        if state.is_world_process_zero:
            line = EpochResult(round(state.epoch), self.run.recipe.train.epochs, loss, self.dev, is_best, time.monotonic() - self.begun)
            if self.run.callbacks.on_epoch is not None:
                self.run.callbacks.on_epoch(line)


def with_detection_settings(data: PreparedData, recipe: Recipe) -> Recipe:
    """Write into a recipe how the objects that it looks at were found, so that `predict` finds them so too.

    Raises DataError when the recipe says otherwise than the data.
    """
    if recipe.vision is None or recipe.data.text_only or not recipe.vision.max_objects:
        return recipe
    said, known = recipe.data.objects, data.objects
    if said is not None and known != said:
        place = recipe.source_locations.location("data", "objects")
        raise DataError("objects-mismatch", location=place, data=data.folder, found=describe_objects(known))
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"objects": known})})


def _without_images(recipe: Recipe, examples: Sequence[Example]) -> list[Message]:
    """Say so where a model that looks at images gets none: its scores are those of text alone."""
    seen = not recipe.uses_images or any(example.image is not None or example.objects for example in examples)
    return [] if seen else [Message("no-training-images")]


def _imaged(examples: list[Example], recipe: Recipe) -> list[Example]:
    """Leave images out where the recipe says so."""
    return [replace(example, image=None, objects=()) for example in examples] if recipe.data.text_only else examples
