"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "umgf-without-vision": Template("Fusion 'umgf' needs images. Add a vision section."),
        "umgf-width-not-divisible": Template(
            "Fusion 'umgf': graph_width {width} is not divisible by {heads} heads. "
            "Set fusion.num_attention_heads to a divisor.",
            {"width": 512, "heads": 3},
        ),
    }
)
