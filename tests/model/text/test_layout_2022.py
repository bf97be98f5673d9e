from __future__ import annotations

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.model.text.input_layout import RELEASED_MARKERS, build_inputs_2022
from hvpkit.types import Example, Span

IDS = (101, 102, 103, 104)
NAMES = dict(zip(IDS, RELEASED_MARKERS, strict=True))


def laid_out(
    costs: list[int],
    head: Span | None = None,
    tail: Span | None = None,
    room: int = 50,
    markers: tuple[int, ...] | None = IDS,
):
    wordpieces = [[10 * word + i for i in range(cost)] for word, cost in enumerate(costs)]
    return build_inputs_2022(
        wordpieces, Example("7", tuple(f"w{i}" for i in range(len(costs))), head=head, tail=tail), room, markers
    )


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        (Span(0, 1), Span(1, 2), "<s> 0 </s> <o> 10 </o> 20"),
        (Span(1, 2), Span(0, 1), "<o> 0 <s> </o> 10 </s> 20"),
        (Span(0, 1), Span(1, 3), "<s> 0 </s> <o> 10 20"),
        (Span(2, 3), Span(0, 2), "<o> 0 10 <s> </o> 20"),
    ],
)
def test_markers_precede_words_and_none_is_at_the_end(head, tail, expected):
    layout = laid_out([1, 1, 1], head, tail)
    assert " ".join(NAMES.get(i, str(i)) for i in layout.ids) == expected
    assert (layout.ids[layout.head_position], layout.ids[layout.tail_position]) == (101, 103)


def test_the_last_word_is_cut_in_two():
    layout = laid_out([2, 3, 1], room=4)
    assert (layout.ids, layout.word_starts, layout.word_ids, layout.num_truncated_words) == (
        [0, 1, 10, 11],
        [0, 2],
        [0, 0, 1, 1],
        1,
    )


def test_word_without_wordpieces_has_no_position():
    layout = laid_out([1, 0, 2])
    assert (layout.ids, layout.word_starts, layout.word_ids, layout.num_truncated_words) == (
        [0, 20, 21],
        [0, 1, 1],
        [0, 2, 2],
        0,
    )


def test_truncated_entity_start_is_reported_with_its_example():
    with raises(DataError, "entity-cut-off", example="7", role="tail", position=7, limit=6):
        laid_out([1, 1, 1, 1, 1], Span(0, 1), Span(4, 5), room=6)
    kept = laid_out([1, 1, 1, 1, 1], Span(0, 1), Span(4, 5), room=7)
    assert kept.tail_position == 6
    assert kept.num_truncated_words == 1
