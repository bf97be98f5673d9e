"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "clip-other-model": Template("its type is {type!r}, expected 'clip' or 'clip_vision_model'", {"type": "bert"}),
        "clip-without-name": Template(
            "vision.weights: backbone 'clip-patches' has no 'imagenet' weights. "
            "Use 'random', or the hub id or folder of a CLIP such as openai/clip-vit-base-patch32."
        ),
        "clip-crop-not-divisible": Template(
            "vision.image_size: backbone 'clip-patches' needs a multiple of {multiple}, got {size}.",
            {"multiple": 64, "size": 100},
        ),
        "clip-sizes-differ": Template(
            "Fusion {fusion!r}: the vision layers have {found}, the text encoder has {expected}. Both need the same "
            "width, layers and attention heads.",
            {
                "fusion": "ifa",
                "found": {"width": 768, "layers": 12, "attention heads": 12},
                "expected": {"width": 1024, "layers": 24, "attention heads": 16},
            },
        ),
        "clip-layers-random": Template(
            "The vision layers of fusion {fusion!r} were initialized at random, without pretraining on images.",
            {"fusion": "ifa"},
        ),
    }
)
