"""Build the input of an encoder: choose the words that fit, insert markers, map positions to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from hvpkit.errors import DataError
from hvpkit.types import Example, Span

MARKERS = ("<head>", "</head>", "<tail>", "</tail>")
UNUSED_MARKERS = ("[unused0]", "[unused1]", "[unused2]", "[unused3]")  # wordpieces of BERT without a meaning
RELEASED_MARKERS = ("<s>", "</s>", "<o>", "</o>")


@dataclass(frozen=True)
class EncodedLayout:
    """Wordpiece ids of the words that fit, with markers; without special tokens.

    Attributes:
        ids: Wordpiece and marker ids.
        word_starts: Position of the first wordpiece of each kept word.
        word_ids: Kept word of each position; -1 for markers.
        first_word: Index in the example of the first kept word.
        num_truncated_words: Number of words that did not fit.
        head_position: Position of the start marker of the head entity, or of its first wordpiece without markers.
        tail_position: The same for the tail entity.
    """

    ids: list[int]
    word_starts: list[int]
    word_ids: list[int]
    first_word: int
    num_truncated_words: int
    head_position: int | None = None
    tail_position: int | None = None


def build_inputs(
    wordpieces: Sequence[Sequence[int]], example: Example, max_tokens: int, markers: Sequence[int] | None
) -> EncodedLayout:
    """Build the input from as many whole words as fit.

    With an entity pair, the window contains both entities.

    Args:
        wordpieces: Wordpiece ids of each word.
        example: The example.
        max_tokens: Maximum number of positions.
        markers: Ids of <head>, </head>, <tail>, </tail>; None for no markers.

    Raises:
        DataError: "pair-too-far-apart" if the pair does not fit, "first-word-too-long" if the first word does not.
    """
    lengths = [len(ids) for ids in wordpieces]
    spans = [span for span in (example.head, example.tail) if span is not None]
    if spans:
        first, last = window_around(lengths, spans, max_tokens - (len(markers) if markers else 0), example.id)
    else:
        first, last = 0, count_fitting_words(lengths, max_tokens)
        if last == 0:
            raise DataError("first-word-too-long", example=example.id, wordpieces=lengths[0], limit=max_tokens)
    return _insert_markers(wordpieces, example, first, last, markers)


def build_inputs_2022(
    wordpieces: Sequence[Sequence[int]], example: Example, max_tokens: int, markers: Sequence[int] | None
) -> EncodedLayout:
    """Build the input as the released code does: all words from the first on, truncated at `max_tokens`.

    The last word may be truncated within. A word without wordpieces takes no position; it starts at the next wordpiece.
    Markers are inserted before words, so an entity at the end of the sentence has no end marker.

    Args:
        wordpieces: Wordpiece ids of each word.
        example: The example.
        max_tokens: Maximum number of positions.
        markers: Ids of the start and end markers of head and tail; None for no markers.

    Raises:
        DataError: "entity-cut-off" if the start of an entity is truncated.

    Source: code released with Chen et al. 2022.
    """
    ids: list[int] = []
    word_ids: list[int] = []
    word_starts: list[int] = []
    edges = [edge for span in (example.head, example.tail) if span is not None for edge in (span.start, span.end)]
    edge_positions: dict[int, int] = {}  # index of the edge -> position of its marker, or of the next wordpiece
    for word, wordpiece_ids in enumerate(wordpieces):
        for number in [number for number, edge in enumerate(edges) if edge == word]:
            edge_positions[number] = len(ids)
            ids += [markers[number]] if markers else []
            word_ids += [-1] if markers else []
        word_starts.append(len(ids))
        ids += wordpiece_ids
        word_ids += [word] * len(wordpiece_ids)
    for role, number in (("head", 0), ("tail", 2)):
        position = edge_positions.get(number, 0)
        if position >= max_tokens:
            raise DataError("entity-cut-off", example=example.id, role=role, position=position + 1, limit=max_tokens)
    kept = [start for start in word_starts if start < max_tokens]
    return EncodedLayout(
        ids[:max_tokens],
        kept,
        word_ids[:max_tokens],
        first_word=0,
        num_truncated_words=len(wordpieces) - len(kept),
        head_position=edge_positions.get(0),
        tail_position=edge_positions.get(2),
    )


def count_fitting_words(lengths: Sequence[int], max_tokens: int) -> int:
    """Count the leading words whose wordpieces fit together.

    Args:
        lengths: Number of wordpieces of each word.
        max_tokens: Maximum number of wordpieces.
    """
    return sum(used <= max_tokens for used in accumulate(lengths))


def window_around(lengths: Sequence[int], spans: Sequence[Span], max_tokens: int, example_id: str) -> tuple[int, int]:
    """Compute a window [first, last) of words around spans.

    It is extended by a word on either side in turn, as long as the wordpieces fit.

    Args:
        lengths: Number of wordpieces of each word.
        spans: Spans that the window must contain.
        max_tokens: Maximum number of wordpieces.
        example_id: Identifier for the error message.

    Raises:
        DataError: "pair-too-far-apart" if the spans do not fit.
    """
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    free = max_tokens - sum(lengths[first:last])
    if free < 0:
        raise DataError("pair-too-far-apart", example=example_id, wordpieces=max_tokens - free, limit=max_tokens)
    extended = True
    while extended:
        extended = False
        if first > 0 and lengths[first - 1] <= free:
            first, free, extended = first - 1, free - lengths[first - 1], True
        if last < len(lengths) and lengths[last] <= free:
            free, last, extended = free - lengths[last], last + 1, True
    return first, last


def _insert_markers(
    wordpieces: Sequence[Sequence[int]], example: Example, first: int, last: int, markers: Sequence[int] | None
) -> EncodedLayout:
    """Build the input of the words [first, last) with markers around head and tail."""
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
            ids += wordpieces[word]
    word_ids = [-1] * len(ids)
    for word, start in enumerate(word_starts):
        length = len(wordpieces[first + word])
        word_ids[start : start + length] = [word] * length
    num_truncated_words = len(wordpieces) - (last - first)
    return EncodedLayout(ids, word_starts, word_ids, first, num_truncated_words, starts.get("head"), starts.get("tail"))
