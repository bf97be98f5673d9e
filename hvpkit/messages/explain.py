"""Messages about explanations."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # what to explain, and where it goes
    "example-unknown": Template(
        "There is no example {example!r} in {data}{hint}",
        {"data": "test of tiny", "example": "test-9", "hint": "; did you mean test-1?"},
    ),
    "crop-malformed": Template(
        "--crop {given!r} is neither a file nor a box. Expected the file of a crop, or four numbers "
        "left,top,right,bottom in pixels.",
        {"given": "1,2,3,x"},
    ),
    "crop-inverted": Template(
        "--crop {given!r} is an empty box. Expected left < right and top < bottom.", {"given": "10,2,3,4"}
    ),
    "figure-name": Template(
        "--figure {file} has an unsuitable name. Expected a name that begins with gates or attention and "
        "ends in {formats}.",
        {"file": "figure4.pdf", "formats": [".pdf", ".png", ".svg"]},
    ),
    "figure-needs-matplotlib": Template(
        '--figure needs matplotlib, which is not installed: `pip install "hvpkit[figures]"`.'
    ),
    "figure-without-gates": Template(
        "None of the examples has gates to draw: the model has no gates, or the examples have no images."
    ),
    "figure-without-attention": Template("No entity of the examples has attention on images to draw."),
    "page-is-folder": Template("{file} is a folder. Pass a file to --html.", {"file": "runs"}),
    "page-is-foreign": Template(
        "{file} exists and is not a page of `hvp explain`. Pass another file to --html.", {"file": "thesis.html"}
    ),
    # what an explanation says
    "attention-caution": Template(
        "Attention shows which images a word attends to, not why the model made its prediction. The "
        "counterfactuals measure the effect of the images."
    ),
    "attention-without-images": Template("The attention of the text encoder of this model does not reach images."),
    "gates-missing": Template("This model has no gates over levels."),
    "slices-not-levels": Template(
        "A slice is a part of the output of one feature map, as in the 2022 release, not a stage of the backbone."
    ),
    "channel-groups-not-regions": Template(
        "The parts of an image are groups of channels, as in the 2022 release, not regions of the image."
    ),
    "counterfactual-no-images": Template("without images"),
    "counterfactual-no-object": Template("without object {number}{phrase}", {"number": 2, "phrase": " (a hat)"}),
    "counterfactual-no-full-image": Template("without the full image"),
    "counterfactual-other-image": Template("with another image: {name}", {"name": "ada.jpg"}),
    "image-of-another": Template(
        "{image} of {example!r} in {data} (seed {seed})",
        {"image": "ada.jpg", "example": "test-3", "data": "test of tiny", "seed": 0},
    ),
    "image-generated": Template("a generated image (seed {seed})", {"seed": 0}),
}
