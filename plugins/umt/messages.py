"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "umt-without-vision": Template("fusion 'umt' reads images: add a vision section"),
        "umt-width-not-divisible": Template(
            "fusion 'umt': the text's width {width} does not split into {heads} heads; give `heads` that divide it",
            {"width": 16, "heads": 3},
        ),
        "umt-too-few-layers": Template("fusion 'umt': layers must be at least 1, not {layers}", {"layers": 0}),
        "umt-alpha-outside": Template("fusion 'umt': alpha is a share from 0 to 1, not {alpha}", {"alpha": 1.5}),
        "umt-beta-negative": Template("fusion 'umt': beta weighs a loss and is at least 0, not {beta}", {"beta": -1.0}),
    }
)
