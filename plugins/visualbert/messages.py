"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "visualbert-without-vision": Template("Fusion 'visualbert' needs images. Add a vision section."),
        "visualbert-width-not-divisible": Template(
            "Text encoder {encoder!r}: width {width} is not divisible by {heads} heads.",
            {"encoder": "visualbert-from-scratch", "width": 16, "heads": 3},
        ),
        "visualbert-tokenizer-mismatch": Template(
            "The tokenizer of {tokenizer!r} does not fit {model!r}: {reason}.",
            {
                "tokenizer": "xlm-roberta-base",
                "model": "./visualbert",
                "reason": "its tokenizer has 250002 wordpieces, its model knows 30522",
            },
        ),
        "visualbert-other-model": Template(
            "its type is {type!r}, expected 'visual_bert' or 'bert'", {"type": "roberta"}
        ),
        "visualbert-region-width": Template(
            "its region width is {found}, got text.region_width {expected}; leave the key out, "
            "since the fusion maps features of another width",
            {"found": 1024, "expected": 2048},
        ),
        "visualbert-weights-incomplete": Template(
            "its weights have no {names}", {"names": ["encoder.layer.0.output.dense.bias"]}
        ),
        "visualbert-started-from-bert": Template(
            "VisualBERT was initialized from a plain BERT with new region embeddings, without pretraining on images."
        ),
        "visualbert-imagenet-weights": Template(
            "vision.weights: a detector has no 'imagenet' weights. Use 'coco', 'random' or the file of a state dict."
        ),
        "visualbert-weights-missing": Template(
            "vision.weights: {file} does not exist. Use 'coco', 'random' or the file of a state dict of {detector}.",
            {"file": "detector.pth", "detector": "maskrcnn-resnet50-fpn"},
        ),
        "visualbert-weights-mismatch": Template(
            "vision.weights: {file} does not contain weights of {detector}: "
            "{count} tensors are missing or of another shape ({names}).",
            {
                "file": "detector.pth",
                "detector": "maskrcnn-resnet50-fpn",
                "count": 2,
                "names": ["box_head.fc6.bias", "box_head.fc6.weight"],
            },
        ),
    }
)
