"""Messages about predictions of one text or of many."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Head and tail entities in a text.
    "mention-blank": Template(
        "{role} is blank. Expected words of the text, or their characters as start:end.", {"role": "head"}
    ),
    "mention-not-start-end": Template(
        "{role} {found!r} is not start:end. Expected two character positions, such as 0:{end}.",
        {"role": "head", "found": "5:", "end": 5},
    ),
    "mention-not-in-text": Template(
        "{role} {mention!r} does not occur in the text {text!r}{hint}",
        {"role": "head", "mention": "jun", "text": "Jun and Ada", "hint": "; did you mean 'Jun'?"},
    ),
    "mention-outside-text": Template(
        "{role} {start}:{end} is outside the text. Expected 0 <= start < end <= {length} (characters).",
        {"role": "head", "start": 30, "end": 40, "length": 39},
    ),
    "mention-blanks-alone": Template(
        "{role} {start}:{end} contains only whitespace.", {"role": "head", "start": 11, "end": 12}
    ),
    "mentions-overlap": Template(
        "head {head!r} (characters {head_start}:{head_end}) and tail {tail!r} (characters "
        "{tail_start}:{tail_end}) overlap. Name two separate entities, or give both as characters "
        "({head_start}:{head_end} and {tail_start}:{tail_end}).",
        {"head": "GQ japan", "head_start": 26, "head_end": 34, "tail": "GQ", "tail_start": 26, "tail_end": 28},
    ),
    "mentions-overlap-accepted": Template("head and tail overlap."),
    "mention-repeated": Template(
        "{role} {mention!r} occurs {count} times in the text. Occurrence {number} (characters {start}:{end}) was used.",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "number": 1, "count": 3},
    ),
    "mention-inside-word": Template(
        "{role} {mention!r} (characters {start}:{end}) is not a whole word: it is part of {word!r}.",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "word": "June"},
    ),
    "mention-taken-literally": Template(
        "{role} {mention!r} occurs in the text and was used as words, not as character positions.",
        {"role": "tail", "mention": "0:3"},
    ),
    # Inputs from Python and from the command line.
    "input-invalid": Template(
        "Expected a text or a mapping with the fields {names}, got {found!r:.80} ({reason}).",
        {"names": ["text", "image"], "found": 5, "reason": "argument after ** must be a mapping, not int"},
    ),
    "text-empty": Template("The text is empty."),
    "text-blank": Template("The text is blank."),
    "text-invalid": Template("Expected a text or a list of its words, got {found!r:.60}.", {"found": 5}),
    "word-blank": Template("Word {number} of {count} is blank.", {"number": 2, "count": 3}),
    "pair-unexpected": Template(
        "This model finds entities (mner) and takes no head or tail. Use a model for relations (mre)."
    ),
    "pair-missing": Template("This model predicts the relation between a head and a tail entity (mre). Give both."),
    "mention-missing": Template(
        "This model predicts the relation between a head and a tail entity (mre), but the {role} is missing.",
        {"role": "tail"},
    ),
    "mention-invalid": Template(
        "Expected {role} as words of the text or as two character positions, start and end, got {found!r:.60}.",
        {"role": "head", "found": 3},
    ),
    "image-invalid": Template("Expected image as a file or an opened image, got {found!r:.60}.", {"found": 7}),
    "object-invalid": Template(
        'Expected an object as a file, an opened image, or a box {{"box": [x0, y0, x1, y1]}}, got {found!r:.60}.',
        {"found": 7},
    ),
    "box-without-image": Template(
        "An object is given as a box, but there is no image to crop it from. Give the image, or a crop of the object."
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
    "key-misspelled": Template(
        "The key {key!r:.60} is unknown and was ignored. Did you mean {nearest!r}?",
        {"key": "imgae", "nearest": "image"},
    ),
    # Lines of an input file.
    "line-too-long": Template("The line is longer than {megabytes} million bytes.", {"megabytes": 16}),
    "text-missing": Template('Expected either "text" or "tokens", got neither.'),
    "record-of-prepared-data": Template(
        'Expected either "text" or "tokens", got neither. This line is prepared data: predict it with `hvp '
        "eval --predictions FILE`."
    ),
    "text-not-a-string": Template("Expected text as a string, got {found!r:.60}.", {"found": 5}),
    "mention-record-invalid": Template(
        'Expected {role} as a string or as {{"start", "end"}} in {unit}, got {found!r:.60}.',
        {"role": "head", "unit": "characters", "found": 3},
    ),
    "mention-outside-tokens": Template(
        "{role} is [{start}, {end}). Expected 0 <= start < end <= {count}, the number of tokens.",
        {"role": "tail", "start": 0, "end": 2, "count": 1},
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
