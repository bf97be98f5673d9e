"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "mtb-without-markers": Template(
            "Fusion {fusion!r} replaces entities, but the text encoder has no markers around them. "
            "Use text encoder 'hugging-face' with `markers: unused` or `markers: true`.",
            {"fusion": "matching-the-blanks"},
        ),
        "mtb-without-mask-token": Template(
            "Fusion 'matching-the-blanks' masks wordpieces, but the tokenizer of the text encoder has no mask token."
        ),
        "mtb-not-pretrained": Template(
            "MTB without pretraining by matching the blanks, unless train.init_from is a model that has it."
        ),
    }
)
