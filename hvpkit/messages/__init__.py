"""Every message that hvpkit gives to users: a template with named fields under a stable code.

Codes and fields are the interface: programs and tests read them. The wording may change at any time. The templates stand in the modules of
this package, one for each part of hvpkit; a plugin adds its own with `add_templates`.

Status lines and warnings are logged: `logging.getLogger(__name__).warning(Message("code", ...))`; the record's `msg` is the Message.
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
)
LOGGERS = ("hvpkit", "hvpkit_plugins")  # all others are below these


@dataclass(frozen=True)
class Template:
    """The text of a message, with a field in braces for each value, and example values to render it with.

    Fields are formatted as by `str.format`, such as `{value!r:.60}`. A list is joined with ", ", or with line breaks by `{items:lines}`.
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
        """Pickle the code and the fields instead of the text."""
        return _build, (self.code, self.fields)


def _build(code: str, fields: dict[str, Any]) -> Message:
    return Message(code, **fields)


@dataclass(frozen=True)
class LocatedMessage:
    """One of several problems in a file: where it is (`file:line`, or the override that set the value) and the message."""

    location: str
    message: Message

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


def render(code: str, fields: Mapping[str, Any]) -> str:
    """Fill the fields of a template; raises KeyError for an unknown code or a missing field."""
    template = _built_in().get(code) or _ADDED[code]
    return _FORMATTER.vformat(template.text, (), fields)


def message_to_json(message: Message) -> dict[str, Any]:
    """Convert a message to JSON values: its code, text and fields."""
    return {"code": message.code, "message": str(message), "fields": {name: _to_json(value) for name, value in message.fields.items()}}


def _to_json(value: Any) -> Any:  # noqa: ANN401 - fields hold anything
    if isinstance(value, LocatedMessage):
        return {"location": value.location, **message_to_json(value.message)}
    if isinstance(value, Message):
        return message_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def templates() -> dict[str, Template]:
    """Return all templates by code."""
    return _built_in() | _ADDED


def add_templates(templates: Mapping[str, Template]) -> None:
    """Add the templates of a plugin; raises ValueError for a code that has another text already."""
    for code, template in templates.items():
        known = (_built_in() | _ADDED).get(code)
        if known is not None and known.text != template.text:
            raise ValueError(f"message code {code!r} is taken; begin the codes of a plugin with its name")
        _ADDED[code] = template


@contextmanager
def log_to(handler: logging.Handler) -> Iterator[None]:
    """Send what hvpkit and its plugins log, from INFO on, to a handler and to no other while the block runs."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # a library that sets up the root logger would print each message once more
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
    found: dict[str, Template] = {}
    for name in MODULES:
        module = importlib.import_module(f"{__name__}.{name}")
        if twice := set(module.TEMPLATES) & set(found):
            raise ValueError(f"message codes with two templates: {sorted(twice)}")
        found |= module.TEMPLATES
    return found


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - the library's signature
        if isinstance(value, (list, tuple)):
            return ("\n" if format_spec == "lines" else ", ").join(map(str, value))
        return str(format(value, format_spec))


_FORMATTER = _Formatter()
