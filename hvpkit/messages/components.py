"""Messages about components: registry, plugins, and compatibility within a recipe."""

from __future__ import annotations

from hvpkit.messages import Template

_HOOKS = ["register_gates", "register_heads"]

TEMPLATES: dict[str, Template] = {
    # registry
    "component-registered-twice": Template(
        "A component of kind {kind} with name {name!r} is registered twice: by {first} and by {second}. Remove or "
        "rename one.",
        {"kind": "gate", "name": "dynamic", "first": "hvpkit 0.1.0", "second": "gate.py (file, sha256 0123456789ab)"},
    ),
    "unknown-component": Template(
        "Unknown {kind} {name!r}{hint}", {"kind": "gate", "name": "dynamc", "hint": "; did you mean dynamic?"}
    ),
    "unknown-option": Template(
        "Unknown option {option!r} of {kind} {name!r}{hint}",
        {"kind": "gate", "name": "dynamic", "option": "slop", "hint": "; did you mean slope?"},
    ),
    "component-not-built": Template(
        "Cannot build {kind} {name!r} of {source}{options} ({type}: {reason}, at {location}). {hint}",
        {
            "kind": "gate",
            "name": "mine",
            "source": "gate.py (file, sha256 0123456789ab)",
            "options": " with width: -4",
            "type": "ValueError",
            "reason": "no such width",
            "location": "gate.py:3",
            "hint": "Set HVP_TRACEBACK=1 for the full traceback.",
        },
    ),
    "component-unusable": Template(
        "Cannot use {kind} {name!r} of {source}: {reason}.",
        {"kind": "fusion", "name": "mine", "source": "mine 1.0", "reason": "its factory returns None"},
    ),
    "factory-returns-none": Template("its factory returns None"),
    "attributes-missing": Template(
        "its class {type} must set {names} in __init__", {"type": "Mine", "names": ["width"]}
    ),
    "factory-not-callable": Template(
        "The factory of {kind} {name!r} of {source} is not callable. Register a class or function.",
        {"kind": "gate", "name": "mine", "source": "mine 1.0"},
    ),
    "wrong-factory-arguments": Template(
        "The factory of {kind} {name!r} of {source} has a wrong signature ({reason}). It must take the context as its "
        "only "
        "positional argument, and options as keyword-only arguments.",
        {"kind": "gate", "name": "mine", "source": "mine 1.0", "reason": "missing a required argument: 'width'"},
    ),
    # plugins
    "plugin-file-missing": Template("Plugin file '{file}' does not exist.", {"file": "gate.py"}),
    "plugin-not-python": Template("Plugin file '{file}' is not a Python file.", {"file": "gate.txt"}),
    "plugin-import-failed": Template(
        "Cannot import plugin '{file}' ({type}: {reason}).",
        {"file": "gate.py", "type": "NameError", "reason": "name 'x' is not defined"},
    ),
    "installed-plugin-failed": Template(
        "Cannot import an installed plugin: {reason}. Repair or uninstall it.", {"reason": "No module named 'gone'"}
    ),
    "wrong-hook": Template(
        "A hook of plugin '{file}' is invalid: {reason}.",
        {"file": "gate.py", "reason": "hook 'register_gates' takes no argument 'registry'"},
    ),
    "no-hook": Template(
        "Plugin '{file}' implements no hook. Mark one with @hookimpl; hooks: {names}.",
        {"file": "gate.py", "names": _HOOKS},
    ),
    "unknown-hook": Template(
        "Invalid hook: {reason}. Valid hooks: {names}.", {"reason": "unknown hook 'register_gate'", "names": _HOOKS}
    ),
    "hook-failed": Template(
        "Hook {hook!r} of {source} failed ({type}: {reason}).",
        {"hook": "register_gates", "source": "mine 1.0", "type": "ZeroDivisionError", "reason": "division by zero"},
    ),
    # composition
    "components-do-not-fit": Template(
        "{problems:lines}", {"problems": ["mine.yaml:3: Unknown gate 'dynamc'; did you mean dynamic?"]}
    ),
    "fitting-components": Template("; compatible {kind}: {names}", {"kind": "head", "names": ["crf"]}),
    "nothing-fits": Template("; no installed {kind} is compatible", {"kind": "head"}),
    "wrong-task": Template(
        "The {kind} {name!r} supports the task {tasks}, not {task}{hint}",
        {"kind": "head", "name": "cls", "tasks": ["mre"], "task": "mner", "hint": "; compatible head: crf"},
    ),
    "missing-option": Template(
        "The {kind} {name!r} requires option {option!r}{hint}",
        {"kind": "fusion", "name": "visual-prefix", "option": "projector", "hint": "; compatible projector: per-level"},
    ),
    "option-wrong-type": Template(
        "Option {option!r} of {kind} {name!r} must be {expected}, not {found!r}.",
        {"option": "cased", "kind": "text encoder", "name": "hugging-face", "expected": "true or false", "found": 1},
    ),
    "option-unknown-choice": Template(
        "Option {option!r} of {kind} {name!r} must be {expected}, not {found!r}.",
        {"option": "cell", "kind": "text encoder", "name": "lstm", "expected": "gru or lstm", "found": "rnn"},
    ),
    "option-out-of-range": Template(
        "Option {option!r} of {kind} {name!r} must be {expected}, not {found!r}.",
        {"option": "width", "kind": "gate", "name": "mine", "expected": "greater than or equal to 1", "found": 0},
    ),
    "fusion-lacks-part": Template(
        "Fusion {fusion!r} has no {option}. Remove it, or use a fusion that has one ({names}).",
        {"fusion": "none", "option": "gate", "names": ["visual-prefix"]},
    ),
    "no-weights-option": Template(
        "The factory of visual backbone {name!r} has no option 'weights', which every backbone must accept. Add it.",
        {"name": "mine"},
    ),
    "fusion-needs-vision": Template(
        "Fusion {fusion!r} requires images. Add a vision section, or use a fusion without images ({names}).",
        {"fusion": "visual-prefix", "names": ["none"]},
    ),
    "vision-unused": Template(
        "Fusion {fusion!r} does not use images. Remove the vision section, or use a fusion with images ({names}).",
        {"fusion": "none", "names": ["pooling", "visual-prefix"]},
    ),
    "fusion-needs": Template(
        "Fusion {fusion!r} requires {need!r}, which text encoder {encoder!r} does not provide{hint}",
        {
            "fusion": "visual-prefix",
            "need": "prefix",
            "encoder": "lstm",
            "hint": "; compatible text encoder: hugging-face",
        },
    ),
    "head-needs": Template(
        "Head {head!r} requires {need}, but {kind} {name!r} provides {found}{hint}",
        {
            "head": "crf",
            "need": "states",
            "kind": "fusion",
            "name": "pooling",
            "found": ["pooled"],
            "hint": "; compatible head: cls",
        },
    ),
    "missing-images-unmasked": Template(
        "With `head_layout: release`, attention heads mix positions of several images, so missing images cannot be "
        "masked. "
        "Set vision.missing to 'zeros'."
    ),
    "emissions-of-words": Template(
        "Fusion {fusion!r} adds to the emissions of words, but the head tags wordpieces. Remove `labels: wordpieces`.",
        {"fusion": "mine"},
    ),
    "emissions-of-labels": Template(
        "Fusion {fusion!r} adds to the emissions of the labels, but head {head!r} has other tags. Use head 'crf'.",
        {"fusion": "mine", "head": "crf-other-tags"},
    ),
}
