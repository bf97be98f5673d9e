"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "umt-without-vision": Template("Fusion 'umt' needs images. Add a vision section."),
        "umt-width-not-divisible": Template(
            "Fusion 'umt': the text encoder's width {width} is not divisible by {heads} heads. "
            "Set fusion.num_attention_heads to a divisor.",
            {"width": 16, "heads": 3},
        ),
        "umt-too-few-layers": Template("Fusion 'umt': num_layers must be at least 1, got {layers}.", {"layers": 0}),
        "umt-alpha-outside": Template("Fusion 'umt': alpha must be from 0 to 1, got {alpha}.", {"alpha": 1.5}),
        "umt-beta-negative": Template("Fusion 'umt': beta must be at least 0, got {beta}.", {"beta": -1.0}),
    }
)
