from __future__ import annotations

import pytest

from hvpkit.utils.progress import SILENT, progress, set_backend, track


def test_progress_is_silent_by_default(capsys):
    assert list(track("abc", "letters")) == ["a", "b", "c"]
    with progress("steps", 2) as bar:
        bar.advance(2)
    assert capsys.readouterr() == ("", "")


def test_items_are_counted_when_they_are_dealt_with(bars):
    seen = [bars[0].done for _ in track(["a", "b", "c"], "letters")]
    assert seen == [0, 1, 2]
    assert [(bar.description, bar.total, bar.done, bar.closed) for bar in bars] == [("letters", 3, 3, True)]


@pytest.mark.parametrize(("given", "total"), [(None, None), (4, 4)])
def test_stream_has_the_given_length(bars, given, total):
    list(track(iter("abc"), "letters", given))
    assert [(bar.total, bar.done) for bar in bars] == [(total, 3)]


def test_a_loop_that_ends_early_closes_its_bar(bars):
    items = track("abc", "letters")
    next(items)
    assert not bars[0].closed
    items.close()
    assert (bars[0].done, bars[0].closed) == (0, True)


def test_steps_are_counted_by_the_loop(bars):
    with progress("steps", 5) as bar:
        bar.advance(3)
        bar.advance()
    assert [(bar.description, bar.total, bar.done, bar.closed) for bar in bars] == [("steps", 5, 4, True)]


def test_previous_backend_is_returned(bars):
    assert set_backend(SILENT) is bars
    assert set_backend(bars) is SILENT
