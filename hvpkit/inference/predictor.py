"""Predictor: typed predictions with character offsets for texts and images, from a model folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from transformers.utils import logging as transformers_logging

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.images.decode import exif_transpose_rgb
from hvpkit.inference.attach_objects import ObjectAttacher
from hvpkit.inference.decode import Decoded, WindowedPrediction, decode_batch, merge_windows
from hvpkit.inference.engine import (
    PREFETCH_BATCHES,
    InferenceEngine,
    WindowedResult,
    caching_batcher,
    chunk_by_size,
)
from hvpkit.inference.inputs import ParsedInput, PredictionInput, parse_input, to_prediction_input
from hvpkit.messages import Message
from hvpkit.records.mentions import Mention
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.types import (
    Entity,
    EntityPrediction,
    Prediction,
    Relation,
    RelationPrediction,
    Task,
    TextEntity,
    VisualObject,
)

TYPICAL_NUM_CHARACTERS = 256  # of a text; of longer texts, fewer are read ahead
PredictRequest = PredictionInput | Mapping[str, Any] | Sequence[str]


class Predictor:
    """A trained model for prediction.

    Args:
        folder: Model folder.
        device: Device of the model; None for a GPU if available.
        detect_objects: Whether to detect objects of inputs without objects, as for the training data.

    Raises:
        ModelFolderError: The weights do not fit the recipe.
    """

    def __init__(
        self, folder: ModelFolder, device: torch.device | str | None = None, detect_objects: bool = True
    ) -> None:
        transformers_logging.disable_progress_bar()
        self.folder = folder
        self.model = load_model(folder, device)
        self.batcher = Batcher(self.model, folder.recipe)
        self.objects = ObjectAttacher(folder, None if device is None else str(device)) if detect_objects else None

    @classmethod
    def open(
        cls, model: str | PathLike[str], plugins: Iterable[str | PathLike[str]] = (), device: str | None = None
    ) -> Predictor:
        """Open a model folder, as `hvpkit.load` does.

        Args:
            model: Model folder.
            plugins: Folders or files of plugins.
            device: Device of the model; None for a GPU if available.
        """
        return cls(open_model_folder(Path(model), [Path(plugin) for plugin in plugins]), device)

    @property
    def task(self) -> Task:
        """The task of the model: entities ("mner") or relations ("mre")."""
        return self.folder.recipe.task

    def predict(
        self,
        text: str | Sequence[str],
        image: str | PathLike[str] | Image.Image | None = None,
        head: Mention | None = None,
        tail: Mention | None = None,
        objects: Sequence[str | PathLike[str] | Image.Image | VisualObject | Mapping[str, Any]] | None = None,
    ) -> Prediction:
        """Predict one text with its image.

        Args:
            text: Text, or a list of its words.
            image: Image file or opened image.
            head: Head entity (MRE): words of the text, or characters (start, end).
            tail: Tail entity (MRE), likewise.
            objects: Crops of the image, or boxes as {"box": [x0, y0, x1, y1]} in pixels. None: they are detected.
                Empty: the image has no objects.

        Returns:
            An EntityPrediction (MNER) or a RelationPrediction (MRE).

        Raises:
            InputError: The input does not fit the model; ImageError for an image, DataError for a text, mention or
                object.
        """
        [result] = self.predict_many([PredictionInput(text, image, head, tail, objects)])
        if isinstance(result, InputError):
            raise result
        return result

    def predict_many(
        self,
        inputs: Iterable[PredictRequest | InputError],
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Iterator[Prediction | InputError]:
        """Predict a stream of inputs in order; up to 16 batches are read ahead.

        Args:
            inputs: Texts, lists of words, mappings with the arguments of `predict`, or PredictionInputs; an error
                is returned unchanged.
            batch_size: Number of examples in a batch; None: 32 with CUDA, else 8.
            workers: Number of processes that decode images; None for one per core, 0 to start no process.

        Yields:
            The prediction of each input, or the error of an invalid one.

        Raises:
            InputError: "batch-size-below-one".
        """
        size = (32 if next(self.model.parameters()).is_cuda else 8) if batch_size is None else batch_size
        if size < 1:
            raise InputError("batch-size-below-one", found=size)
        with caching_batcher(self.model, self.batcher) as batcher:
            engine = InferenceEngine(self.model, batcher, batch_size=size, workers=workers)
            for chunk in chunk_by_size(inputs, PREFETCH_BATCHES * size, _length):
                yield from self._predict_chunk(chunk, engine)

    def _predict_chunk(
        self, chunk: Sequence[PredictRequest | InputError], engine: InferenceEngine
    ) -> list[Prediction | InputError]:
        with TemporaryDirectory(prefix="hvpkit-") as folder:
            parsed = [self._parse(request, Path(folder) / str(number)) for number, request in enumerate(chunk)]
            inputs = self.attach_objects(parsed)
            examples = [item.example for item in inputs if isinstance(item, ParsedInput)]
            results = engine.run(examples, decode_batch)
            return [item if isinstance(item, InputError) else _to_prediction(item, next(results)) for item in inputs]

    def attach_objects(self, inputs: Sequence[ParsedInput | InputError]) -> Sequence[ParsedInput | InputError]:
        """Detect the objects of inputs without objects, with the model's own settings.

        Args:
            inputs: Parsed inputs, or their errors, which are returned unchanged.

        Raises:
            ModelFolderError: "model-detector-unavailable" if the detector cannot be built.
        """
        return inputs if self.objects is None else self.objects.attach(inputs)

    def _parse(self, request: PredictRequest | InputError, folder: Path) -> ParsedInput | InputError:
        try:
            if isinstance(request, InputError):
                return request
            return parse_input(_save_images(to_prediction_input(request), folder), self.folder.recipe)
        except InputError as error:
            return error


def _length(request: PredictRequest | InputError) -> float:
    """Return the text length relative to `TYPICAL_NUM_CHARACTERS`."""
    if isinstance(request, InputError):
        return 0
    text = request.text if isinstance(request, PredictionInput) else request
    if isinstance(text, Mapping):
        text = text.get("text", ())
    return len(text) / TYPICAL_NUM_CHARACTERS if isinstance(text, str) else 1


def _save_images(item: PredictionInput, folder: Path) -> PredictionInput:
    """Save opened images to files, because images are decoded from files; raises ImageError."""
    image = _save_image(item.image, folder / "image.ppm")
    if item.objects is None:
        return replace(item, image=image)
    objects = [_save_crop(value, folder / f"{i}.ppm") for i, value in enumerate(item.objects)]
    return replace(item, image=image, objects=objects)


def _save_crop(value: Any, file: Path) -> Any:  # noqa: ANN401 - other values are returned unchanged
    if isinstance(value, Mapping):
        return {**value, "image": _save_image(value.get("image"), file)}
    return _save_image(value, file)


def _save_image(value: Any, file: Path) -> Any:  # noqa: ANN401 - other values are returned unchanged
    if not isinstance(value, Image.Image):
        return value
    file.parent.mkdir(exist_ok=True)
    exif_transpose_rgb(value).save(file)
    return file


def _to_prediction(parsed: ParsedInput, result: WindowedResult[Decoded] | InputError) -> Prediction | InputError:
    return result if isinstance(result, InputError) else build_prediction(parsed, merge_windows(result))


def build_prediction(parsed: ParsedInput, result: WindowedPrediction) -> Prediction:
    """Convert the result of a model to a prediction with character offsets.

    Args:
        parsed: Parsed input.
        result: Result of the model.
    """
    if isinstance(result.decoded, list):
        entities = tuple(to_text_entity(entity, parsed) for entity in result.decoded)
        return EntityPrediction(parsed.text, entities, result.image_used, parsed.notes, parsed.example.objects)
    return _build_relation_prediction(parsed, result, result.decoded)


def to_text_entity(entity: Entity, parsed: ParsedInput) -> TextEntity:
    """Convert an entity over words to one with text and character offsets."""
    start, end = parsed.words[entity.start].start, parsed.words[entity.end - 1].end
    return TextEntity(parsed.text[start:end], entity.type, start, end, entity.confidence)


def _build_relation_prediction(
    parsed: ParsedInput, result: WindowedPrediction, relation: Relation
) -> RelationPrediction:
    if parsed.mentions is None:
        raise ValueError("a relation was predicted without a head and a tail")
    [window] = result.windows
    notes, count = parsed.notes, len(parsed.words)
    if window.end - window.start < count:
        start, end = parsed.words[window.start].start, parsed.words[window.end - 1].end
        first, last = window.start + 1, window.end
        notes += (Message("text-read-in-part", first=first, last=last, count=count, start=start, end=end),)
    head, tail = parsed.mentions.head, parsed.mentions.tail
    return RelationPrediction(parsed.text, head, tail, relation, result.image_used, notes, parsed.example.objects)
