"""Messages about scores."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "no-split-examples": Template("{data} has no {split} examples", {"data": "data/mnre", "split": "test"}),
    "labels-unknown": Template(
        "{data} has labels that the model does not know: {names}; it knows {known}",
        {"data": "data/mnre", "names": ["GPE"], "known": ["LOC", "PER"]},
    ),
    "no-example-readable": Template(
        "none of the {count} {split} examples of {data} can be read; the first: {reason}",
        {"data": "data/mnre", "count": 12, "split": "test", "reason": "1.jpg is missing"},
    ),
    "shuffle-without-images": Template("{model} looks at no images: there is nothing to shuffle", {"model": "runs/text"}),
    "output-holds-no-predictions": Template(
        "{file} is there already and holds no predictions of `hvp eval`; name another file for --predictions", {"file": "notes.txt"}
    ),
    # Notes on an evaluation.
    "trained-with-other-data": Template(
        "the model was trained with another {name} ({fingerprint})", {"name": "mnre", "fingerprint": "0123456789abcdef"}
    ),
    "labels-missed": Template("the model does not know {names}: each of them counts as missed", {"names": ["GPE"]}),
    "data-without-images": Template("this data was prepared without images (--text-only)"),
    "trained-with-other-objects": Template(
        "the model was trained with {expected}; this data has {found}",
        {"expected": "objects: by saliency (1)", "found": "objects: those that came with the data"},
    ),
    "images-shuffled": Template("images were shuffled between examples by seed {seed}", {"seed": 1}),
}
