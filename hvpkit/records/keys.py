"""Keys of a record."""

from __future__ import annotations

from collections.abc import Mapping

from hvpkit.errors import did_you_mean
from hvpkit.messages import Message
from hvpkit.records.issues import Issue

KEYS = ("id", "tokens", "tags", "text", "entities", "head", "tail", "relation", "image", "objects")


def check_keys(record: Mapping[str, object], issues: list[Issue]) -> None:
    """Note unknown keys, which are ignored, with suggestions for the first three."""
    unknown = [key for key in record if key not in KEYS]
    if unknown:
        keys = [Message("unknown-record-key", key=key, hint=did_you_mean(str(key), KEYS)) for key in unknown[:3]]
        issues.append(Issue(Message("unknown-keys", keys=keys), "dropped"))


def describe_keys(record: Mapping[str, object]) -> Message:
    """List the keys of a record for messages, with a suggestion for the first unknown key."""
    unknown = next((key for key in record if key not in KEYS), None)
    if unknown is not None:
        return Message("record-keys-unknown", keys=list(record), key=unknown, hint=did_you_mean(str(unknown), KEYS))
    return Message("record-keys", keys=list(record)) if record else Message("record-empty")
