"""Predictor: typed predictions with character offsets for texts and images, from a model folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from hvpkit.batching import Batcher
from hvpkit.errors import InputError
from hvpkit.inference.attach_objects import ObjectAttacher
from hvpkit.inference.decode import Decoded, WindowedPrediction, decode_batch, merge_windows
from hvpkit.inference.engine import (
    PREFETCH_BATCHES,
    InferenceEngine,
    WindowedResult,
    caching_batcher,
    chunk_by_size,
)
from hvpkit.inference.inputs import (
    ImageInput,
    MentionInput,
    ObjectInput,
    ParsedInput,
    PredictionInput,
    PredictionRequest,
    parse_input,
)
from hvpkit.inference.predictions import EntityPrediction, Prediction, RelationPrediction
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder, open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.types import Entity, Relation, Task, TextEntity

TYPICAL_NUM_CHARACTERS = 256  # of a text; of longer texts, fewer are read ahead


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
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    @property
    def task(self) -> Task:
        """The task of the model: entities ("mner") or relations ("mre")."""
        return self.folder.recipe.task

    def predict(
        self,
        text: str | Sequence[str],
        image: ImageInput | None = None,
        head: MentionInput | None = None,
        tail: MentionInput | None = None,
        objects: Sequence[ObjectInput] | None = None,
    ) -> Prediction:
        """Predict one text with its image.

        Args:
            text: Text, or a list of its words.
            image: Image: file, its bytes, or opened image.
            head: Head entity (MRE): words of the text, or [start, end) in characters of a text or in words of a list.
            tail: Tail entity (MRE), likewise.
            objects: Crops of the image, or boxes as {"box": [left, top, right, bottom]} in pixels. None: they are
                detected. Empty: the image has no objects.

        Returns:
            An EntityPrediction (MNER) or a RelationPrediction (MRE).

        Raises:
            InputError: "several-texts", or the input does not fit the model; ImageError for an image, RecordError for a
                text or mention.
        """
        if not isinstance(text, str) and any(" " in word.strip() for word in text if isinstance(word, str)):
            raise InputError("several-texts", count=len(text))
        [result] = self.predict_many([PredictionInput(text, image, head, tail, objects)])
        if isinstance(result, InputError):
            raise result
        return result

    def predict_many(
        self,
        inputs: Iterable[PredictionRequest | ParsedInput | InputError],
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Iterator[Prediction | InputError]:
        """Predict a stream of inputs in order; up to 16 batches are read ahead.

        Args:
            inputs: Texts, lists of words, mappings with the keys of a record, PredictionInputs, or parsed inputs; an
                error is returned unchanged.
            batch_size: Number of examples in a batch; None: 32 with CUDA, else 8.
            workers: Number of processes that decode images; None for one per core, 0 to start no process.

        Yields:
            The prediction of each input, or the error of an invalid one.

        Raises:
            InputError: "batch-size-below-one", or "one-input-to-predict-many" for a text or a mapping.
        """
        if isinstance(inputs, (str, Mapping)):
            raise InputError("one-input-to-predict-many")
        return self._predict_stream(inputs, batch_size, workers)

    def _predict_stream(
        self,
        inputs: Iterable[PredictionRequest | ParsedInput | InputError],
        batch_size: int | None,
        workers: int | None,
    ) -> Iterator[Prediction | InputError]:
        size = (32 if next(self.model.parameters()).is_cuda else 8) if batch_size is None else batch_size
        if size < 1:
            raise InputError("batch-size-below-one", found=size)
        with caching_batcher(self.model, self.batcher) as batcher:
            engine = InferenceEngine(self.model, batcher, batch_size=size, workers=workers)
            for chunk in chunk_by_size(inputs, PREFETCH_BATCHES * size, _length):
                yield from self._predict_chunk(chunk, engine)

    def _predict_chunk(
        self, chunk: Sequence[PredictionRequest | ParsedInput | InputError], engine: InferenceEngine
    ) -> list[Prediction | InputError]:
        inputs = self.attach_objects([self._parse(request) for request in chunk])
        results = engine.run((item.example for item in inputs if isinstance(item, ParsedInput)), decode_batch)
        return [item if isinstance(item, InputError) else _to_prediction(item, next(results)) for item in inputs]

    def attach_objects(self, inputs: Sequence[ParsedInput | InputError]) -> Sequence[ParsedInput | InputError]:
        """Detect the objects of inputs without objects, with the model's own settings.

        Args:
            inputs: Parsed inputs, or their errors, which are returned unchanged.

        Raises:
            ModelFolderError: "model-detector-unavailable" if the detector cannot be built.
        """
        return inputs if self.objects is None else self.objects.attach(inputs)

    def _parse(self, request: PredictionRequest | ParsedInput | InputError) -> ParsedInput | InputError:
        if isinstance(request, (ParsedInput, InputError)):
            return request
        try:
            return parse_input(request, self.folder.recipe)
        except InputError as error:
            return error


def _length(request: PredictionRequest | ParsedInput | InputError) -> float:
    """Return the text length relative to `TYPICAL_NUM_CHARACTERS`."""
    if isinstance(request, InputError):
        return 0
    text: object = request.text if isinstance(request, (PredictionInput, ParsedInput)) else request
    if isinstance(text, Mapping):
        text = text.get("text", ())
    return len(text) / TYPICAL_NUM_CHARACTERS if isinstance(text, str) else 1


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
        return EntityPrediction(
            text=parsed.text,
            entities=entities,
            image_used=result.image_used,
            notes=parsed.notes,
            objects=parsed.example.objects,
            image=parsed.example.image,
        )
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
    return RelationPrediction(
        text=parsed.text,
        head=parsed.mentions.head,
        tail=parsed.mentions.tail,
        relation=relation,
        image_used=result.image_used,
        notes=notes,
        objects=parsed.example.objects,
        image=parsed.example.image,
    )
