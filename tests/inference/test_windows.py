"""Long texts are read whole, and what overlapping windows find is joined once."""

from __future__ import annotations

import random

import pytest
from raising import raises

from hvpkit.errors import DataError
from hvpkit.inference.windows import Window, merge_predictions, slice_example, sliding_windows
from hvpkit.types import Entity, Example


def reader(room: int, seen: list[tuple[str, ...]]):
    """Encode as many leading words as fit into `room` letters; a first word that does not fit is refused.

    As encoders do.
    """

    def encode(example: Example) -> list[str]:
        fitting: list[str] = []
        for word in example.words:
            if sum(map(len, fitting)) + len(word) > room:
                break
            fitting.append(word)
        if not fitting:
            raise DataError(f"{example.words[0]} does not fit")
        seen.append(example.words)
        return fitting

    return encode


def read(words, room, most=1000):
    seen: list[tuple[str, ...]] = []
    return sliding_windows(Example("a", tuple(words)), reader(room, seen), len, most), seen


def test_a_text_that_fits_is_read_once_and_as_it_is():
    example = Example("a", ("aa", "b"), tags=("O", "O"))
    given: list[Example] = []
    found = sliding_windows(example, lambda one: given.append(one) or one, lambda one: len(one.words), 2)
    assert [window for window, _ in found] == [Window(0, 2)]
    assert given[0] is example


def test_windows_share_a_quarter_with_the_next():
    found, _ = read("abcdefghijklmnopqrst", room=8)
    assert [window for window, _ in found] == [Window(0, 8), Window(6, 14), Window(12, 20)]


@pytest.mark.parametrize("seed", range(60))
def test_every_word_is_read_in_order_and_no_window_is_for_nothing(seed):
    rng = random.Random(seed)
    longest, room = rng.choice([1, 4, 30]), rng.randint(2, 12)
    words = ["".join(rng.choices("xyz", k=rng.randint(1, longest))) for _ in range(rng.randint(1, 80))]
    found, _ = read(words, room, most=rng.randint(1, 40))
    covered = [False] * len(words)
    done = 0
    for window, kept in found:
        assert window.start <= done < window.end
        for place in range(window.start, window.end):
            assert words[place].startswith(kept[place - window.start])
            assert kept[place - window.start] == words[place] or len(words[place]) > room
            covered[place] = True
        done = window.end
    assert all(covered)


def test_no_more_words_are_handed_over_than_can_fit():
    _, seen = read(["x"] * 1000, room=10, most=10)
    assert max(map(len, seen)) == 10


def test_a_word_longer_than_a_window_is_read_by_its_beginning():
    found, _ = read(["a", "b" * 50, "c"], room=8)
    assert [kept for _, kept in found] == [["a"], ["bbbbbb", "c"]]


def test_a_word_of_which_nothing_fits_is_an_error_not_a_loop():
    with raises(DataError, "custom", text="a does not fit"):
        read(["a"], room=0)
    with raises(DataError, "word-not-encoded", example="a", position=1, word="a"):
        sliding_windows(Example("a", ("a", "b")), lambda one: one, lambda one: 0, 5)


def test_a_part_keeps_its_tags():
    assert slice_example(Example("a", ("x", "y", "z"), tags=("O", "B-PER", "I-PER")), 1, 3) == Example(
        "a", ("y", "z"), tags=("B-PER", "I-PER")
    )


# ---------------------------------------------------------------------------------------------------------------
# merging
def test_each_half_of_an_overlap_belongs_to_the_nearer_window():
    first = [Entity(5, 6, "early", 1.0), Entity(7, 8, "late", 1.0)]  # words 6..9 are shared
    second = [Entity(0, 1, "early", 1.0), Entity(2, 3, "late", 1.0)]
    merged = merge_predictions([(Window(0, 10), first), (Window(6, 14), second)])
    assert [(e.start, e.end, e.type) for e in merged] == [(5, 6, "early"), (7, 8, "late"), (8, 9, "late")]


def test_an_entity_across_the_border_is_kept_once():
    across = (
        (Window(0, 10), [Entity(7, 9, "PER", 0.6)]),
        (Window(6, 14), [Entity(1, 3, "PER", 0.7), Entity(2, 4, "LOC", 0.9)]),
    )
    assert merge_predictions(across) == [Entity(7, 9, "PER", 0.6)]


def test_nothing_merges_to_nothing():
    assert merge_predictions([(Window(0, 3), [])]) == []


def owners(spans: list[Window], words: int) -> list[int]:
    """Return for every word the window that predicts it: going through each overlap word by word.

    The first half is the earlier one's.
    """
    borders = []
    for one, following in zip(spans, spans[1:], strict=False):
        shared = [word for word in range(words) if following.start <= word < one.end]
        borders.append(one.end - len(shared) // 2)
    return [next((i for i, border in enumerate(borders) if word < border), len(borders)) for word in range(words)]


@pytest.mark.parametrize("seed", range(60))
def test_merging_agrees_with_a_plain_loop(seed):
    rng = random.Random(seed)
    words = ["x" * rng.choice([1, 1, 1, 7]) for _ in range(rng.randint(1, 60))]
    found, _ = read(words, room=rng.randint(7, 15))
    spans = [window for window, _ in found]
    parts = [(window, random_entities(rng, window.end - window.start)) for window in spans]
    owner, expected, taken = owners(spans, len(words)), [], set()
    for number, (window, entities) in enumerate(parts):
        for entity in entities:
            places = range(window.start + entity.start, window.start + entity.end)
            if owner[places[0]] == number and not taken & set(places):
                expected.append(Entity(places[0], places[-1] + 1, entity.type, entity.confidence))
                taken |= set(places)
    merged = merge_predictions(parts)
    assert merged == expected
    assert merged == sorted(merged, key=lambda entity: entity.start)


def random_entities(rng: random.Random, words: int) -> list[Entity]:
    found, place = [], 0
    while place < words:
        end = min(words, place + rng.randint(1, 3))
        if rng.random() < 0.6:
            found.append(Entity(place, end, rng.choice(["PER", "LOC"]), rng.random()))
        place = end
    return found
