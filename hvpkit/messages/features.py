"""Messages about image features and their cache."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
