"""The contract of object detectors."""

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


def check_detector(factory: Callable[..., ObjectDetector], *, reads_phrases: bool = False, **options: Any) -> None:  # noqa: ANN401 - its own
    """Check what a detector finds in two drawn images.

    It has a version and a threshold; answers every query, none for none; gives finite boxes and scores 0..1 in pixels of the size asked
    for; says the same when asked again, and scores alike alone and in a batch; and, if it `reads_phrases`, names the phrase of each object
    and finds nothing without phrases, and the same for a phrase whatever else is asked. Raises AssertionError for what is broken.
    """
    detector = build_checked(factory, DetectorContext("cpu", batch_size=2), **options)
    require(isinstance(detector.version, str) and bool(detector.version), Message("detector-without-version"))
    require(0 <= detector.threshold <= 1, Message("detector-threshold", threshold=detector.threshold))
    require(not list(detector.detect([])), Message("detector-unasked"))
    queries = [_query("red", 1), _query("blue", 1), _query("red", 2)]
    answers = [_answer(detector, found) for found in _asked(detector, queries)]
    for query, found in zip(queries, answers, strict=True):
        _check_found(query, found, reads_phrases)
    alone = [_answer(detector, _asked(detector, [query])[0]) for query in queries]
    for found, single in zip(answers, alone, strict=True):  # near ties may change places there: the best score may not
        scores = Message("batch-changes-score", alone=_best(single), together=_best(found))
        require(_near(_best(single), _best(found), 1e-3), scores)
    for first, again in zip(answers, _asked(detector, queries), strict=True):
        _require_same(first, _answer(detector, again), lambda what: Message("detector-not-deterministic", difference=what))
    halved = [_halved(item) for item in alone[2]]
    _require_same(halved, alone[0], lambda what: Message("size-changes-objects", difference=what))
    if reads_phrases:
        without = DetectionQuery(queries[0].image, SIZE, (), queries[0].example)
        require(not _answer(detector, _asked(detector, [without])[0]), Message("phrases-not-needed"))
        one = DetectionQuery(queries[0].image, SIZE, queries[0].phrases[:1], queries[0].example)
        among = [item for item in alone[0] if item.phrase == one.phrases[0]]
        require(bool(among), Message("phrase-without-objects"))
        best, by_itself = _best(among), _best(_answer(detector, _asked(detector, [one])[0]))
        require(_near(best, by_itself, 1e-3), Message("phrases-interact", alone=by_itself, together=best))


def _query(colour: str, times: int) -> DetectionQuery:
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).ellipse((20, 12, 70, 50), fill=colour)
    example = Example(colour, ("a", colour, "thing"), objects=(VisualObject(box=Box(20 * times, 12 * times, 70 * times, 50 * times)),))
    return DetectionQuery(image, (SIZE[0] * times, SIZE[1] * times), (f"a {colour} thing", "the cat"), example)


def _asked(detector: ObjectDetector, queries: Sequence[DetectionQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
    answers = detector.detect(queries)
    require(len(answers) == len(queries), Message("detector-answer-count", found=len(answers), expected=len(queries)))
    return answers


def _answer(detector: ObjectDetector, found: Sequence[VisualObject] | InputError) -> Sequence[VisualObject]:
    if isinstance(found, InputError):
        raise CheckFailed(Message("detector-refuses-image", reason=found.message))
    return found


def _check_found(query: DetectionQuery, found: Sequence[VisualObject], reads_phrases: bool) -> None:
    for item in found:
        require(item.box is not None or item.image is not None, Message("object-without-box"))
        require(item.box is None or all(math.isfinite(edge) for edge in _edges(item.box)), Message("box-not-finite", box=item.box))
        require(item.score is None or 0 <= item.score <= 1, Message("score-outside", score=item.score))
        require(not reads_phrases or item.phrase in query.phrases, Message("phrase-not-asked", phrase=item.phrase))


def _require_same(first: Sequence[VisualObject], second: Sequence[VisualObject], message: Callable[[Message], Message]) -> None:
    require(len(first) == len(second), message(Message("object-counts", first=len(first), second=len(second))))
    for one, other in zip(first, second, strict=True):
        require(one.phrase == other.phrase, message(Message("object-phrases", first=one.phrase, second=other.phrase)))
        require(_near(one.score, other.score, 1e-3), message(Message("object-scores", first=one.score, second=other.score)))
        edges = zip(_edges(one.box), _edges(other.box), strict=True)
        require(all(_near(a, b, 0.1) for a, b in edges), message(Message("object-boxes", first=one.box, second=other.box)))


def _best(found: Sequence[VisualObject]) -> float | None:
    return max((item.score for item in found if item.score is not None), default=None)


def _near(first: float | None, second: float | None, tolerance: float) -> bool:
    return first == second or (first is not None and second is not None and abs(first - second) <= tolerance)


def _edges(box: Box | None) -> tuple[float, ...]:
    return () if box is None else astuple(box)


def _halved(item: VisualObject) -> VisualObject:
    box = None if item.box is None else Box(*(edge / 2 for edge in _edges(item.box)))
    return VisualObject(item.image, box, item.phrase, item.score)
