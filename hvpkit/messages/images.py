"""Messages about images, regions of images and the backbones that read them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Image files
    "image-missing": Template("Image {file} does not exist.", {"file": "images/a.jpg"}),
    "image-not-local": Template(
        "Image {file} is a URL, and images are not downloaded. Give a file.", {"file": "https://example.org/a.jpg"}
    ),
    "image-unopenable": Template(
        "Image {file} cannot be opened ({reason}).", {"file": "images/a.jpg", "reason": "Permission denied"}
    ),
    "image-not-file": Template("Image {file} is not a regular file.", {"file": "images"}),
    "image-empty": Template("Image {file} is empty (0 bytes).", {"file": "images/a.jpg"}),
    "image-outside": Template("Image {file} is outside {folder}.", {"file": "images/../../a.jpg", "folder": "images"}),
    "not-image": Template(
        "{file} is not an image (it begins with {beginning!r}). Expected one of {formats}.",
        {"file": "images/a.jpg", "beginning": b"<!DOCTYPE ht", "formats": ["JPEG", "PNG"]},
    ),
    "image-too-large": Template(
        "Image {file} is too large ({size}). At most {limit} million pixels are decoded.",
        {"file": "images/a.png", "size": "50000 x 50000", "limit": 100},
    ),
    "image-damaged": Template(
        "Image {file} is damaged or truncated ({reason}).",
        {"file": "images/a.jpg", "reason": "image file is truncated (12 bytes not processed)"},
    ),
    # images in memory
    "file-object-invalid": Template(
        "Expected a binary file object with an image, got {found}.", {"found": "str instead of bytes"}
    ),
    "array-invalid": Template(
        "Expected an array of uint8 of shape [H, W], [H, W, 1 | 3 | 4] or [3, H, W], got {shape} of {dtype}.",
        {"shape": [2, 2, 7], "dtype": "float32"},
    ),
    "pil-image-size": Template(
        "Expected an image of 1 to {limit} million pixels, got {width} x {height} pixels.",
        {"width": 50_000, "height": 50_000, "limit": 100},
    ),
    "pil-image-damaged": Template(
        "The image is damaged or truncated ({reason}).", {"reason": "image file is truncated (12 bytes not processed)"}
    ),
    # Backbones
    "image-size-not-multiple": Template(
        "Expected a multiple of {multiple} as vision.image_size for the visual backbone {backbone!r}, got {size}.",
        {"backbone": "scattering", "size": 72, "multiple": 32},
    ),
    "wavelets-untrained": Template("The visual backbone consists of fixed wavelets, which were not trained on images."),
    "grid-too-fine": Template(
        "vision.grid is {grid}, but a feature map of the backbone has only {height} x {width} cells. "
        "Reduce vision.grid, or change `pooling: floor`.",
        {"grid": 2, "height": 1, "width": 1},
    ),
    "hugging-face-without-weights": Template(
        "`backbone: hugging-face` requires `weights:` (a hub id or folder), or `name:` with `weights: random`."
    ),
    "model-without-backbone": Template(
        "{model_type!r} has no backbone in transformers. Use a model such as ResNet, ConvNeXt, Swin or DINOv2.",
        {"model_type": "bert"},
    ),
    # Weights files
    "weights-not-downloaded": Template(
        "The {weights} are not in the cache of torch ({file}) and cannot be downloaded ({reason}). Use "
        "--set {option}=/path/to/weights.pth, or `random`.",
        {
            "weights": "ImageNet weights of resnet50",
            "file": "resnet50.pth",
            "reason": "timed out",
            "option": "vision.weights",
        },
    ),
    "backbone-weights-folder": Template(
        "vision.weights: {folder} is a folder, but {backbone} requires a state dict file (.pth, "
        ".safetensors). For a folder of a Hugging Face model, use `backbone: hugging-face`.",
        {"folder": "weights", "backbone": "resnet50"},
    ),
    "backbone-weights-missing": Template(
        "vision.weights: There is no file {file} with a state dict of {backbone}{hint}",
        {"file": "imagnet", "hint": "; did you mean imagenet?", "backbone": "resnet50"},
    ),
    "backbone-weights-mismatch": Template(
        "vision.weights: The weights in {file} do not match {backbone} ({reasons}).",
        {"file": "weights.pth", "backbone": "resnet50", "reasons": ["missing: layer4.0.conv1.weight"]},
    ),
    "weights-missing-tensors": Template("missing: {names}", {"names": ["layer4.0.conv1.weight"]}),
    "weights-reshaped-tensors": Template("of another shape: {names}", {"names": ["conv1.weight"]}),
    "weights-unknown-tensors": Template("unknown: {names}", {"names": ["conv9.weight"]}),
    "weights-not-state-dict": Template("Expected a state dict (tensors by name) in {file}.", {"file": "weights.pth"}),
    "weights-unsafe": Template(
        "{file} contains more than tensors, or is damaged. Nothing in it was executed. Give a plain state dict.",
        {"file": "weights.pth"},
    ),
    "weights-unreadable": Template(
        "The weights file {file} cannot be read: {reason}.", {"file": "weights.pth", "reason": "EOFError"}
    ),
}
