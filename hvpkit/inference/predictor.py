"""Prediction from Python: a model folder opened once, texts and images in, typed predictions with character offsets out."""

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
from hvpkit.inference.engine import READ_AHEAD, WindowedPrediction, chunk_by_size, looking, predict_windows
from hvpkit.inference.inputs import ParsedInput, PredictionInput, parse_input, to_prediction_input
from hvpkit.messages import Message
from hvpkit.records.mentions import Mention
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.types import Entity, EntityPrediction, Prediction, Relation, RelationPrediction, Task, TextEntity, VisualObject

CHARACTERS = 256  # a text on average, at most, before fewer are read ahead
PredictRequest = PredictionInput | Mapping[str, Any] | Sequence[str]


class Predictor:
    """A trained model, ready to predict; `device` is a GPU if there is one.

    Where no objects are given, they are found as they were for its training data, unless `find_objects` is False.

    Raises ModelFolderError when the weights do not fit the folder's recipe.
    """

    def __init__(self, folder: ModelFolder, device: torch.device | str | None = None, find_objects: bool = True) -> None:
        transformers_logging.disable_progress_bar()
        self.folder = folder
        self.model = load_model(folder, device)
        self.batcher = Batcher(self.model, folder.recipe)
        self.objects = ObjectAttacher(folder, None if device is None else str(device)) if find_objects else None

    @classmethod
    def open(cls, model: str | PathLike[str], plugins: Iterable[str | PathLike[str]] = (), device: str | None = None) -> Predictor:
        """Open a model folder, as `hvpkit.load` does."""
        return cls(open_model_folder(Path(model), [Path(plugin) for plugin in plugins]), device)

    @property
    def task(self) -> Task:
        """Say whether it finds entities ("mner") or tells relations ("mre")."""
        return self.folder.recipe.task

    def predict(
        self,
        text: str | Sequence[str],
        image: str | PathLike[str] | Image.Image | None = None,
        head: Mention | None = None,
        tail: Mention | None = None,
        objects: Sequence[str | PathLike[str] | Image.Image | VisualObject | Mapping[str, Any]] | None = None,
    ) -> Prediction:
        """Predict one text (or list of words) with its image: an EntityPrediction, or for MRE a RelationPrediction.

        `image` is a file or an opened image; `head` and `tail` are words of the text or characters (start, end); `objects` are crops of
        the image, or boxes as {"box": [x0, y0, x1, y1]} in pixels (None: they are looked for; empty: there are none).
        Raises InputError, as ImageError for an image and as DataError for a text or a mention.
        """
        [found] = self.predict_many([PredictionInput(text, image, head, tail, objects)])
        if isinstance(found, InputError):
            raise found
        return found

    def predict_many(
        self, inputs: Iterable[PredictRequest | InputError], batch_size: int | None = None
    ) -> Iterator[Prediction | InputError]:
        """Predict each input (a text or its words, a mapping with the arguments of `predict`, a PredictionInput) in order, streaming.

        One that cannot be predicted gives its error instead; an error among the inputs is passed on. 16 batches are read ahead.
        Raises InputError for a batch size below 1.
        """
        size = (32 if next(self.model.parameters()).is_cuda else 8) if batch_size is None else batch_size
        if size < 1:
            raise InputError("batch-size-below-one", found=size)
        with looking(self.model, self.batcher) as batcher:
            for chunk in chunk_by_size(inputs, READ_AHEAD * size, _length):
                yield from self._predict_chunk(chunk, batcher, size)

    def _predict_chunk(
        self, chunk: Sequence[PredictRequest | InputError], batcher: Batcher, batch_size: int
    ) -> list[Prediction | InputError]:
        with TemporaryDirectory(prefix="hvpkit-") as folder:
            readings = self.attach_objects([self._read(given, Path(folder) / str(number)) for number, given in enumerate(chunk)])
            examples = [reading.example for reading in readings if isinstance(reading, ParsedInput)]
            answers = predict_windows(self.model, batcher, examples, batch_size)
            return [reading if isinstance(reading, InputError) else build_prediction(reading, next(answers)) for reading in readings]

    def attach_objects(self, readings: Sequence[ParsedInput | InputError]) -> Sequence[ParsedInput | InputError]:
        """Give readings the objects of their images, found with the model's own settings, where none were given.

        Raises ModelFolderError when the detector cannot be had.
        """
        return readings if self.objects is None else self.objects.attach(readings)

    def _read(self, given: PredictRequest | InputError, folder: Path) -> ParsedInput | InputError:
        try:
            return given if isinstance(given, InputError) else parse_input(_filed(to_prediction_input(given), folder), self.folder.recipe)
        except InputError as error:
            return error


def _length(given: PredictRequest | InputError) -> float:
    if isinstance(given, InputError):
        return 0
    text = given.text if isinstance(given, PredictionInput) else given.get("text") if isinstance(given, Mapping) else given
    return len(text) / CHARACTERS if isinstance(text, str) else 1


# --------------------------------------------------------------------------------------------------------- opened images
def _filed(given: PredictionInput, folder: Path) -> PredictionInput:
    """Write opened images to files, as they stand: everything that reads images reads files. Raises ImageError."""
    image = _file(given.image, folder / "image.ppm")
    objects = None if given.objects is None else [_filed_object(item, folder / f"{i}.ppm") for i, item in enumerate(given.objects)]
    return replace(given, image=image, objects=objects)


def _filed_object(given: Any, file: Path) -> Any:  # noqa: ANN401 - whatever else is given goes through
    return {**given, "image": _file(given.get("image"), file)} if isinstance(given, Mapping) else _file(given, file)


def _file(given: Any, file: Path) -> Any:  # noqa: ANN401 - whatever else is given goes through
    if not isinstance(given, Image.Image):
        return given
    file.parent.mkdir(exist_ok=True)
    exif_transpose_rgb(given).save(file)
    return file


# ------------------------------------------------------------------------------------------------------------- predictions
def build_prediction(reading: ParsedInput, answer: WindowedPrediction | InputError) -> Prediction | InputError:
    """Give what was found in a reading its characters; an error is handed on."""
    if isinstance(answer, InputError):
        return answer
    if isinstance(answer.found, list):
        entities = tuple(to_text_entity(entity, reading) for entity in answer.found)
        return EntityPrediction(reading.text, entities, answer.image, reading.remarks, reading.example.objects)
    return _relation_prediction(reading, answer, answer.found)


def to_text_entity(entity: Entity, reading: ParsedInput) -> TextEntity:
    """Give an entity's words and characters."""
    start, end = reading.words[entity.start].start, reading.words[entity.end - 1].end
    return TextEntity(reading.text[start:end], entity.type, start, end, entity.confidence)


def _relation_prediction(reading: ParsedInput, answer: WindowedPrediction, relation: Relation) -> RelationPrediction:
    if reading.mentions is None:
        raise ValueError("a relation was told without a head and a tail")
    [window] = answer.windows
    first, last = reading.words[window.start], reading.words[window.end - 1]
    remarks = reading.remarks
    if window.end - window.start < len(reading.words):
        words = len(reading.words)
        read = Message("text-read-in-part", first=window.start + 1, last=window.end, count=words, start=first.start, end=last.end)
        remarks += (read,)
    return RelationPrediction(
        reading.text, reading.mentions.head, reading.mentions.tail, relation, answer.image, remarks, reading.example.objects
    )
