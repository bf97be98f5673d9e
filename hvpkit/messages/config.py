"""Messages about recipes, plans and overrides."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # files
    "recipe-invalid": Template(
        "{problems:lines}", {"problems": ["mine.yaml:3: Unknown gate 'dynamc'; did you mean dynamic?"]}
    ),
    "recipe-missing": Template(
        "No such recipe: {file}. Expected a recipe file or the name of a shipped recipe{hint}",
        {"file": "hvpnet_mnr", "hint": "; did you mean hvpnet_mner?"},
    ),
    "recipe-is-folder": Template(
        "{file} is a folder. Expected a recipe file or the name of a shipped recipe{hint}",
        {"file": "recipes", "hint": "; available: hvpnet_mner, hvpnet_mre"},
    ),
    "recipe-empty": Template("The file is empty. A recipe needs at least the keys task, data, text and head."),
    "recipe-without-keys": Template(
        "The file has no keys. A recipe is a mapping with at least the keys task, data, text and head."
    ),
    "recipe-not-utf8": Template("The file is not UTF-8 text. Save the recipe as UTF-8."),
    # YAML
    "not-yaml": Template("Invalid YAML: {reason}.", {"reason": "mapping values are not allowed here"}),
    "yaml-alias": Template("Invalid YAML: aliases are not supported. Quote text that starts with *."),
    "yaml-character": Template("Invalid YAML: the character {character!r} is not allowed.", {"character": "\x07"}),
    "yaml-too-deep": Template("Invalid recipe: keys are nested too deeply."),
    "yaml-tag": Template("The YAML tag !{tag} is not allowed. A recipe holds plain values only.", {"tag": "mine"}),
    "yaml-wrong-scalar": Template("{text!r} is not a valid {type}.", {"text": "x", "type": "int"}),
    "yaml-wrong-key": Template("{key} is not a valid key. Keys must be strings.", {"key": "'5'"}),
    "repeated-key": Template(
        "Key {key!r} is repeated; it was first set on line {line}.", {"key": "train.lr", "line": 1}
    ),
    # overrides
    "override-without-value": Template("Expected KEY=VALUE, for example train.lr=2e-5."),
    "override-not-yaml": Template(
        "{reason} Quote text that has special characters.",
        {"reason": "Invalid YAML: mapping values are not allowed here."},
    ),
    # keys, values
    "unknown-key": Template("Unknown key {key!r}{hint}", {"key": "train.epoch", "hint": "; did you mean epochs?"}),
    "missing-key": Template("Missing key {key!r}{hint}", {"key": "head", "hint": "; the keys here are task, data"}),
    "present-keys": Template("; the keys here are {names}", {"names": ["task", "data"]}),
    "wrong-type": Template(
        "{key!r} must be {expected}, not {found}.", {"key": "text.name", "expected": "a valid string", "found": "5"}
    ),
    "text-like-number": Template(
        '{key!r} must be text, but {found} is read as a number or as true or false. Quote it: {key}: "{found}" in a '
        "file, or --set '{key}=\"{found}\"'.",
        {"key": "data.name", "found": "2017"},
    ),
    "unknown-choice": Template(
        "{key!r} must be {expected}, not {found}.", {"key": "task", "expected": "'mner' or 'mre'", "found": "'ner'"}
    ),
    "value-out-of-range": Template(
        "{key!r} must be {expected}, not {found}.",
        {"key": "train.epochs", "expected": "greater than or equal to 1", "found": "0"},
    ),
    "value-too-short": Template(
        "{key!r} must have a length of at least {minimum}, not {found}.",
        {"key": "data.name", "minimum": 1, "found": "''"},
    ),
    "wrong-pattern": Template(
        "{key!r} must match the pattern {pattern!r}, not {found}.",
        {"key": "systems.a/b.[key]", "pattern": "^[a-z]+$", "found": "'a/b'"},
    ),
    "wrong-value": Template(
        "Invalid value of {key!r}: {reason}, not {found}.",
        {"key": "systems.5", "reason": "Keys must be strings", "found": "5"},
    ),
    "setting-differs": Template("{key}: was {before}, is {now}", {"key": "train.lr", "before": 3e-05, "now": 2e-05}),
    # recipes
    "vision-without-images": Template(
        "The model would get no image. Set full_image to true, or max_objects to at least 1."
    ),
    "first-evaluation-limited": Template(
        "Dev is first evaluated after epoch {epochs} instead of {first_eval_epoch}, as there are no more epochs.",
        {"epochs": 3, "first_eval_epoch": 16},
    ),
    "evaluation-too-late": Template(
        "first_eval_epoch is {first_eval_epoch}, but must be at most {epochs}, the number of epochs "
        "(--set train.first_eval_epoch=1).",
        {"first_eval_epoch": 3, "epochs": 2},
    ),
    "setting-unused": Template(
        "{key} is {value}, but only `{user}` uses it. Set that too, or remove {key}.",
        {"key": "momentum", "value": 0.9, "user": "optimizer: sgd"},
    ),
    "fraction-and-shots": Template("fraction and shots exclude each other. Remove one of them."),
    "shots-with-replacement": Template(
        "shots samples without replacement. Remove sampling, or set fraction instead of shots."
    ),
    "wordpiece-scores-of-words": Template(
        "`scoring: wordpieces` requires the head {{name: crf, labels: wordpieces}}. Set that head, or remove scoring."
    ),
}
