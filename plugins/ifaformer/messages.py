"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates({"ifa-without-vision": Template("Fusion 'ifa' needs images. Add a vision section.")})
