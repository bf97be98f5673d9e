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
            "Fusion {fusion!r}: CLIP and text encoder must have the same width, layers and attention heads, got "
            "{found} for CLIP and {expected} for the text encoder. "
            "Set fusion.clip to a CLIP of these sizes, or leave it out.",
            {"fusion": "ifa", "found": [768, 12, 12], "expected": [1024, 24, 16]},
        ),
        "clip-layers-random": Template(
            "The vision layers of fusion {fusion!r} were initialized at random, without pretraining on images.",
            {"fusion": "ifa"},
        ),
    }
)
