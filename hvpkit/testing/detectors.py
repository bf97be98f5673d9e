"""Contract check for object detectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

from PIL import Image, ImageDraw

from hvpkit.errors import InputError
from hvpkit.interfaces import DetectionQuery, DetectorContext, ObjectDetector
from hvpkit.messages import Message
from hvpkit.testing.assertions import CheckFailed, build_checked, require
from hvpkit.types import Box, Example, VisualObject

SIZE = (96, 64)


def check_detector(
    factory: Callable[..., ObjectDetector],
    *,
    uses_phrases: bool = False,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check an object detector on two synthetic images.

    It has a version and a threshold; returns one result per query; its boxes are finite, in pixels of the requested
    size, and its scores lie in 0..1; it is deterministic, and its best score does not depend on the batch. With
    phrases, each object has the phrase for which it was detected, and other phrases do not change its score.

    Args:
        factory: Factory of the detector.
        uses_phrases: Whether the detector searches for phrases.
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    detector = build_checked(factory, DetectorContext("cpu", batch_size=2), **options)
    require(isinstance(detector.version, str) and bool(detector.version), Message("detector-without-version"))
    require(0 <= detector.threshold <= 1, Message("detector-threshold", threshold=detector.threshold))
    require(not list(detector.detect([])), Message("detector-unasked"))
    queries = [_query("red", 1), _query("blue", 1), _query("red", 2)]
    results = [_require_objects(detector, result) for result in _detect(detector, queries)]
    for query, objects in zip(queries, results, strict=True):
        _check_objects(query, objects, uses_phrases)
    alone = [_require_objects(detector, _detect(detector, [query])[0]) for query in queries]
    for together, single in zip(
        results, alone, strict=True
    ):  # the order of near ties may change, the best score may not
        message = Message("batch-changes-score", alone=_best_score(single), together=_best_score(together))
        require(_is_close(_best_score(single), _best_score(together), 1e-3), message)
    for first, second in zip(results, _detect(detector, queries), strict=True):
        _require_same(
            first,
            _require_objects(detector, second),
            lambda difference: Message("detector-not-deterministic", difference=difference),
        )
    halved = [_halved(item) for item in alone[2]]
    _require_same(halved, alone[0], lambda difference: Message("size-changes-objects", difference=difference))
    if uses_phrases:
        no_phrases = DetectionQuery(queries[0].image, SIZE, (), queries[0].example)
        require(not _require_objects(detector, _detect(detector, [no_phrases])[0]), Message("phrases-not-needed"))
        one_phrase = DetectionQuery(queries[0].image, SIZE, queries[0].phrases[:1], queries[0].example)
        of_phrase = [item for item in alone[0] if item.phrase == one_phrase.phrases[0]]
        require(bool(of_phrase), Message("phrase-without-objects"))
        best, single_phrase = (
            _best_score(of_phrase),
            _best_score(_require_objects(detector, _detect(detector, [one_phrase])[0])),
        )
        require(_is_close(best, single_phrase, 1e-3), Message("phrases-interact", alone=single_phrase, together=best))


def _query(color: str, scale: int) -> DetectionQuery:
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).ellipse((20, 12, 70, 50), fill=color)
    example = Example(
        color, ("a", color, "thing"), objects=(VisualObject(box=Box(20 * scale, 12 * scale, 70 * scale, 50 * scale)),)
    )
    return DetectionQuery(image, (SIZE[0] * scale, SIZE[1] * scale), (f"a {color} thing", "the cat"), example)


def _detect(
    detector: ObjectDetector, queries: Sequence[DetectionQuery]
) -> Sequence[Sequence[VisualObject] | InputError]:
    results = detector.detect(queries)
    require(len(results) == len(queries), Message("detector-answer-count", found=len(results), expected=len(queries)))
    return results


def _require_objects(detector: ObjectDetector, result: Sequence[VisualObject] | InputError) -> Sequence[VisualObject]:
    if isinstance(result, InputError):
        raise CheckFailed(Message("detector-refuses-image", reason=result.message))
    return result


def _check_objects(query: DetectionQuery, objects: Sequence[VisualObject], uses_phrases: bool) -> None:
    for item in objects:
        require(item.box is not None or item.image is not None, Message("object-without-box"))
        require(
            item.box is None or all(math.isfinite(edge) for edge in _edges(item.box)),
            Message("box-not-finite", box=item.box),
        )
        require(item.score is None or 0 <= item.score <= 1, Message("score-outside", score=item.score))
        require(not uses_phrases or item.phrase in query.phrases, Message("phrase-not-asked", phrase=item.phrase))


def _require_same(
    first: Sequence[VisualObject], second: Sequence[VisualObject], message: Callable[[Message], Message]
) -> None:
    require(len(first) == len(second), message(Message("object-counts", first=len(first), second=len(second))))
    for one, other in zip(first, second, strict=True):
        require(one.phrase == other.phrase, message(Message("object-phrases", first=one.phrase, second=other.phrase)))
        require(
            _is_close(one.score, other.score, 1e-3),
            message(Message("object-scores", first=one.score, second=other.score)),
        )
        edges = zip(_edges(one.box), _edges(other.box), strict=True)
        require(
            all(_is_close(a, b, 0.1) for a, b in edges),
            message(Message("object-boxes", first=one.box, second=other.box)),
        )


def _best_score(objects: Sequence[VisualObject]) -> float | None:
    return max((item.score for item in objects if item.score is not None), default=None)


def _is_close(first: float | None, second: float | None, tolerance: float) -> bool:
    return first == second or (first is not None and second is not None and abs(first - second) <= tolerance)


def _edges(box: Box | None) -> tuple[float, ...]:
    return () if box is None else astuple(box)


def _halved(item: VisualObject) -> VisualObject:
    box = None if item.box is None else Box(*(edge / 2 for edge in _edges(item.box)))
    return VisualObject(item.image, box, item.phrase, item.score)
