from __future__ import annotations

import random

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.model.text.input_layout import MARKERS, build_inputs, count_fitting_words, window_around
from hvpkit.types import Example, Span

IDS = (101, 102, 103, 104)
NAMES = dict(zip(IDS, MARKERS, strict=True))


def example_of(words: int, head: Span | None = None, tail: Span | None = None) -> Example:
    return Example("7", tuple(f"w{i}" for i in range(words)), head=head, tail=tail)


def wordpieces_of(costs: list[int]) -> list[list[int]]:
    """Word i has wordpieces 10i, 10i+1, ..."""
    return [[10 * word + i for i in range(cost)] for word, cost in enumerate(costs)]


def written(layout) -> str:
    return " ".join(NAMES.get(i, str(i)) for i in layout.ids)


def test_every_word_starts_at_its_first_wordpiece():
    layout = build_inputs(wordpieces_of([1, 3, 2]), example_of(3), 10, None)
    assert layout.ids == [0, 10, 11, 12, 20, 21]
    assert layout.word_starts == [0, 1, 4]
    assert layout.word_ids == [0, 1, 1, 1, 2, 2]
    assert (layout.first_word, layout.num_truncated_words, layout.head_position, layout.tail_position) == (
        0,
        0,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        (Span(0, 1), Span(2, 3), "<head> 0 </head> 10 <tail> 20 </tail>"),
        (Span(1, 3), Span(0, 1), "<tail> 0 </tail> <head> 10 20 </head>"),
        (Span(0, 3), Span(1, 2), "<head> 0 <tail> 10 </tail> 20 </head>"),
        (Span(0, 2), Span(1, 3), "<head> 0 <tail> 10 </head> 20 </tail>"),
        (Span(2, 3), Span(2, 3), "0 10 <head> <tail> 20 </head> </tail>"),
    ],
)
def test_markers_surround_head_and_tail(head, tail, expected):
    layout = build_inputs(wordpieces_of([1, 1, 1]), example_of(3, head, tail), 10, IDS)
    assert written(layout) == expected
    assert (layout.ids[layout.head_position], layout.ids[layout.tail_position]) == (101, 103)
    assert [layout.ids[start] for start in layout.word_starts] == [0, 10, 20]
    assert [word for word in layout.word_ids if word >= 0] == [0, 1, 2]


def test_pair_without_markers_is_at_its_first_wordpieces():
    layout = build_inputs(wordpieces_of([2, 2, 2]), example_of(3, Span(1, 3), Span(0, 1)), 10, None)
    assert (layout.head_position, layout.tail_position) == (2, 0)
    assert layout.ids == [0, 1, 10, 11, 20, 21]


def test_words_that_do_not_fit_are_cut_whole():
    layout = build_inputs(wordpieces_of([2, 2, 3, 1]), example_of(4), 6, None)
    assert layout.ids == [0, 1, 10, 11]  # the third would be cut in two, and what follows it is cut as well
    assert layout.num_truncated_words == 2


@pytest.mark.parametrize("seed", range(40))
def test_the_window_around_a_pair_is_as_wide_as_fits(seed):
    chance = random.Random(seed)
    costs = [chance.randint(1, 4) for _ in range(chance.randint(4, 20))]
    starts = sorted(chance.sample(range(len(costs)), 2))
    spans = [Span(starts[0], starts[0] + 1), Span(starts[1], starts[1] + 1)]
    chance.shuffle(spans)
    room = chance.randint(4, 40)
    needed = sum(costs[starts[0] : starts[1] + 1]) + 4
    if needed > room:
        with raises(DataError, "pair-too-far-apart", example="7", wordpieces=needed - 4, limit=room - 4):
            build_inputs(wordpieces_of(costs), example_of(len(costs), *spans), room, IDS)
        return
    layout = build_inputs(wordpieces_of(costs), example_of(len(costs), *spans), room, IDS)
    first, last = layout.first_word, layout.first_word + len(layout.word_starts)
    assert first <= starts[0] < starts[1] < last
    assert len(layout.ids) == sum(costs[first:last]) + 4 <= room
    spare = room - len(layout.ids)
    assert first == 0 or costs[first - 1] > spare
    assert last == len(costs) or costs[last] > spare
    assert layout.num_truncated_words == len(costs) - (last - first)
    assert layout.ids[layout.head_position + 1] == 10 * spans[0].start
    assert layout.ids[layout.tail_position + 1] == 10 * spans[1].start


def test_the_window_grows_on_both_sides():
    assert window_around([1] * 21, [Span(10, 11), Span(10, 11)], 7, "7") == (7, 14)
    assert window_around([1] * 21, [Span(0, 1), Span(1, 2)], 7, "7") == (0, 7)
    assert window_around([1] * 21, [Span(20, 21), Span(19, 20)], 7, "7") == (14, 21)


def test_first_word_that_does_not_fit_is_reported():
    with raises(DataError, "first-word-too-long", example="7", wordpieces=5, limit=3):
        build_inputs(wordpieces_of([5, 1]), example_of(2), 3, None)


def test_fitting_counts_leading_words():
    assert [count_fitting_words([2, 1, 3], room) for room in range(8)] == [0, 0, 1, 2, 2, 2, 3, 3]
