"""The catalogue of messages: one golden file renders all, codes stay with their messages wherever these go."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from logging.handlers import BufferingHandler

import pytest
from raising import raises

from hvpkit.errors import DataError, HvpkitError, InputError
from hvpkit.messages import (
    LOGGERS,
    LocatedMessage,
    Message,
    Template,
    add_templates,
    log_to,
    message_from_json,
    message_to_json,
    messages_from_json,
    messages_to_json,
    render,
)


def test_an_error_keeps_code_and_fields_between_processes():
    copy = pickle.loads(pickle.dumps(DataError("os-error", reason="full", file=": y")))
    assert (type(copy), copy.code, copy.fields, str(copy)) == (
        DataError,
        "os-error",
        {"reason": "full", "file": ": y"},
        "full: y",
    )


def test_error_from_a_message_has_its_code():
    assert InputError(Message("os-error", reason="full", file="")).code == "os-error"


def test_a_sentence_of_a_plugin_is_an_error_of_the_code_custom():
    with raises(InputError, "custom", text="The gate needs 100% of {levels}."):
        raise InputError("The gate needs 100% of {levels}.")


def test_an_unknown_code_is_not_shown_to_users():
    with pytest.raises(KeyError):
        HvpkitError("no-such-code")


def test_a_field_that_is_missing_is_an_error():
    with pytest.raises(KeyError):
        render("os-error", {"reason": "full"})


def test_lists_are_joined():
    add_templates({"test-lists": Template("{names}|{lines:lines}")})
    assert Message("test-lists", names=["a", "b"], lines=("c", "d")) == "a, b|c\nd"


def test_codes_of_others_are_not_replaced():
    with pytest.raises(ValueError, match="os-error"):
        add_templates({"os-error": Template("other")})


def test_json_has_the_codes_of_messages_within_messages():
    add_templates({"test-json": Template("{problems:lines}")})
    message = Message(
        "test-json", problems=[LocatedMessage("a.yaml:3", Message("custom", text="odd"))], number=3, kind=int
    )
    assert message == "a.yaml:3: odd"
    assert message_to_json(message) == {
        "code": "test-json",
        "message": "a.yaml:3: odd",
        "fields": {
            "problems": [{"location": "a.yaml:3", "code": "custom", "message": "odd", "fields": {"text": "odd"}}],
            "number": 3,
            "kind": "<class 'int'>",
        },
    }


def test_messages_in_json_values_keep_code_and_fields():
    value = {"notes": [Message("os-error", reason="full", file="")], "seed": 3, "dev": None, "scores": {"f1": 0.5}}
    restored = messages_from_json(json.loads(json.dumps(messages_to_json(value))))
    assert restored == value
    assert (restored["notes"][0].code, restored["notes"][0].fields) == ("os-error", {"reason": "full", "file": ""})


def test_a_message_survives_json_without_its_template():
    json_value = {
        "code": "not-in-this-process",
        "message": "two: odd",
        "fields": {
            "problems": [{"location": "a.yaml:3", "code": "custom", "message": "odd", "fields": {"text": "odd"}}],
            "reason": {"code": "custom", "message": "why", "fields": {"text": "why"}},
            "counts": {"train": 3},
        },
    }
    message = message_from_json(json_value)
    assert (message, message.code, message.fields["counts"]) == ("two: odd", "not-in-this-process", {"train": 3})
    assert (message.fields["reason"].code, message.fields["reason"].fields) == ("custom", {"text": "why"})
    [problem] = message.fields["problems"]
    assert (problem.location, problem.message.code, problem.message) == ("a.yaml:3", "custom", "odd")
    copy = pickle.loads(pickle.dumps(message))
    assert message_to_json(message) == message_to_json(copy) == json_value


# -----------------------------------------------------------------------------------------------------------------
# logging
@pytest.mark.parametrize("name", ["hvpkit", "hvpkit.features.cache", "hvpkit_plugins.umt"])
def test_log_record_has_the_message_and_goes_to_the_handler_only(caplog, name):
    handler, message = BufferingHandler(capacity=10), Message("os-error", reason="full", file="")
    with log_to(handler):
        logging.getLogger(name).info(message)
        logging.getLogger(name).debug(message)
    assert [record.msg for record in handler.buffer] == [message]
    assert handler.buffer[0].msg is message
    assert not caplog.records


def test_an_application_gets_what_is_logged_afterwards_as_before(caplog):
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in map(logging.getLogger, LOGGERS)]
    with pytest.raises(KeyboardInterrupt), log_to(logging.NullHandler()):
        raise KeyboardInterrupt
    assert [(logger.handlers, logger.level, logger.propagate) for logger in map(logging.getLogger, LOGGERS)] == before
    logging.getLogger("hvpkit.evaluation.evaluate").warning(Message("stopped"))
    assert [record.msg.code for record in caplog.records] == ["stopped"]


@pytest.mark.parametrize(("setup", "lines"), [("pass", 0), ("logging.basicConfig()", 2)])
def test_a_library_prints_nothing_unless_the_application_sets_logging_up(setup, lines):
    logs = "[logging.getLogger(f'{name}.a').warning('careful') for name in ('hvpkit', 'hvpkit_plugins')]"
    done = subprocess.run(
        [sys.executable, "-c", f"import logging, hvpkit; {setup}; {logs}"], capture_output=True, text=True, check=True
    )
    assert len(done.stderr.splitlines()) == lines
