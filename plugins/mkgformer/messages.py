"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "m-encoder-without-vision": Template("Fusion 'm-encoder' needs images. Add a vision section."),
        "m-encoder-fusion-layers": Template(
            "Fusion 'm-encoder': num_fusion_layers is {found}, but the text encoder has {layers} layers.",
            {"found": 4, "layers": 2},
        ),
    }
)
