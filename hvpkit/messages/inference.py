"""Messages about predictions of one text or of many."""

from __future__ import annotations

from hvpkit.messages import Template

FOREIGN = "it comes from another input or model; name another --output, or remove it"

TEMPLATES: dict[str, Template] = {
    # Mentions: where head and tail stand in a text.
    "mention-blank": Template("{role} is blank; give words of the text, or their characters as start:end", {"role": "head"}),
    "mention-not-start-end": Template(
        "{role} {found!r} is not start:end; expected two numbers of characters, such as 0:{end}", {"role": "head", "found": "5:", "end": 5}
    ),
    "mention-not-in-text": Template(
        "{role} {mention!r} is not in the text {text!r}{hint}",
        {"role": "head", "mention": "jun", "text": "Jun and Ada", "hint": "; did you mean 'Jun'?"},
    ),
    "mention-outside-text": Template(
        "{role} {start}:{end} is no place in the text: expected 0 <= start < end <= {length} (characters)",
        {"role": "head", "start": 30, "end": 40, "length": 39},
    ),
    "mention-blanks-alone": Template("{role} {start}:{end} holds blanks alone", {"role": "head", "start": 11, "end": 12}),
    "mentions-overlap": Template(
        "head {head!r} (characters {head_start}:{head_end}) and tail {tail!r} (characters {tail_start}:{tail_end}) overlap: "
        "give two entities that lie apart, or both as characters ({head_start}:{head_end} and {tail_start}:{tail_end})",
        {"head": "GQ japan", "head_start": 26, "head_end": 34, "tail": "GQ", "tail_start": 26, "tail_end": 28},
    ),
    "mentions-overlap-accepted": Template("head and tail overlap"),
    "mention-repeated": Template(
        "{role} {mention!r} stands {count} times in the text: number {number}, characters {start}:{end}, was taken",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "number": 1, "count": 3},
    ),
    "mention-inside-word": Template(
        "{role} {mention!r}, characters {start}:{end}, is no whole word of its own: it stands in {word!r}",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "word": "June"},
    ),
    "mention-taken-literally": Template(
        "{role} {mention!r} was taken for words of the text, where it stands, not for a place", {"role": "tail", "mention": "0:3"}
    ),
    # Inputs from Python and from the command line.
    "input-invalid": Template(
        "expected a text or a mapping with the fields {names}; got {found!r:.80} ({reason})",
        {"names": ["text", "image"], "found": 5, "reason": "argument after ** must be a mapping, not int"},
    ),
    "text-empty": Template("the text is empty"),
    "text-blank": Template("the text is blank"),
    "text-invalid": Template("expected a text, or a list of its words, got {found!r:.60}", {"found": 5}),
    "word-blank": Template("word {number} of {count} is blank", {"number": 2, "count": 3}),
    "pair-unexpected": Template("this model finds entities (mner) and takes no head or tail; a model for relations (mre) does"),
    "pair-missing": Template("this model tells the relation between a head and a tail (mre), and there is no head and no tail"),
    "mention-missing": Template("this model tells the relation between a head and a tail (mre), and there is no {role}", {"role": "tail"}),
    "mention-invalid": Template(
        "expected {role} as words of the text or as two numbers of characters, start and end; got {found!r:.60}",
        {"role": "head", "found": 3},
    ),
    "image-invalid": Template("expected image as a file or an opened image; got {found!r:.60}", {"found": 7}),
    "object-invalid": Template(
        'expected an object as a file or an opened image, or its box as {{"box": [x0, y0, x1, y1]}}; got {found!r:.60}', {"found": 7}
    ),
    "box-without-image": Template("an object is a crop of its own, or a box to cut from the image, and there is no image to cut it from"),
    "batch-size-below-one": Template("batch_size is {found}; take 1 or more, or leave it out", {"found": 0}),
    # Notes on predictions.
    "model-without-images": Template("this model uses no images"),
    "image-not-given": Template("no image was given: the text was read alone"),
    "no-objects-to-read": Template("this model looks at objects of an image only, and none were given: the text was read alone"),
    "objects-not-read": Template("{count} objects were given, this model looks at none of them", {"count": 1}),
    "too-many-objects": Template("{count} objects were given, this model looks at {maximum} of them", {"count": 5, "maximum": 3}),
    "text-read-in-part": Template(
        "the text is longer than the model reads: only words "
        "{first} to {last} of {count} (characters {start}:{end}), around head and tail, were read",
        {"first": 11, "last": 40, "count": 90, "start": 70, "end": 280},
    ),
    "key-misspelled": Template("the key {key!r:.60} was not read; did you mean {nearest!r}?", {"key": "imgae", "nearest": "image"}),
    # Lines of an input file.
    "line-too-long": Template("the line is longer than {megabytes} million bytes", {"megabytes": 16}),
    "text-missing": Template('expected either "text" or "tokens", got neither'),
    "record-of-prepared-data": Template(
        'expected either "text" or "tokens", got neither; this line is prepared data, which `hvp eval --predictions FILE` predicts'
    ),
    "text-not-a-string": Template("expected text as a string, got {found!r:.60}", {"found": 5}),
    "mention-record-invalid": Template(
        'expected {role} as a string or as {{"start", "end"}} in {unit}, got {found!r:.60}',
        {"role": "head", "unit": "characters", "found": 3},
    ),
    "mention-outside-tokens": Template(
        "{role} is [{start}, {end}): expected 0 <= start < end <= {count}, the number of tokens",
        {"role": "tail", "start": 0, "end": 2, "count": 1},
    ),
    # Input and output files.
    "input-missing": Template("there is no input file {file}: no such file", {"file": "in.jsonl"}),
    "input-not-a-file": Template(
        "there is no input file {file}: it cannot be read twice, to go on where it stopped: write it to a file", {"file": "-"}
    ),
    "output-is-input": Template("{file} cannot be the output: it is the input; name another --output", {"file": "in.jsonl"}),
    "output-not-a-file": Template("{file} cannot be the output: it is no file; name another --output", {"file": "data"}),
    "output-of-other-input": Template(
        "{file}:{line} is not what this model makes of {input}:{input_line}: " + FOREIGN,
        {"file": "out.jsonl", "line": 3, "input": "in.jsonl", "input_line": 4},
    ),
    "output-longer-than-input": Template(
        "{file}:{line} is not made from {input}, which has {count} lines: " + FOREIGN,
        {"file": "out.jsonl", "line": 4, "input": "in.jsonl", "count": 3},
    ),
    "predictions-in-use": Template(
        "{file} is being written by another `hvp predict`; wait for it, or name another --output", {"file": "out.jsonl"}
    ),
    "all-lines-failed": Template(
        "all {count} lines of {file} failed; the first: {reason}", {"count": 2, "file": "in.jsonl", "reason": "line 1: the text is empty"}
    ),
}
