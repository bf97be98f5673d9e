"""Messages about predictions of one text or of many."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Inputs from Python and from the command line.
    "input-invalid": Template(
        "Expected a text, a list of its words, or a mapping with the keys of a record, got {found!r:.80}.",
        {"found": 5},
    ),
    "batch-size-below-one": Template("batch_size is {found}. Expected 1 or more, or leave it out.", {"found": 0}),
    # Notes on predictions.
    "model-without-images": Template("This model does not use images."),
    "image-not-given": Template("No image was given. The prediction uses the text only."),
    "no-objects-to-read": Template(
        "This model uses only the objects of an image, and none were given. The prediction uses the text only."
    ),
    "objects-not-read": Template("{count} objects were given, but this model does not use objects.", {"count": 1}),
    "too-many-objects": Template(
        "{count} objects were given, but this model uses only {maximum}.", {"count": 5, "maximum": 3}
    ),
    "text-read-in-part": Template(
        "The text is longer than the model's maximum. Only words {first} to {last} of {count} (characters "
        "{start}:{end}), around head and tail, were used.",
        {"first": 11, "last": 40, "count": 90, "start": 70, "end": 280},
    ),
    # Input and output files.
    "input-missing": Template("The input file {file} does not exist.", {"file": "in.jsonl"}),
    "input-not-a-file": Template(
        "The input {file} is not a regular file, so an interrupted run could not be resumed. Write the input "
        "to a file.",
        {"file": "-"},
    ),
    "output-is-input": Template(
        "{file} cannot be the output: it is the input. Name another --output.", {"file": "in.jsonl"}
    ),
    "output-not-a-file": Template(
        "{file} cannot be the output: it is not a regular file. Name another --output.", {"file": "data"}
    ),
    "predictions-in-use": Template(
        "{file} is being written by another `hvp predict`. Wait for it, or name another --output.",
        {"file": "out.jsonl"},
    ),
    "all-lines-failed": Template(
        "All {count} lines of {file} failed. The first error: {reason}",
        {"count": 2, "file": "in.jsonl", "reason": "line 1: The text is empty."},
    ),
}
