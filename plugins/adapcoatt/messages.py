"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "adapcoatt-without-vision": Template("Fusion 'adapcoatt' needs images. Add a vision section."),
        "adapcoatt-release-adds": Template(
            "Fusion 'adapcoatt': equations 'release' have no combine 'add'. Set fusion.combine to 'concat', "
            "or fusion.equations to 'paper'."
        ),
    }
)
