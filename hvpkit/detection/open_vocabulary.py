"""Detectors of Hugging Face that look for phrases: Grounding DINO, MM Grounding DINO, OWLv2, OmDet-Turbo."""

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
from hvpkit.utils.hub import load_pretrained, require_weights

CANDIDATES = 100  # boxes of one phrase in one image, best first


@dataclass(frozen=True)
class Family:
    """What differs between the detectors: the score that their authors keep boxes from, and what their processors take besides.

    `together`: an image is looked at once for all of its phrases, each scored by itself. The others mix the phrases of a prompt, so each
    phrase is a prompt of its own.
    """

    threshold: float
    reading: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    together: bool = False


FAMILIES = {
    "grounding-dino": Family(0.25, {"padding": True, "truncation": True}),
    "mm-grounding-dino": Family(0.25, {"padding": True, "truncation": True}),
    "owlv2": Family(0.1, {"padding": "max_length", "truncation": True}, together=True),
    "omdet-turbo": Family(0.3, {"truncation": True}, {"nms_threshold": 1.0}),
}
Row = tuple[DetectionQuery, tuple[str, ...]]


def load_open_vocabulary(name: str, context: DetectorContext, weights: str) -> OpenVocabularyDetector:
    """Open a detector by hub id or folder; raises ModelFolderError when it cannot be had or is of another family."""
    return load_pretrained(weights, f"object detector {name}", "weights", lambda place, local: _open(name, context, place, local))


def _open(name: str, context: DetectorContext, place: str, local: bool) -> OpenVocabularyDetector:
    source: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    transformers_logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(place, **source)
    if config.model_type != name:
        raise ValueError(Message("detector-model-mismatch", found=config.model_type, expected=name))
    processor = AutoProcessor.from_pretrained(place, **source)
    told: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    model, report = AutoModelForZeroShotObjectDetection.from_pretrained(place, config=config, **source, **told)
    require_weights(report, optional="position_ids")
    device = context.device or ("cuda" if torch.cuda.is_available() else "cpu")
    version = getattr(config, "_commit_hash", None) or _digest(Path(place).expanduser())
    return OpenVocabularyDetector(FAMILIES[name], model.eval().to(device), processor, context.batch_size, version)


def _digest(folder: Path) -> str:
    """Give 16 hex digits of a sha256 over a folder's weights."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


class OpenVocabularyDetector(ObjectDetector):
    """One such detector with its processor."""

    def __init__(self, family: Family, model: PreTrainedModel, processor: Any, batch_size: int, version: str) -> None:  # noqa: ANN401
        self.family, self.model, self.processor, self.batch_size = family, model, processor, batch_size
        self.threshold, self.version = family.threshold, version

    @torch.inference_mode()
    def detect(self, queries: Sequence[DetectionQuery]) -> list[list[VisualObject]]:
        """Look for every phrase of every query, in batches."""
        found: list[list[VisualObject]] = [[] for _ in queries]
        rows = list(self._rows(queries))
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            for (number, _), objects in zip(batch, self._detect([row for _, row in batch]), strict=True):
                found[number] += objects
        return found

    def _rows(self, queries: Sequence[DetectionQuery]) -> Iterator[tuple[int, Row]]:
        for number, query in enumerate(queries):
            if self.family.together and query.phrases:
                yield number, (query, query.phrases)
            elif not self.family.together:
                yield from ((number, (query, (phrase,))) for phrase in query.phrases)

    def _detect(self, rows: Sequence[Row]) -> list[list[VisualObject]]:
        texts = [[_plain(phrase) for phrase in phrases] for _, phrases in rows]
        images = [query.image for query, _ in rows]
        inputs = self.processor(images=images, text=texts, return_tensors="pt", **self.family.reading).to(self.model.device)
        outputs = self.model(**inputs)
        sizes = [(query.size[1], query.size[0]) for query, _ in rows]
        columns = range(max(map(len, texts)))
        by_column = [self._boxes(_column(outputs, column) if self.family.together else outputs, sizes) for column in columns]
        return [
            [item for phrase, boxes in zip(phrases, by_column, strict=False) for item in _objects(boxes[row], phrase)]
            for row, (_, phrases) in enumerate(rows)
        ]

    def _boxes(self, outputs: Any, sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:  # noqa: ANN401 - the library's own
        told = {"threshold": 0.0, "target_sizes": sizes, **self.family.told}
        return list(self.processor.post_process_grounded_object_detection(outputs, **told))


def _plain(phrase: str) -> str:
    """Take the full stops out: in a prompt they stand between phrases."""
    return " ".join(phrase.replace(".", " ").lower().split()) or phrase


def _column(outputs: Any, column: int) -> Any:  # noqa: ANN401 - the library's own
    """Give the outputs for one of the phrases that an image was looked at for."""
    return type(outputs)(logits=outputs.logits[..., column : column + 1], pred_boxes=outputs.pred_boxes)


def _objects(found: Mapping[str, Any], phrase: str) -> list[VisualObject]:
    best = found["scores"].argsort(descending=True, stable=True)[:CANDIDATES]
    scores, boxes = found["scores"][best].tolist(), found["boxes"][best].tolist()
    return [VisualObject(box=Box(*box), phrase=phrase, score=score) for score, box in zip(scores, boxes, strict=True)]
