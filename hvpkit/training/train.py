"""Train a recipe on prepared data and write a model folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import logging as transformers_logging

from hvpkit.config.compatibility import check_compatibility
from hvpkit.config.recipe import Recipe, describe_objects
from hvpkit.data.prepared import PreparedData, open_for
from hvpkit.errors import DataError
from hvpkit.evaluation.metrics import Scores
from hvpkit.messages import Message
from hvpkit.registry import Registry
from hvpkit.saving.model_card import model_card
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.saving.weights import save_model
from hvpkit.training.acceleration.accelerated import accelerated
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.distributed import is_main_process, world_size
from hvpkit.training.fit import FitResult, fit
from hvpkit.training.run_directory import RunDirectory, run_identity
from hvpkit.training.run_metrics import run_metrics
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.session import TrainingSession, setup
from hvpkit.training.subsample import subset_file
from hvpkit.types import SPLITS

log = logging.getLogger(__name__)


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
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    check_compatibility(recipe, registry)
    data = open_for(recipe)
    recipe = with_detection_settings(data, recipe)
    check_compatibility(recipe, registry)
    identity = run_identity(recipe, registry, data.manifest.fingerprint, world_size())
    with RunDirectory(output, identity).open(resume, is_main_process()) as run_directory:
        checkpoint = run_directory.last_checkpoint if resume else None
        if resume:
            log.info(
                Message("resumed", checkpoint=checkpoint.name) if checkpoint else Message("resumed-without-checkpoint")
            )
        session = setup(recipe, registry, data, SPLITS if test else ("train", "dev"))
        scorer = SplitScorer(session.model, session.batcher, session.examples)
        with accelerated(session.model, recipe.train) as step:
            fitted = fit(session, scorer, run_directory.folder, step, checkpoint=checkpoint, callbacks=callbacks)
        return finish(session, scorer, fitted, output) if is_main_process() else None


def finish(session: TrainingSession, scorer: SplitScorer, fitted: FitResult, output: Path) -> TrainResult:
    """Score dev and test with the best weights and write the model folder.

    Args:
        session: The run.
        scorer: Scorer of the splits.
        fitted: Result of the training loop.
        output: Model folder to write.
    """
    dev, test = scorer.score("dev"), scorer.score("test")
    metrics = run_metrics(
        session,
        best_epoch=fitted.best_epoch,
        dev=dev,
        test=test,
        seconds=fitted.seconds,
        num_unread={"train": session.num_unread, **scorer.num_unread},
        notes=fitted.notes,
    )
    model_folder = ModelFolder(output, session.recipe, session.data.labels, session.registry, metrics)
    extra_files = subset_file(session.examples["train"], session.recipe.train)
    save_model(session.model, model_folder, model_card(model_folder), extra_json=extra_files)
    return TrainResult(output, fitted.best_epoch, dev, test, metrics)


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
