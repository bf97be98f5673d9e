"""Messages about model folders, weights and checkpoints of the 2022 release."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "model-folder-missing": Template("there is no model folder {folder}; train one with `hvp train RECIPE`", {"folder": "runs/model"}),
    "no-models": Template(
        "there is no model under {folder}/; train one with `hvp train RECIPE`, or name one with --model DIR", {"folder": "runs"}
    ),
    "model-format": Template(
        "{folder} has format {found} (written by hvpkit {writer}), this hvpkit {version} reads {expected}; update hvpkit",
        {"folder": "runs/model", "found": 2, "expected": 1, "writer": "9.0", "version": "0.1.0"},
    ),
    "model-folder-damaged": Template(
        "{folder} is not a whole model folder: {damage}; copy or train it again",
        {"folder": "runs/model", "damage": ["labels.json is missing", "weights.safetensors is damaged (3 bytes, written were 9000)"]},
    ),
    "model-file-missing": Template("{file} is missing", {"file": "labels.json"}),
    "model-file-unreadable": Template("{file} is damaged ({reason})", {"file": "labels.json", "reason": "Expecting value"}),
    "model-file-no-object": Template("{file} is damaged (no JSON object)", {"file": "labels.json"}),
    "model-file-size": Template(
        "{file} is damaged ({found} bytes, written were {expected})", {"file": "weights.safetensors", "found": 3, "expected": 9000}
    ),
    "labels-incomplete": Template("{file} is damaged (no task, or no list of names)", {"file": "labels.json"}),
    "description-incomplete": Template("{file} is damaged (no format, or no components)", {"file": "model.json"}),
    "labels-task-mismatch": Template(
        "{folder}: labels.json is for {found!r}, recipe.yaml for {expected!r}; copy it again",
        {"folder": "runs/model", "found": "mre", "expected": "mner"},
    ),
    "components-not-installed": Template(
        "{folder} needs components that are not installed: {components}; install the plugin or name it with --plugin FILE",
        {"folder": "runs/model", "components": ["gate 'even' (made by even.py (file, sha256 0123456789ab))"]},
    ),
    "component-of": Template(
        "{kind} {name!r} (made by {source})", {"kind": "gate", "name": "even", "source": "even.py (file, sha256 0123456789ab)"}
    ),
    "plugin-changed": Template(
        "the {component} comes from {found}, the model was trained with {expected}",
        {"component": "gate even", "found": "even.py (file, sha256 0123456789ab)", "expected": "even.py (file, sha256 ba9876543210)"},
    ),
    "model-weights-damaged": Template(
        "{file} is damaged: {reason}", {"file": "runs/model/weights.safetensors", "reason": "Error while deserializing header"}
    ),
    "model-weights-mismatch": Template(
        "{file} does not fit its recipe: {count} tensors are missing, unknown or of another shape ({names})",
        {"file": "runs/model/weights.safetensors", "count": 2, "names": ["head.linear.bias", "head.linear.weight"]},
    ),
}
