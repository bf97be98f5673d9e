"""The public Python API: prepare data, train, load, predict, evaluate and explain.

`hvpkit/__init__.py` exports its names. The command line calls the same functions of the folders below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, overload

from hvpkit.config.loading import load_recipe, recipe_from_text
from hvpkit.config.overrides import to_override
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData, open_prepared
from hvpkit.data.readers.base import ImageNames
from hvpkit.errors import DataError, InputError
from hvpkit.evaluation.evaluate import Evaluation
from hvpkit.evaluation.evaluate import evaluate as evaluate_model
from hvpkit.explain.explain import explain_input
from hvpkit.explain.explanation import Explanation
from hvpkit.explain.render.html_page import render
from hvpkit.inference.inputs import (
    ImageInput,
    MentionInput,
    ObjectInput,
    ParsedInput,
    PredictionInput,
    PredictionRequest,
)
from hvpkit.inference.predictions import EntityPrediction, RelationPrediction
from hvpkit.inference.predictor import Predictor
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.preprocess import preprocess as prepare_data
from hvpkit.preprocessing.random_split import SplitRequest
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.training.train import TrainResult
from hvpkit.training.train import train as train_recipe
from hvpkit.types import Split, Task
from hvpkit.utils.atomic_write import atomic_file
from hvpkit.utils.to_json import to_json_values

FilePath = str | PathLike[str]
PredictionT = TypeVar("PredictionT", EntityPrediction, RelationPrediction)


@dataclass(frozen=True)
class TextExplanation:
    """Explanation of one prediction.

    Attributes:
        explanation: Attention, gates, and predictions after images are removed or replaced.
        model: Model folder.
    """

    explanation: Explanation
    model: Path

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as `hvp explain --json` prints them."""
        values: dict[str, Any] = to_json_values(self.explanation)
        return values

    def to_html(self, file: FilePath | None = None) -> str:
        """Return the page as HTML, and write it.

        Args:
            file: File to write; None: none.
        """
        page = render(self.explanation, self.model)
        if file is not None:
            with atomic_file(Path(file)) as draft:
                draft.write_text(page, encoding="utf-8")
        return page


class LoadedModel(Predictor, Generic[PredictionT]):
    """A trained model: it predicts, evaluates and explains.

    A pickled model holds the path of its folder, from which it is loaded again.

    Attributes:
        plugin_files: Plugin files that the model was loaded with.
    """

    plugin_files: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments of `load`."""
        return load, (str(self.folder.folder.absolute()), self.plugin_files, str(self.device))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder.folder)!r}, device={str(self.device)!r})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types or relations that the model predicts."""
        return self.folder.labels.names

    @property
    def recipe(self) -> Recipe:
        """The recipe of the model."""
        return self.folder.recipe

    def predict(
        self,
        text: str | Sequence[str],
        image: ImageInput | None = None,
        head: MentionInput | None = None,
        tail: MentionInput | None = None,
        objects: Sequence[ObjectInput] | None = None,
    ) -> PredictionT:
        """Predict one text with its image; arguments and errors as for `Predictor.predict`."""
        return super().predict(text, image, head, tail, objects)  # type: ignore[return-value]  # the task of the model

    def predict_many(
        self,
        inputs: Iterable[PredictionRequest | ParsedInput | InputError],
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Iterator[PredictionT | InputError]:
        """Predict a stream of inputs; arguments and errors as for `Predictor.predict_many`."""
        return super().predict_many(inputs, batch_size, workers)  # type: ignore[return-value]

    def evaluate(
        self, data: FilePath | None = None, split: Split = "test", *, shuffle_images: int | None = None
    ) -> Evaluation:
        """Score the model on a split of prepared data.

        Args:
            data: Folder of prepared data; None: the data that the model was trained with.
            split: Split to score.
            shuffle_images: Seed of the control with images of other examples; None: no control.

        Raises:
            DataError: "task-mismatch", "labels-unknown", "no-split-examples" or "no-example-readable".
        """
        folder = None if data is None else Path(data)
        return evaluate_model(self.folder, split, folder, shuffle=shuffle_images, device=str(self.device))

    def explain(
        self,
        text: str | Sequence[str],
        image: ImageInput | None = None,
        head: MentionInput | None = None,
        tail: MentionInput | None = None,
        objects: Sequence[ObjectInput] | None = None,
        *,
        seed: int = 0,
    ) -> TextExplanation:
        """Explain the prediction for one text: attention, gates, and predictions with other images.

        Args:
            text: Text, or a list of its words.
            image: Image of the text.
            head: Head entity (MRE), as for `predict`.
            tail: Tail entity (MRE), likewise.
            objects: Objects of the image, as for `predict`.
            seed: Seed of the generated replacement image.

        Raises:
            InputError: As for `predict`.
        """
        explanation = explain_input(self, PredictionInput(text, image, head, tail, objects), seed)
        return TextExplanation(explanation, self.folder.folder)


class EntityPredictor(LoadedModel[EntityPrediction]):
    """A model that predicts entities (MNER)."""


class RelationPredictor(LoadedModel[RelationPrediction]):
    """A model that predicts the relation of a pair of entities (MRE)."""


@dataclass(frozen=True)
class TrainedModel(TrainResult):
    """Result of `train`: the model folder, the kept epoch and its scores."""

    def load(self, device: str | None = None) -> EntityPredictor | RelationPredictor:
        """Load the model; arguments and errors as for `hvpkit.load`."""
        return load(self.folder, device=device)


@overload
def load(
    model: FilePath, plugins: Iterable[FilePath] = ..., device: str | None = ..., *, task: Literal["mner"]
) -> EntityPredictor: ...
@overload
def load(
    model: FilePath, plugins: Iterable[FilePath] = ..., device: str | None = ..., *, task: Literal["mre"]
) -> RelationPredictor: ...
@overload
def load(
    model: FilePath, plugins: Iterable[FilePath] = ..., device: str | None = ..., *, task: None = ...
) -> EntityPredictor | RelationPredictor: ...
def load(
    model: FilePath, plugins: Iterable[FilePath] = (), device: str | None = None, *, task: Task | None = None
) -> EntityPredictor | RelationPredictor:
    """Load a model folder.

    Args:
        model: Model folder.
        plugins: Plugin files of components that the model needs.
        device: "cpu", "cuda", "cuda:N", "mps" or "auto"; None: the value of HVP_DEVICE, else "auto".
        task: Expected task, from which type checkers infer the type of predictions; None: any.

    Raises:
        ModelFolderError: If files are missing or damaged; the message lists all of them.
        DataError: "task-mismatch" if the model has another task.
        InputError: "device-unknown" or "device-unavailable".
    """
    plugin_files = [Path(plugin) for plugin in plugins]
    folder = open_model_folder(Path(model), plugin_files)
    if task is not None and folder.recipe.task != task:
        raise DataError("task-mismatch", data=folder.folder, found=folder.recipe.task, expected=task)
    kind = EntityPredictor if folder.recipe.task == "mner" else RelationPredictor
    predictor = kind(folder, device)
    predictor.plugin_files = tuple(str(Path(plugin).absolute()) for plugin in plugin_files)
    return predictor


def preprocess(
    source: FilePath,
    *,
    format: str | None = None,
    images: Sequence[FilePath] = (),
    output: FilePath | None = None,
    detector: str | None = None,
    split: str | None = None,
    seed: int = 0,
    text_only: bool = False,
    plugins: Iterable[FilePath] = (),
) -> PreparedData:
    """Prepare a dataset for training.

    Args:
        source: Name of a dataset, or a file or folder in any format that `hvp preprocess` reads.
        format: Name of the format; None: it is recognized.
        images: Folders in which images are searched besides that of the data.
        output: Folder to write; None: `data/<name>`.
        detector: Name of an object detector; None: keep the objects of the data, or `saliency` if there are none.
        split: Proportions such as "80/10/10" for data without dev or test split.
        seed: Seed of the split.
        text_only: Whether to ignore images.
        plugins: Plugin files of readers and detectors.

    Raises:
        InputError: If the name, format or an option is unknown.
        DataError: If the data cannot be used.
    """
    report = prepare_data(
        str(source),
        output=None if output is None else Path(output),
        text_only=text_only,
        objects=DetectionRequest(detector=detector),
        registry=load_registry(tuple(Path(plugin) for plugin in plugins)),
        format_name=format,
        images=ImageNames(tuple(Path(folder) for folder in images)),
        split=None if split is None else SplitRequest.parse(split, seed),
    )
    return open_prepared(report.folder)


def train(
    recipe: Recipe | FilePath,
    *,
    data: FilePath | PreparedData | None = None,
    output: FilePath | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str | None = None,
    plugins: Iterable[FilePath] = (),
) -> TrainedModel:
    """Train a recipe on prepared data and write a model folder.

    Args:
        recipe: Recipe, recipe file, or name of a shipped recipe.
        data: Prepared data or its folder; None: that of the recipe.
        output: Model folder to write; None: `runs/<recipe>`.
        settings: Values by dotted key, such as {"train.epochs": 3}.
        resume: Whether to continue an unfinished run.
        device: "cpu", "cuda" or "auto"; None: the value of HVP_DEVICE, else "auto".
        plugins: Plugin files of components.

    Raises:
        RecipeError: If the recipe is invalid.
        DataError: If the data do not suit the recipe.
        InputError: If the output exists or an unfinished run is in the way.
    """
    values = dict(settings or {})
    if data is not None:
        values["data.folder"] = str(data.folder if isinstance(data, PreparedData) else data)
    overrides = [to_override(key, value) for key, value in values.items()]
    registry = load_registry(tuple(Path(plugin) for plugin in plugins))
    if isinstance(recipe, Recipe):
        name: str = recipe.task
        loaded = recipe_from_text(recipe.to_yaml(), overrides, registry)
    else:
        name, loaded = Path(recipe).stem, load_recipe(str(recipe), overrides, registry)
    folder = Path("runs") / name if output is None else Path(output)
    result = train_recipe(loaded, registry, folder, resume=resume, device=device)
    if result is None:
        raise InputError("train-in-other-process")
    return TrainedModel(result.folder, result.best_epoch, result.dev, result.test, result.metrics)


def evaluate(
    model: FilePath, data: FilePath | None = None, split: Split = "test", *, plugins: Iterable[FilePath] = ()
) -> Evaluation:
    """Score a model folder on prepared data; arguments and errors as for `LoadedModel.evaluate`.

    Args:
        model: Model folder.
        data: Folder of prepared data; None: the data that the model was trained with.
        split: Split to score.
        plugins: Plugin files of components that the model needs.
    """
    folder = open_model_folder(Path(model), [Path(plugin) for plugin in plugins])
    return evaluate_model(folder, split, None if data is None else Path(data))
