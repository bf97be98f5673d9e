"""Messages about images, regions of images and the backbones that read them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Image files
    "image-missing": Template("{file} is missing", {"file": "images/a.jpg"}),
    "image-not-local": Template("{file} is no file, and nothing is fetched", {"file": "https://example.org/a.jpg"}),
    "image-unopenable": Template("{file} cannot be opened ({reason})", {"file": "images/a.jpg", "reason": "Permission denied"}),
    "image-not-file": Template("{file} is not a file", {"file": "images"}),
    "image-empty": Template("{file} is empty (0 bytes)", {"file": "images/a.jpg"}),
    "image-outside": Template("{file} lies outside {folder}", {"file": "images/../../a.jpg", "folder": "images"}),
    "not-image": Template(
        "{file} is not an image (it begins with {beginning!r}); expected one of {formats}",
        {"file": "images/a.jpg", "beginning": b"<!DOCTYPE ht", "formats": ["JPEG", "PNG"]},
    ),
    "image-too-large": Template(
        "{file} is too large ({size}); at most {limit} million pixels are decoded",
        {"file": "images/a.png", "size": "50000 x 50000", "limit": 100},
    ),
    "image-damaged": Template(
        "{file} is damaged or cut short ({reason})",
        {"file": "images/a.jpg", "reason": "image file is truncated (12 bytes not processed)"},
    ),
    # PIL images
    "pil-image-size": Template(
        "the image has {width} x {height} pixels; expected 1 to {limit} million", {"width": 50_000, "height": 50_000, "limit": 100}
    ),
    "pil-image-damaged": Template(
        "the image is damaged or cut short ({reason})", {"reason": "image file is truncated (12 bytes not processed)"}
    ),
    # Backbones
    "image-size-not-multiple": Template(
        "visual backbone {backbone!r}: vision.size is {size}; it must be a multiple of {multiple}",
        {"backbone": "scattering", "size": 72, "multiple": 32},
    ),
    "wavelets-untrained": Template("the visual backbone is fixed wavelets, which were not trained on any image"),
    "grid-too-fine": Template(
        "vision.grid is {grid}, but a map of the backbone has {height} x {width} cells, too few for `pooling: floor`",
        {"grid": 2, "height": 1, "width": 1},
    ),
    "hugging-face-without-weights": Template(
        "vision: `backbone: hugging-face` needs `weights:` (a hub id or folder), or `name:` with `weights: random`"
    ),
    "model-without-backbone": Template(
        "{model_type} has no backbone in transformers; take one like ResNet, ConvNeXt, Swin or DINOv2", {"model_type": "bert"}
    ),
    # Weights files
    "weights-not-downloaded": Template(
        "{weights} are not in torch's cache ({file}) and cannot be downloaded ({reason}); give a file of them instead: "
        "--set {option}=/path/to/weights.pth (or `random`)",
        {"weights": "ImageNet weights of resnet50", "file": "resnet50.pth", "reason": "timed out", "option": "vision.weights"},
    ),
    "backbone-weights-folder": Template(
        "vision.weights: {folder} is a folder; {backbone} takes a state dict's file (.pth, .safetensors), and a folder of a Hugging Face "
        "backbone goes with `backbone: hugging-face`",
        {"folder": "weights", "backbone": "resnet50"},
    ),
    "backbone-weights-missing": Template(
        "vision.weights: there is no file {file}{hint} (or give a file of {backbone}'s state dict)",
        {"file": "imagnet", "hint": "; did you mean imagenet?", "backbone": "resnet50"},
    ),
    "backbone-weights-mismatch": Template(
        "vision.weights: {file} does not hold weights of {backbone} ({reasons})",
        {"file": "weights.pth", "backbone": "resnet50", "reasons": ["missing: layer4.0.conv1.weight"]},
    ),
    "weights-missing-tensors": Template("missing: {names}", {"names": ["layer4.0.conv1.weight"]}),
    "weights-reshaped-tensors": Template("of another shape: {names}", {"names": ["conv1.weight"]}),
    "weights-unknown-tensors": Template("unknown: {names}", {"names": ["conv9.weight"]}),
    "weights-not-state-dict": Template("{file} does not hold a plain state dict (tensors by name)", {"file": "weights.pth"}),
    "weights-unsafe": Template(
        "{file} holds more than tensors, or is damaged (none of it was run); give a plain state dict", {"file": "weights.pth"}
    ),
    "weights-unreadable": Template("{file} is not a readable weights file: {reason}", {"file": "weights.pth", "reason": "EOFError"}),
}
