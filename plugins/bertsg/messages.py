"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates({"bert-sg-without-vision": Template("Fusion 'bert-sg' needs images. Add a vision section.")})
