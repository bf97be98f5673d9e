"""Message catalogue: templates with named fields under stable codes.

Codes and fields are the interface that programs and tests read; the wording may change at any time. Each part of hvpkit
has a module of templates in this package; plugins add their own with `add_templates`.

Status lines and warnings are logged: `logging.getLogger(__name__).warning(Message("code", ...))`. The `msg` of the log
record is the Message.
"""

from __future__ import annotations

import importlib
import logging
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

MODULES = (
    "general",
    "components",
    "config",
    "records",
    "data",
    "formats",
    "images",
    "detection",
    "features",
    "text",
    "model",
    "saving",
    "training",
    "inference",
    "evaluation",
    "explain",
    "experiments",
    "testing",
    "cli",
    "debug",
)
LOGGERS = ("hvpkit", "hvpkit_plugins")  # parents of all loggers of hvpkit and its plugins


@dataclass(frozen=True)
class Template:
    """Text of a message with a field in braces for each value.

    Fields are formatted as by `str.format`, such as `{value!r:.60}`. A list is joined with ", ", or with line breaks by
    `{items:lines}`.

    Attributes:
        text: Text with fields.
        example: Example values of the fields, rendered by the tests.
    """

    text: str
    example: Mapping[str, Any] = field(default_factory=dict)


class Message(str):
    """A rendered message that keeps its `code` and `fields`.

    Args:
        code: Code of a template.
        fields: Values for the fields of the template.
    """

    code: str
    fields: dict[str, Any]

    def __new__(cls, code: str, /, **fields: Any) -> Message:  # noqa: ANN401 - fields hold anything
        """Render the template of a code."""
        message = super().__new__(cls, render(code, fields))
        message.code, message.fields = code, fields
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle without rendering, since another process need not know the template."""
        return _restore, (str(self), self.code, self.fields)


def _restore(text: str, code: str, fields: dict[str, Any]) -> Message:
    message = str.__new__(Message, text)
    message.code, message.fields = code, fields
    return message


@dataclass(frozen=True)
class LocatedMessage:
    """One of several problems in a file.

    Attributes:
        location: `file:line`, or the override that set the value.
        message: What is wrong.
    """

    location: str
    message: Message

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


def render(code: str, fields: Mapping[str, Any]) -> str:
    """Fill the fields of a template.

    Raises:
        KeyError: For an unknown code or a missing field.
    """
    template = _built_in().get(code) or _ADDED[code]
    return _FORMATTER.vformat(template.text, (), fields)


def message_to_json(message: Message) -> dict[str, Any]:
    """Convert a message to JSON values: its code, text and fields."""
    return {
        "code": message.code,
        "message": str(message),
        "fields": {name: messages_to_json(value) for name, value in message.fields.items()},
    }


def message_from_json(value: Mapping[str, Any]) -> Message:
    """Rebuild a message from `message_to_json`, such as one of another process.

    Its text is the stored one, so that the template need not be known; its fields are JSON values.
    """
    fields = {name: messages_from_json(item) for name, item in value["fields"].items()}
    return _restore(value["message"], value["code"], fields)


def messages_from_json(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    """Rebuild all messages in a JSON value that `messages_to_json` returned."""
    if isinstance(value, list):
        return [messages_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"code", "message", "fields"}:
        return message_from_json(value)
    if value.keys() == {"location", "code", "message", "fields"}:
        return LocatedMessage(value["location"], message_from_json(value))
    return {key: messages_from_json(item) for key, item in value.items()}


def messages_to_json(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    """Convert a value to JSON values, with all messages in it as `message_to_json` converts them."""
    if isinstance(value, LocatedMessage):
        return {"location": value.location, **message_to_json(value.message)}
    if isinstance(value, Message):
        return message_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): messages_to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [messages_to_json(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def templates() -> dict[str, Template]:
    """Return all templates by code."""
    return _built_in() | _ADDED


def add_templates(templates: Mapping[str, Template]) -> None:
    """Add the templates of a plugin.

    Raises:
        ValueError: If a code already has another text.
    """
    for code, template in templates.items():
        known = (_built_in() | _ADDED).get(code)
        if known is not None and known.text != template.text:
            raise ValueError(f"Message code {code!r} is taken. Prefix the codes of a plugin with its name.")
        _ADDED[code] = template


@contextmanager
def log_to(handler: logging.Handler) -> Iterator[None]:
    """Send log records of hvpkit and its plugins, from level INFO, to this handler only."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # else a configured root logger prints each message again
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


_ADDED: dict[str, Template] = {}


@cache
def _built_in() -> dict[str, Template]:
    merged: dict[str, Template] = {}
    for name in MODULES:
        module = importlib.import_module(f"{__name__}.{name}")
        if duplicates := set(module.TEMPLATES) & set(merged):
            raise ValueError(f"Message codes with two templates: {sorted(duplicates)}.")
        merged |= module.TEMPLATES
    return merged


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - the library's signature
        if isinstance(value, (list, tuple)):
            return ("\n" if format_spec == "lines" else ", ").join(map(str, value))
        return str(format(value, format_spec))


_FORMATTER = _Formatter()
