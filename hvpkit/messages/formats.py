"""Messages about the formats of users' data: recognizing, reading, dividing and writing them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Recognizing
    "format-recognized": Template("{path} is read as {format}.", {"path": "mine", "format": "gliner"}),
    "format-differs": Template(
        "{file} is not {expected} but looks like {found}: run `hvp preprocess {path} --format {found}`.",
        {"path": "data", "file": "data/train.json", "expected": "jsonl", "found": "gliner"},
    ),
    "formats-mixed": Template(
        "{first} looks like {first_format}, but {second} looks like {second_format}. Keep files of one format in "
        "{path}, or run `hvp preprocess {path} --format {first_format}`.",
        {
            "path": "mine",
            "first": "mine/train.jsonl",
            "first_format": "jsonl",
            "second": "mine/dev.json",
            "second_format": "gliner",
        },
    ),
    "format-unknown": Template(
        "The format of {path} is not known. {found} Known formats: {formats}; name one with --format.",
        {"path": "mine.txt", "found": "The first line is 'Hello'.", "formats": ["brat", "conll"]},
    ),
    "first-line": Template("The first line is {text!r}.", {"text": "Hello"}),
    "folder-names": Template("The folder has {names}.", {"names": ["a.xml", "b.xml"]}),
    "file-blank": Template("{file} is empty.", {"file": "mine/train.jsonl"}),
    "no-data-files": Template(
        "{folder} has no files named after splits, such as train, dev and test, and not a single data file.",
        {"folder": "mine"},
    ),
    "unknown-format": Template("Unknown format {name!r}{hint}", {"name": "glinr", "hint": "; did you mean gliner?"}),
    "format-with-name": Template(
        "{name!r} is the name of a dataset, which needs no --format. For a folder of this name, write ./{name}.",
        {"name": "mnre"},
    ),
    # Files
    "gzip-damaged": Template("{file} is a damaged or truncated gzip file.", {"file": "train.jsonl.gz"}),
    "gzip-too-large": Template(
        "{file} decompresses to more than {limit} MiB, which is unlikely for text. Decompress it first.",
        {"file": "train.jsonl.gz", "limit": 64},
    ),
    "file-too-large": Template(
        "{file} has more than {limit} MiB. Divide it, or write JSON Lines.", {"file": "doc.txt", "limit": 64}
    ),
    "json-broken": Template(
        "The JSON array is broken at {text!r}; what follows is not read. Expected {expected}.",
        {"text": '{"text": "Ann', "expected": '{"text", "label"}'},
    ),
    "literal-too-large": Template(
        "The line has {size} characters or deep brackets. At most {limit} characters and {nesting} brackets in each "
        "other are parsed as a Python literal.",
        {"size": 2_000_000, "limit": 1_048_576, "nesting": 50},
    ),
    # Records
    "value-invalid": Template(
        'Expected {expected} in "{key}", got {found!r:.80}.',
        {"key": "ner", "expected": "[first, last, type]", "found": [0, 1]},
    ),
    "line-with-one-column": Template("Expected a token and a tag, got {text!r:.80}.", {"text": "Ann"}),
    "label-names-missing": Template(
        "{file} has integers as ner_tags. Name a file with the names of the labels, one on each line: "
        "--labels names.txt.",
        {"file": "train.json"},
    ),
    "label-names-invalid": Template("{file} has no names of labels.", {"file": "names.txt"}),
    "label-id-unknown": Template(
        "Label {id} is not one of the {count} labels, which are counted from 0.", {"id": 9, "count": 9}
    ),
    "pyarrow-missing": Template(
        "{file} is an Arrow or Parquet file, which requires pyarrow: run `pip install pyarrow`.",
        {"file": "data/train"},
    ),
    "table-unreadable": Template("{file} is not a valid Arrow or Parquet file.", {"file": "data-00000-of-00001.arrow"}),
    "relation-order-invalid": Template(
        "Expected a JSON object with the id of each relation in {file}.", {"file": "ours_rel2id.json"}
    ),
    "relations-not-read": Template(
        "{count} relations are not read, because entities are. To read relations, use --task mre.", {"count": 3}
    ),
    "pair-entity-unknown": Template(
        "Relation {relation!r} ({name}) names the entity {entity!r}, which does not exist.",
        {"name": "R1", "entity": "T9", "relation": "lives_in"},
    ),
    "pair-crosses-lines": Template(
        "The entities of relation {relation!r} ({name}) are on different lines.",
        {"name": "R1", "relation": "lives_in"},
    ),
    "entity-crosses-lines": Template(
        "The entity at characters [{start}, {end}) ends on another line: {text!r:.60}.",
        {"start": 10, "end": 20, "text": "New\nYork"},
    ),
    "entity-discontinuous": Template(
        "Entity {name} has several parts ({spans}) and is left out.", {"name": "T1", "spans": "0 3;8 11"}
    ),
    "annotation-missing": Template("Task {id} has no annotation that is not cancelled.", {"id": "7"}),
    "annotation-line-invalid": Template(
        "Expected `T1<TAB>Type start end<TAB>text` or `R1<TAB>Type Arg1:T1 Arg2:T2`, got {text!r:.80}.",
        {"text": "T1 PER 0 3 Ann"},
    ),
    "document-text-missing": Template("There is no text {name} for these annotations.", {"name": "doc.txt"}),
    "prodigy-not-accepted": Template("The annotation was not accepted ({answer}).", {"answer": "reject"}),
    "spacy-missing": Template(
        "{file} is a DocBin, which requires spaCy: run `pip install spacy`.", {"file": "train.spacy"}
    ),
    "doc-bin-unreadable": Template("{file} is not a valid DocBin.", {"file": "train.spacy"}),
    "doc-bin-too-large": Template(
        "{file} decompresses to more than {limit} MiB. Divide it.", {"file": "train.spacy", "limit": 1024}
    ),
    "csv-columns-missing": Template(
        "{file} has the known columns {columns}. Expected {expected:lines}.",
        {"file": "train.csv", "columns": ["word"], "expected": ["sentence, word, tag", "text, head, tail, relation"]},
    ),
    "csv-row-invalid": Template("The row is not valid CSV."),
    "csv-row-short": Template("Expected a row of at least {expected} cells, got {found}.", {"expected": 3, "found": 1}),
    # Images
    "images-folder-missing": Template("There is no folder {folder} for --images.", {"folder": "photos"}),
    "image-pattern-without-id": Template(
        'Expected "{{id}}" in --image-pattern, as in "{{id}}.jpg", got {pattern!r}.', {"pattern": "a.jpg"}
    ),
    # Dividing
    "split-invalid": Template("Expected proportions such as 80/10/10 as --split, got {found!r}.", {"found": "80"}),
    "split-not-needed": Template(
        "--split divides training data without dev or test split, but the data has {splits}.",
        {"splits": ["train", "dev", "test"]},
    ),
    "split-without-train": Template("--split requires a train split, but the data has {splits}.", {"splits": ["dev"]}),
    "split-too-small": Template(
        "{count} training examples are too few for --split: {splits} would be empty.", {"count": 2, "splits": ["test"]}
    ),
    # Converting
    "unknown-output-format": Template(
        "Unknown format to write {name!r}{hint}", {"name": "json", "hint": "; did you mean jsonl?"}
    ),
    "generated-data-not-converted": Template(
        "{name!r} is generated, and its images are in prepared data only. Run `hvp preprocess {name}`.",
        {"name": "demo"},
    ),
    "output-task-unsupported": Template(
        "The format {format} has no form for data of the task {task}. Use jsonl or docbin.",
        {"format": "conll", "task": "mre"},
    ),
    "output-needs-folder": Template(
        "{output} is a file, but the data has {splits}. Name a folder.",
        {"output": "mine.jsonl", "splits": ["train", "dev"]},
    ),
    "output-file-exists": Template("{file} exists and is not replaced. Name another output.", {"file": "mine.jsonl"}),
    "word-not-writable": Template(
        "Word {word!r} of example {id!r} cannot be written as {format}.",
        {"id": "7", "word": "a\tb", "format": "conll"},
    ),
    "objects-not-written": Template(
        "The format {format} has no place for the objects of images; {count} were left out.",
        {"format": "conll", "count": 3},
    ),
    "split-written": Template(
        "{split}: {count} examples are written to {file}.", {"split": "train", "count": 40, "file": "mine.jsonl"}
    ),
}
