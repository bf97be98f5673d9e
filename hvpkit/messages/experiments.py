"""Messages about plans of experiments, their runs and reports."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
