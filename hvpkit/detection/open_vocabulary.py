"""Open-vocabulary detectors of transformers: Grounding DINO, MM Grounding DINO, OWLv2, OmDet-Turbo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForZeroShotObjectDetection, AutoProcessor, PreTrainedModel
from transformers.utils import logging as transformers_logging

from hvpkit.interfaces import DetectionQuery, DetectorContext, ObjectDetector
from hvpkit.messages import Message
from hvpkit.types import Box, VisualObject
from hvpkit.utils.device import resolve_device
from hvpkit.utils.hub import load_pretrained, require_weights

MAX_CANDIDATES = 100  # boxes of one phrase in one image, best first


@dataclass(frozen=True)
class Family:
    """Differences between the detectors.

    Attributes:
        threshold: Minimum score of a box, as recommended by the authors.
        processor_options: Keyword arguments of the processor.
        postprocess_options: Keyword arguments of the processor's postprocessing.
        scores_phrases_separately: One forward pass scores all phrases of an image independently. Otherwise the
            phrases of a prompt influence each other, so each phrase is a prompt of its own.
    """

    threshold: float
    processor_options: Mapping[str, Any] = field(default_factory=dict)
    postprocess_options: Mapping[str, Any] = field(default_factory=dict)
    scores_phrases_separately: bool = False


FAMILIES = {
    "grounding-dino": Family(0.25, {"padding": True, "truncation": True}),
    "mm-grounding-dino": Family(0.25, {"padding": True, "truncation": True}),
    "owlv2": Family(0.1, {"padding": "max_length", "truncation": True}, scores_phrases_separately=True),
    "omdet-turbo": Family(0.3, {"truncation": True}, {"nms_threshold": 1.0}),
}
Prompt = tuple[DetectionQuery, tuple[str, ...]]


def load_open_vocabulary(name: str, context: DetectorContext, weights: str) -> OpenVocabularyDetector:
    """Load a detector from a hub id or folder.

    Args:
        name: Key of `FAMILIES`.
        context: Device and batch size.
        weights: Hub id or folder.

    Raises:
        ModelFolderError: The weights are unavailable or of another model type.
    """
    description = f"object detector {name}"
    return load_pretrained(weights, description, "weights", lambda path, local: _load(name, context, path, local))


def _load(name: str, context: DetectorContext, path: str, local: bool) -> OpenVocabularyDetector:
    source: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    transformers_logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(path, **source)
    if config.model_type != name:
        raise ValueError(Message("detector-model-mismatch", found=config.model_type, expected=name))
    processor = AutoProcessor.from_pretrained(path, **source)
    options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    model, report = AutoModelForZeroShotObjectDetection.from_pretrained(path, config=config, **source, **options)
    require_weights(report, optional="position_ids")
    device = resolve_device(context.device)
    version = getattr(config, "_commit_hash", None) or _digest(Path(path).expanduser())
    return OpenVocabularyDetector(FAMILIES[name], model.eval().to(device), processor, context.batch_size, version)


def _digest(folder: Path) -> str:
    """Return the first 16 hex digits of a sha256 over the weights of a folder."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


class OpenVocabularyDetector(ObjectDetector):
    """Detect objects by phrases.

    Args:
        family: Threshold and options of the model type.
        model: Detector in evaluation mode.
        processor: Processor of the model.
        batch_size: Number of prompts in a batch.
        version: Identifies the weights.
    """

    def __init__(
        self,
        family: Family,
        model: PreTrainedModel,
        processor: Any,  # noqa: ANN401 - differs by model type
        batch_size: int,
        version: str,
    ) -> None:
        self.family, self.model, self.processor, self.batch_size = family, model, processor, batch_size
        self.threshold, self.version = family.threshold, version

    @torch.inference_mode()
    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Detect objects for every phrase of every query, in batches."""
        detections: list[list[VisualObject]] = [[] for _ in queries]
        prompts = list(self._prompts(queries))
        for start in range(0, len(prompts), self.batch_size):
            batch = prompts[start : start + self.batch_size]
            for (index, _), objects in zip(batch, self._detect([prompt for _, prompt in batch]), strict=True):
                detections[index] += objects
        return detections

    def _prompts(self, queries: Sequence[DetectionQuery]) -> Iterator[tuple[int, Prompt]]:
        """Yield prompts with the index of their query."""
        for index, query in enumerate(queries):
            if self.family.scores_phrases_separately and query.phrases:
                yield index, (query, query.phrases)
            elif not self.family.scores_phrases_separately:
                yield from ((index, (query, (phrase,))) for phrase in query.phrases)

    def _detect(self, prompts: Sequence[Prompt]) -> list[list[VisualObject]]:
        texts = [[_normalize(phrase) for phrase in phrases] for _, phrases in prompts]
        images = [query.image for query, _ in prompts]
        inputs = self.processor(images=images, text=texts, return_tensors="pt", **self.family.processor_options)
        outputs = self.model(**inputs.to(self.model.device))
        sizes = [(query.size[1], query.size[0]) for query, _ in prompts]  # height, width
        columns = range(max(map(len, texts)))
        if self.family.scores_phrases_separately:
            by_column = [self._postprocess(_select_phrase(outputs, column), sizes) for column in columns]
        else:
            by_column = [self._postprocess(outputs, sizes) for _ in columns]
        return [
            [item for phrase, boxes in zip(phrases, by_column, strict=False) for item in _objects(boxes[row], phrase)]
            for row, (_, phrases) in enumerate(prompts)
        ]

    def _postprocess(self, outputs: Any, sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:  # noqa: ANN401
        options = {"threshold": 0.0, "target_sizes": sizes, **self.family.postprocess_options}
        return list(self.processor.post_process_grounded_object_detection(outputs, **options))


def _normalize(phrase: str) -> str:
    """Lowercase a phrase and remove periods, which separate the phrases of a prompt."""
    return " ".join(phrase.replace(".", " ").lower().split()) or phrase


def _select_phrase(outputs: Any, column: int) -> Any:  # noqa: ANN401 - the library's own
    """Return the outputs of one phrase of the prompts."""
    return type(outputs)(logits=outputs.logits[..., column : column + 1], pred_boxes=outputs.pred_boxes)


def _objects(result: Mapping[str, Any], phrase: str) -> list[VisualObject]:
    best = result["scores"].argsort(descending=True, stable=True)[:MAX_CANDIDATES]
    scores, boxes = result["scores"][best].tolist(), result["boxes"][best].tolist()
    return [VisualObject(box=Box(*box), phrase=phrase, score=score) for score, box in zip(scores, boxes, strict=True)]
