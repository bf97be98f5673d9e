"""Messages about evaluation."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "no-split-examples": Template("{data} has no {split} examples.", {"data": "data/mnre", "split": "test"}),
    "labels-unknown": Template(
        "{data} has labels that the model does not know: {names}. It knows {known}.",
        {"data": "data/mnre", "names": ["GPE"], "known": ["LOC", "PER"]},
    ),
    "no-example-readable": Template(
        "None of the {count} {split} examples of {data} can be read. The first error: {reason}",
        {"data": "data/mnre", "count": 12, "split": "test", "reason": "1.jpg does not exist."},
    ),
    "shuffle-without-images": Template(
        "{model} does not use images, so there are none to shuffle. Leave out --shuffle-images.", {"model": "runs/text"}
    ),
    "output-holds-no-predictions": Template(
        "{file} exists and does not contain predictions of `hvp eval`. Name another file for --predictions.",
        {"file": "notes.txt"},
    ),
    # Notes on an evaluation.
    "trained-with-other-data": Template(
        "The model was trained with another version of {name} ({fingerprint}).",
        {"name": "mnre", "fingerprint": "0123456789abcdef"},
    ),
    "labels-missed": Template(
        "The model does not know the labels {names}. Each of their occurrences counts as missed.", {"names": ["GPE"]}
    ),
    "data-without-images": Template("This data was prepared without images (--text-only)."),
    "trained-with-other-objects": Template(
        "The model was trained with {expected!r}, but this data has {found!r}.",
        {"expected": "objects: by saliency (1)", "found": "objects: those of the dataset"},
    ),
    "images-shuffled": Template("Images were shuffled between examples with seed {seed}.", {"seed": 1}),
}
