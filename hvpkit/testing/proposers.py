"""The contract of object proposers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

from PIL import Image, ImageDraw

from hvpkit.contracts import ObjectProposer, ObjectQuery, ProposerContext
from hvpkit.errors import InputError
from hvpkit.testing.assertions import made, require
from hvpkit.types import Box, Example, VisualObject

SIZE = (96, 64)


def check_proposer(factory: Callable[..., ObjectProposer], *, reads_phrases: bool = False, **options: Any) -> None:  # noqa: ANN401 - its own
    """Check what a proposer finds in two drawn pictures.

    It has a version and a threshold; answers every query, none for none; gives finite boxes and scores 0..1 in pixels of the size asked
    for; says the same when asked again, and scores alike alone and in a batch; and, if it `reads_phrases`, names the phrase of each object
    and finds nothing without phrases, and the same for a phrase whatever else is asked. Raises AssertionError for what is broken.
    """
    proposer = made(factory, ProposerContext("cpu", batch_size=2), **options)
    require(isinstance(proposer.version, str) and bool(proposer.version), "it has no version")
    require(0 <= proposer.threshold <= 1, f"its threshold is {proposer.threshold}, not within 0..1")
    require(not list(proposer.propose([])), "it answers when nothing is asked")
    queries = [_query("red", 1), _query("blue", 1), _query("red", 2)]
    answers = [_answer(proposer, found) for found in _asked(proposer, queries)]
    for query, found in zip(queries, answers, strict=True):
        _check_found(query, found, reads_phrases)
    alone = [_answer(proposer, _asked(proposer, [query])[0]) for query in queries]
    for found, single in zip(answers, alone, strict=True):  # near ties may change places there: the best score may not
        require(_near(_best(single), _best(found), 1e-3), f"alone and in a batch, the best scores are {_best(single)} and {_best(found)}")
    for first, again in zip(answers, _asked(proposer, queries), strict=True):
        _require_same("asked twice", first, _answer(proposer, again))
    _require_same("asked with twice the size, halved", [_halved(item) for item in alone[2]], alone[0])
    if reads_phrases:
        without = ObjectQuery(queries[0].picture, SIZE, (), queries[0].example)
        require(not _answer(proposer, _asked(proposer, [without])[0]), "it finds objects without being asked for any")
        one = ObjectQuery(queries[0].picture, SIZE, queries[0].phrases[:1], queries[0].example)
        among = [item for item in alone[0] if item.phrase == one.phrases[0]]
        require(bool(among), "it finds nothing for a phrase, whatever the score")
        best, by_itself = _best(among), _best(_answer(proposer, _asked(proposer, [one])[0]))
        require(_near(best, by_itself, 1e-3), f"a phrase's best score is {by_itself} alone and {best} among others")


def _query(colour: str, times: int) -> ObjectQuery:
    picture = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(picture).ellipse((20, 12, 70, 50), fill=colour)
    example = Example(colour, ("a", colour, "thing"), objects=(VisualObject(box=Box(20 * times, 12 * times, 70 * times, 50 * times)),))
    return ObjectQuery(picture, (SIZE[0] * times, SIZE[1] * times), (f"a {colour} thing", "the cat"), example)


def _asked(proposer: ObjectProposer, queries: Sequence[ObjectQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
    answers = proposer.propose(queries)
    require(len(answers) == len(queries), f"it gives {len(answers)} answers to {len(queries)} queries")
    return answers


def _answer(proposer: ObjectProposer, found: Sequence[VisualObject] | InputError) -> Sequence[VisualObject]:
    require(not isinstance(found, InputError), f"a sound picture is answered with an error: {found}")
    return () if isinstance(found, InputError) else found


def _check_found(query: ObjectQuery, found: Sequence[VisualObject], reads_phrases: bool) -> None:
    for item in found:
        require(item.box is not None or item.image is not None, "an object has neither a box nor a crop")
        require(item.box is None or all(math.isfinite(edge) for edge in _edges(item.box)), f"a box is not finite: {item.box}")
        require(item.score is None or 0 <= item.score <= 1, f"a score is {item.score}, not within 0..1")
        require(not reads_phrases or item.phrase in query.phrases, f"an object is for {item.phrase!r}, which was not asked for")


def _require_same(how: str, first: Sequence[VisualObject], second: Sequence[VisualObject]) -> None:
    require(len(first) == len(second), f"{how}, it finds {len(first)} and {len(second)} objects")
    for one, other in zip(first, second, strict=True):
        require(one.phrase == other.phrase, f"{how}, it finds {one.phrase!r} and {other.phrase!r}")
        require(_near(one.score, other.score, 1e-3), f"{how}, scores are {one.score} and {other.score}")
        edges = zip(_edges(one.box), _edges(other.box), strict=True)
        require(all(_near(a, b, 0.1) for a, b in edges), f"{how}, boxes are {one.box} and {other.box}")


def _best(found: Sequence[VisualObject]) -> float | None:
    return max((item.score for item in found if item.score is not None), default=None)


def _near(first: float | None, second: float | None, tolerance: float) -> bool:
    return first == second or (first is not None and second is not None and abs(first - second) <= tolerance)


def _edges(box: Box | None) -> tuple[float, ...]:
    return () if box is None else astuple(box)


def _halved(item: VisualObject) -> VisualObject:
    box = None if item.box is None else Box(*(edge / 2 for edge in _edges(item.box)))
    return VisualObject(item.image, box, item.phrase, item.score)
