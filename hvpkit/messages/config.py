"""Messages about recipes, plans and overrides."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # --------------------------------------------------------------------------------------------------------------- files
    "recipe-invalid": Template("{problems:lines}", {"problems": ["mine.yaml:3: unknown gate 'dynamc'; did you mean dynamic?"]}),
    "recipe-missing": Template(
        "{file}: no such file; give a recipe's file, or the name of a shipped recipe{hint}",
        {"file": "hvpnet_mnr", "hint": "; did you mean hvpnet_mner?"},
    ),
    "recipe-is-folder": Template(
        "{file}: a folder; give a recipe's file, or the name of a shipped recipe{hint}",
        {"file": "recipes", "hint": "; available: hvpnet_mner, hvpnet_mre"},
    ),
    "recipe-empty": Template("the file is empty; a recipe says `task: mner` or `task: mre`, and more"),
    "recipe-without-keys": Template("the file holds no keys; a recipe says `task: mner` or `task: mre`, and more"),
    "recipe-not-utf8": Template("not UTF-8 text; save the recipe as UTF-8"),
    # ---------------------------------------------------------------------------------------------------------------- YAML
    "not-yaml": Template("not valid YAML: {reason}", {"reason": "mapping values are not allowed here"}),
    "yaml-alias": Template("not valid YAML: a recipe has no aliases; quote a text that starts with *"),
    "yaml-character": Template("not valid YAML: the character {character!r} is not allowed", {"character": "\x07"}),
    "yaml-too-deep": Template("not a recipe: nested too deeply"),
    "yaml-tag": Template("the tag !{tag} is not allowed: a recipe holds plain values only", {"tag": "mine"}),
    "yaml-wrong-scalar": Template("{text!r} is no {type}", {"text": "x", "type": "int"}),
    "yaml-wrong-key": Template("{key} is not a key: keys are words", {"key": "'5'"}),
    "repeated-key": Template("key {key} stands twice: here and on line {line}", {"key": "train.lr", "line": 1}),
    # ----------------------------------------------------------------------------------------------------------- overrides
    "override-without-value": Template("expected KEY=VALUE, for example train.lr=2e-5"),
    "override-not-yaml": Template(
        "{reason}; put quotes around a text with special characters", {"reason": "not valid YAML: mapping values are not allowed here"}
    ),
    # -------------------------------------------------------------------------------------------------------- keys, values
    "unknown-key": Template("unknown key {key}{hint}", {"key": "train.epoch", "hint": "; did you mean epochs?"}),
    "missing-key": Template("the key {key} is missing{hint}", {"key": "head", "hint": "; given are task, data"}),
    "present-keys": Template("; given are {names}", {"names": ["task", "data"]}),
    "wrong-type": Template("{key} must be {expected}, not {found}", {"key": "text.name", "expected": "a valid string", "found": "5"}),
    "unknown-choice": Template("{key} must be {expected}, not {found}", {"key": "task", "expected": "'mner' or 'mre'", "found": "'ner'"}),
    "value-out-of-range": Template(
        "{key} must be {expected}, not {found}", {"key": "train.epochs", "expected": "greater than or equal to 1", "found": "0"}
    ),
    "value-too-short": Template(
        "{key} must have a length of at least {minimum}, not {found}", {"key": "data.name", "minimum": 1, "found": "''"}
    ),
    "wrong-pattern": Template(
        "{key} must match pattern {pattern!r}, not {found}", {"key": "systems.a/b.[key]", "pattern": "^[a-z]+$", "found": "'a/b'"}
    ),
    "wrong-value": Template("{key} {reason}, not {found}", {"key": "systems.5", "reason": "Keys must be strings", "found": "5"}),
    "setting-differs": Template("{key}: {before}, not {now}", {"key": "train.lr", "before": 3e-05, "now": 2e-05}),
    # ------------------------------------------------------------------------------------------------------------- recipes
    "vision-without-images": Template("it must see something: whole must be true, or objects at least 1"),
    "evaluation-too-late": Template(
        "first_eval_epoch is {first_eval_epoch}, after the last epoch; take {epochs} or less (--set train.first_eval_epoch=1)",
        {"first_eval_epoch": 3, "epochs": 2},
    ),
    "setting-unused": Template(
        "{key} is {value}, which only {user} uses; set that too, or leave {key} out",
        {"key": "momentum", "value": 0.9, "user": "optimizer: sgd"},
    ),
    "fraction-and-shots": Template("share and shots are two ways to draw training examples; leave one of them out"),
    "shots-with-replacement": Template("shots are drawn without replacement; leave sampling out, or give a share"),
    "wordpiece-scores-of-words": Template(
        "scoring: wordpieces is for the head {{name: crf, labels: wordpieces}}; leave scoring out, or take that head"
    ),
}
