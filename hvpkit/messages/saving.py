"""Messages about model folders, weights and checkpoints of the 2022 release."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
