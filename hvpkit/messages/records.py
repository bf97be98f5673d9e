"""Messages about JSON records of users: sentences, mentions, entities, pairs, objects."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
