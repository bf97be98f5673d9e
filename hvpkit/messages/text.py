"""Messages about text encoders, tokenizers, vocabularies and word vectors."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {}
