"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "visualbert-without-vision": Template("fusion 'visualbert' reads images: add a vision section"),
        "visualbert-width-not-divisible": Template(
            "text encoder {encoder!r}: width {width} does not split into {heads} heads",
            {"encoder": "visualbert-from-scratch", "width": 16, "heads": 3},
        ),
        "visualbert-tokenizer-mismatch": Template(
            "the tokenizer of {tokenizer!r} does not fit {model!r}: {reason}",
            {"tokenizer": "xlm-roberta-base", "model": "./visualbert", "reason": "its tokenizer has 250002 pieces, its model knows 30522"},
        ),
        "visualbert-other-model": Template("it is a {type}; take a visual_bert, or a bert to start from", {"type": "roberta"}),
        "visualbert-region-width": Template(
            "its regions are {found} wide, not {expected}; leave text.region_width out: the fusion maps features of another width",
            {"found": 1024, "expected": 2048},
        ),
        "visualbert-weights-incomplete": Template("its weights lack {names}", {"names": ["encoder.layer.0.output.dense.bias"]}),
        "visualbert-started-from-bert": Template(
            "VisualBERT began as a plain BERT with new embeddings of regions: no pretraining on images"
        ),
        "visualbert-imagenet-weights": Template(
            "vision.weights: a detector has no `imagenet` weights; take `coco`, `random`, or a state dict's file"
        ),
        "visualbert-weights-missing": Template(
            "vision.weights: there is no file {file}; take `coco`, `random`, or a file of {detector}'s state dict",
            {"file": "detector.pth", "detector": "maskrcnn-resnet50-fpn"},
        ),
        "visualbert-weights-mismatch": Template(
            "vision.weights: {file} does not hold weights of {detector}: {count} tensors lack or differ ({names})",
            {
                "file": "detector.pth",
                "detector": "maskrcnn-resnet50-fpn",
                "count": 2,
                "names": ["box_head.fc6.bias", "box_head.fc6.weight"],
            },
        ),
    }
)
