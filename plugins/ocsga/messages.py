"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "ocsga-without-objects": Template(
            "Fusion 'ocsga' reads the labels of objects. Add a vision section with max_objects of at least 1."
        ),
        "ocsga-width-not-divisible": Template(
            "Fusion 'ocsga': the text encoder's width {width} is not divisible by {heads} heads. "
            "Set fusion.num_attention_heads to a divisor.",
            {"width": 16, "heads": 3},
        ),
        "ocsga-no-labels": Template(
            "No object of the {examples} training examples has a label, so the images have no effect. Prepare the data "
            "with a detector that labels objects, such as `hvp preprocess --detector maskrcnn`.",
            {"examples": 3373},
        ),
        "ocsga-learned-labels": Template("The vectors of object names were trained from random weights."),
        "ocsga-label-vectors": Template(
            "File '{file}' has vectors for {found} of {words} words of object names in the training set.",
            {"file": "glove.txt", "found": 70, "words": 80},
        ),
        "ocsga-labels-only": Template("The model reads the labels of detected objects, not the pixels of images."),
    }
)
