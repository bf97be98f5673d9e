from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from hvpkit.cli import output
from hvpkit.messages import Message, log_to
from hvpkit.utils.progress import progress, track

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@dataclass(frozen=True)
class Thing:
    """A value to print."""

    file: Path
    scores: tuple[float, ...]
    names: frozenset[str]
    inner: Thing | None = None


def test_json_is_one_document_of_plain_values(capsys):
    output.print_json([Thing(Path("a/b"), (0.5, float("nan")), frozenset("ba"), Thing(Path("é"), (), frozenset()))])
    captured = capsys.readouterr()
    inner = {"file": "é", "scores": [], "names": [], "inner": None}
    assert json.loads(captured.out) == [{"file": "a/b", "scores": [0.5, None], "names": ["a", "b"], "inner": inner}]
    assert captured.err == ""


def test_tables_in_a_pipe_are_never_cut_or_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    output.print_table(("a", "b"), [("x" * 100, "[red]y[/red] " * 20)])
    assert capsys.readouterr().out == f"a\tb\n{'x' * 100}\t{' '.join(['[red]y[/red]'] * 20)}\n"


def test_cells_in_a_pipe_hold_no_tabs_or_line_breaks(capsys):
    output.print_table(("a", "b"), [("x\ty\nz", output.bold("1"))])
    assert capsys.readouterr().out == "a\tb\nx y z\t1\n"


ESCAPES = "\x1b]0;title\x1b\\\x1b[2J \x9b31m \u202e"


def test_no_text_controls_the_terminal(capsys):
    with log_to(output.MessageHandler()):
        for level in (logging.INFO, logging.WARNING, output.RESULT):
            logging.getLogger("hvpkit.x").log(level, Message("custom", text=ESCAPES))
    output.print_table((ESCAPES,), [(ESCAPES,)], title=ESCAPES)
    output.print_text(ESCAPES)
    output.print_json(ESCAPES)
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert not set("\x1b\x9b\u202e") & set(printed)
    assert printed.count("\\x1b]0;title") >= 6


def test_tables_on_a_terminal_have_borders(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(output, "results", Console(file=screen, force_terminal=True, width=40))
    output.print_table(("a", "b"), [("1", "2")])
    assert "│ 1 │ 2 │" in screen.getvalue()


def test_a_title_is_one_line_however_narrow_its_table(capsys):
    output.print_table(("a",), [("x",)], title="[b]" + "word " * 30 + "end")
    assert capsys.readouterr().out.splitlines()[0] == "[b]" + "word " * 30 + "end"


def test_messages_are_printed_to_stderr_unchanged(capsys):
    text = "[b]" + "word %s " * 60 + "end"
    with log_to(output.MessageHandler()):
        for name, level in (
            ("hvpkit", logging.INFO),
            ("hvpkit.model.text.a", logging.WARNING),
            ("hvpkit_plugins.b", logging.ERROR),
        ):
            logging.getLogger(name).log(level, Message("custom", text=text))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"{text}\nWarning [custom]: {text}\nError [custom]: {text}\n"


def test_codes_of_emoji_are_printed_as_they_stand(capsys):
    with log_to(output.MessageHandler()):
        for level in (logging.INFO, logging.WARNING, output.RESULT):
            logging.getLogger("hvpkit.x").log(level, Message("custom", text="data/run:100:a"))
    output.print_table((":a:",), [("run:100:a",)])
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("run:100:a") == 4


def test_results_and_notes_are_printed_to_stdout(capsys):
    text = "[b]" + "word %s {} " * 60 + "end"
    with log_to(output.MessageHandler()):
        output.set_level(logging.ERROR)  # results are printed whatever else is not
        output.print_message(Message("custom", text=text))
        output.print_note(Message("custom", text=text))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{text}\nNote: {text}\n", "")


def test_messages_are_printed_once_whatever_libraries_log(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler()])
    with log_to(output.MessageHandler()):
        logging.getLogger("hvpkit.a").warning(Message("custom", text="careful"))
    assert capsys.readouterr().err == "Warning [custom]: careful\n"


def test_a_bar_passes_everything_on_and_is_silent_without_a_terminal(capsys):
    with output.shown_progress():
        assert list(track(iter("abc"), "letters")) == ["a", "b", "c"]
        with progress("steps", total=2) as bar:
            bar.advance()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    screen = io.StringIO()
    monkeypatch.setattr(output, "messages", Console(file=screen, force_terminal=True, width=100))
    return screen


def test_bar_is_shown_on_a_terminal(terminal):
    with output.shown_progress():
        assert list(track(["a", "b"], "[letters]")) == ["a", "b"]
    assert "[letters]" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


def test_nested_bars_are_shown_together(terminal):
    with output.shown_progress():
        assert [list(track("abc", "inner")) for _ in track(range(2), "outer")] == [["a", "b", "c"]] * 2
    last = terminal.getvalue()
    assert "outer" in last and "inner" in last and "3/3" in last and "2/2" in last


def test_a_loop_that_an_error_ends_leaves_the_terminal_as_it_was(terminal):
    with pytest.raises(ValueError, match="in the loop") as kept, output.shown_progress():
        for _ in track("abc", "letters"):
            raise ValueError("in the loop")
    assert terminal.getvalue().count(HIDE_CURSOR) == terminal.getvalue().count(SHOW_CURSOR) == 1
    del kept  # the loop is closed now, and its bar is gone
    assert terminal.getvalue().count(SHOW_CURSOR) == 1


def test_nothing_is_shown_after_the_command(terminal):
    with output.shown_progress():
        pass
    assert list(track("abc", "letters")) == ["a", "b", "c"]
    assert terminal.getvalue() == ""
