"""Messages about datasets, their readers and prepared data."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
