"""Laying words out in positions: which words fit, where markers stand, which position stands for which word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from hvpkit.errors import DataError
from hvpkit.types import Example, Span

MARKERS = ("<head>", "</head>", "<tail>", "</tail>")
RELEASED_MARKERS = ("<s>", "</s>", "<o>", "</o>")


@dataclass(frozen=True)
class EncodedLayout:
    """Piece ids of the words that fit, with markers; positions count from the first of them.

    `word_starts` has one position a kept word, `word_of` a kept word (or -1) a position, kept words begin at `first_word`;
    `head_start` and `tail_start` are the start markers, or the entities' first pieces where there are no markers.
    """

    ids: list[int]
    word_starts: list[int]
    word_of: list[int]
    first_word: int
    words_cut: int
    head_position: int | None = None
    tail_position: int | None = None


def build_inputs(pieces: Sequence[Sequence[int]], example: Example, room: int, markers: Sequence[int] | None) -> EncodedLayout:
    """Place as many words as fit into `room` positions; with a pair, the window is around both of its entities.

    `markers`: the ids of <head>, </head>, <tail>, </tail>, or None. Raises DataError when a pair, or the first word, does not fit.
    """
    costs = [len(ids) for ids in pieces]
    spans = [span for span in (example.head, example.tail) if span is not None]
    if spans:
        first, last = window_around(costs, spans, room - (len(markers) if markers else 0), example.id)
    else:
        first, last = 0, count_fitting_words(costs, room)
        if last == 0:
            raise DataError("first-word-too-long", example=example.id, wordpieces=costs[0], limit=room)
    return _place(pieces, example, first, last, markers)


def build_inputs_2022(pieces: Sequence[Sequence[int]], example: Example, room: int, markers: Sequence[int] | None) -> EncodedLayout:
    """Lay words out as the release of Chen et al. 2022 does: from the first on, the last one cut in two where `room` positions end.

    A word of no pieces takes no position; it starts where the next piece stands. Markers stand before words, so an entity that ends the
    sentence has no closing one. Raises DataError when an entity's start is cut off.
    """
    ids: list[int] = []
    word_of: list[int] = []
    word_starts: list[int] = []
    edges = [edge for span in (example.head, example.tail) if span is not None for edge in (span.start, span.end)]
    at: dict[int, int] = {}  # edge -> its marker's position, or where it would stand
    for word, own in enumerate(pieces):
        for number in [number for number, edge in enumerate(edges) if edge == word]:
            at[number] = len(ids)
            ids += [markers[number]] if markers else []
            word_of += [-1] if markers else []
        word_starts.append(len(ids))
        ids += own
        word_of += [word] * len(own)
    for role, number in (("head", 0), ("tail", 2)):
        if at.get(number, 0) >= room:
            raise DataError("entity-cut-off", example=example.id, role=role, position=at[number] + 1, limit=room)
    kept = [start for start in word_starts if start < room]
    return EncodedLayout(ids[:room], kept, word_of[:room], 0, len(pieces) - len(kept), at.get(0), at.get(2))


def count_fitting_words(costs: Sequence[int], room: int) -> int:
    """Count the leading words whose pieces fit together into `room`."""
    return sum(used <= room for used in accumulate(costs))


def window_around(costs: Sequence[int], spans: Sequence[Span], room: int, identity: str) -> tuple[int, int]:
    """Grow a window [first, last) of words around all spans, a word on either side in turn, as long as its pieces fit."""
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    left = room - sum(costs[first:last])
    if left < 0:
        raise DataError("pair-too-far-apart", example=identity, wordpieces=room - left, limit=room)
    grown = True
    while grown:
        grown = False
        if first > 0 and costs[first - 1] <= left:
            first, left, grown = first - 1, left - costs[first - 1], True
        if last < len(costs) and costs[last] <= left:
            left, last, grown = left - costs[last], last + 1, True
    return first, last


def _place(pieces: Sequence[Sequence[int]], example: Example, first: int, last: int, markers: Sequence[int] | None) -> EncodedLayout:
    ids: list[int] = []
    word_starts: list[int] = []
    starts: dict[str, int] = {}
    for word in range(first, last + 1):
        for span, number in ((example.head, 0), (example.tail, 2)):
            if span is not None and span.end == word and markers:
                ids.append(markers[number + 1])
        for role, span, number in (("head", example.head, 0), ("tail", example.tail, 2)):
            if span is not None and span.start == word:
                starts[role] = len(ids)
                ids += [markers[number]] if markers else []
        if word < last:
            word_starts.append(len(ids))
            ids += pieces[word]
    word_of = [-1] * len(ids)
    for word, start in enumerate(word_starts):
        word_of[start : start + len(pieces[first + word])] = [word] * len(pieces[first + word])
    return EncodedLayout(ids, word_starts, word_of, first, len(pieces) - (last - first), starts.get("head"), starts.get("tail"))
