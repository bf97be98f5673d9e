"""Messages about model folders, weights and checkpoints of the 2022 release."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "model-folder-missing": Template(
        "Model folder {folder} does not exist. Train a model with `hvp train RECIPE`.", {"folder": "runs/model"}
    ),
    "no-models": Template(
        "There is no model under {folder}/. Train one with `hvp train RECIPE`, or name one with --model DIR.",
        {"folder": "runs"},
    ),
    "model-format": Template(
        "Model folder {folder} has format {found} (written by hvpkit {writer}), but hvpkit {version} reads "
        "format {expected}. Update hvpkit.",
        {"folder": "runs/model", "found": 2, "expected": 1, "writer": "9.0", "version": "0.1.0"},
    ),
    "model-folder-damaged": Template(
        "Model folder {folder} is incomplete or damaged: {damage}. Copy or train it again.",
        {
            "folder": "runs/model",
            "damage": ["labels.json is missing", "weights.safetensors is damaged (3 bytes, expected 9000)"],
        },
    ),
    "model-file-missing": Template("{file} is missing", {"file": "labels.json"}),
    "model-file-unreadable": Template(
        "{file} is damaged ({reason})", {"file": "labels.json", "reason": "Expecting value"}
    ),
    "model-file-no-object": Template("{file} is damaged (not a JSON object)", {"file": "labels.json"}),
    "model-file-size": Template(
        "{file} is damaged ({found} bytes, expected {expected})",
        {"file": "weights.safetensors", "found": 3, "expected": 9000},
    ),
    "labels-incomplete": Template("{file} is damaged (no task, or no list of names)", {"file": "labels.json"}),
    "description-incomplete": Template("{file} is damaged (no format, or no components)", {"file": "model.json"}),
    "labels-task-mismatch": Template(
        "Model folder {folder} is inconsistent: labels.json is for {found!r}, recipe.yaml for {expected!r}. Copy "
        "it again.",
        {"folder": "runs/model", "found": "mre", "expected": "mner"},
    ),
    "components-not-installed": Template(
        "Model folder {folder} needs components that are not installed: {components}. Install their plugin, or "
        "name it with --plugin FILE.",
        {"folder": "runs/model", "components": ["gate 'even' (from even.py (file, sha256 0123456789ab))"]},
    ),
    "component-of": Template(
        "{kind} {name!r} (from {source})",
        {"kind": "gate", "name": "even", "source": "even.py (file, sha256 0123456789ab)"},
    ),
    "plugin-changed": Template(
        "The {component} comes from {found}, but the model was trained with {expected}.",
        {
            "component": "gate even",
            "found": "even.py (file, sha256 0123456789ab)",
            "expected": "even.py (file, sha256 ba9876543210)",
        },
    ),
    "model-weights-damaged": Template(
        "{file} is damaged: {reason}.",
        {"file": "runs/model/weights.safetensors", "reason": "Error while deserializing header"},
    ),
    "model-weights-mismatch": Template(
        "{file} does not match its recipe: {count} tensors are missing, unknown or of another shape ({names}).",
        {"file": "runs/model/weights.safetensors", "count": 2, "names": ["head.linear.bias", "head.linear.weight"]},
    ),
}
