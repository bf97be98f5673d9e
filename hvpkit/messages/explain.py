"""Messages about explanations."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # what to explain, and where it goes
    "example-unknown": Template(
        "{data} has no example {example!r}{hint}", {"data": "test of tiny", "example": "test-9", "hint": "; did you mean test-1?"}
    ),
    "crop-malformed": Template(
        "--crop {given}: expected a crop's file, or four numbers left,top,right,bottom in pixels", {"given": "1,2,3,x"}
    ),
    "crop-inverted": Template("--crop {given}: expected left < right and top < bottom", {"given": "10,2,3,4"}),
    "figure-name": Template(
        "--figure {file}: expected a file named gates... or attention..., that ends in {formats}",
        {"file": "figure4.pdf", "formats": [".pdf", ".png", ".svg"]},
    ),
    "figure-needs-matplotlib": Template('--figure draws with matplotlib, which is not installed; pip install "hvpkit[figures]"'),
    "figure-without-gates": Template("none of the examples has gates to draw: this model has none, or sees no images there"),
    "figure-without-attention": Template("no entity of the examples has attention on images to draw"),
    "page-is-folder": Template("{file} is a folder; name a file for --html", {"file": "runs"}),
    "page-is-foreign": Template(
        "{file} is there already and no page of `hvp explain`; name another file for --html", {"file": "thesis.html"}
    ),
    # what an explanation says
    "attention-caution": Template(
        "Attention shows where the model looked, which need not be why it decided; what would change is measured by changing it."
    ),
    "attention-without-images": Template("the attention of this model's text encoder does not reach its images"),
    "gates-missing": Template("this model has no gates over levels"),
    "slices-are-no-levels": Template("a slice is a part of the output of the release's one map, not a stage of the backbone"),
    "parts-are-no-places": Template("the parts of an image are runs of channels, as the release cuts them, not places in it"),
    "change-no-images": Template("without images"),
    "change-no-object": Template("without object {number}{phrase}", {"number": 2, "phrase": " (a hat)"}),
    "change-no-full-image": Template("without the whole image"),
    "change-other-image": Template("with another image: {name}", {"name": "ada.jpg"}),
    "image-of-another": Template(
        "{image}, of {example} in {data} (seed {seed})", {"image": "ada.jpg", "example": "test-3", "data": "test of tiny", "seed": 0}
    ),
    "image-generated": Template("one that hvpkit drew (seed {seed})", {"seed": 0}),
}
