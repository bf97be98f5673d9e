"""Messages about components: the registry, plugins, and how the parts of a recipe fit together."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
