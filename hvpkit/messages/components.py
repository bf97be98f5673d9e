"""Messages about components: the registry, plugins, and how the parts of a recipe fit together."""

from __future__ import annotations

from hvpkit.messages import Template

_HOOKS = ["register_gates", "register_heads"]

TEMPLATES: dict[str, Template] = {
    # ------------------------------------------------------------------------------------------------------------ registry
    "component-registered-twice": Template(
        "{kind} {name!r} is registered twice: by {first} and by {second}",
        {"kind": "gate", "name": "dynamic", "first": "hvpkit 0.1.0", "second": "gate.py (file, sha256 0123456789ab)"},
    ),
    "unknown-component": Template("unknown {kind} {name!r}{hint}", {"kind": "gate", "name": "dynamc", "hint": "; did you mean dynamic?"}),
    "unknown-option": Template(
        "{kind} {name!r} has no option {option!r}{hint}",
        {"kind": "gate", "name": "dynamic", "option": "slop", "hint": "; did you mean slope?"},
    ),
    "component-not-built": Template(
        "{kind} {name!r} of {source} cannot be made{options} ({type}: {reason}, at {location}); {hint}",
        {
            "kind": "gate",
            "name": "mine",
            "source": "gate.py (file, sha256 0123456789ab)",
            "options": " with width: -4",
            "type": "ValueError",
            "reason": "no such width",
            "location": "gate.py:3",
            "hint": "HVP_TRACEBACK=1 hvp ... shows how it came to it",
        },
    ),
    "component-unusable": Template(
        "{kind} {name!r} of {source} cannot be used: {reason}",
        {"kind": "fusion", "name": "mine", "source": "mine 1.0", "reason": "its factory gives None"},
    ),
    "factory-returns-none": Template("its factory gives None"),
    "attributes-missing": Template("{type} has no {names}; set it in __init__", {"type": "Mine", "names": ["width"]}),
    "factory-not-callable": Template(
        "{kind} {name!r} of {source}: the factory must be a class or function", {"kind": "gate", "name": "mine", "source": "mine 1.0"}
    ),
    "wrong-factory-arguments": Template(
        "{kind} {name!r} of {source}: the factory is called with its context and named options ({reason}): let it take one, then a * and "
        "the options",
        {"kind": "gate", "name": "mine", "source": "mine 1.0", "reason": "missing a required argument: 'width'"},
    ),
    # ------------------------------------------------------------------------------------------------------------- plugins
    "plugin-file-missing": Template("no plugin file {file}", {"file": "gate.py"}),
    "plugin-not-python": Template("{file} is not a Python file", {"file": "gate.txt"}),
    "plugin-import-failed": Template(
        "plugin {file} cannot be loaded: {type}: {reason}", {"file": "gate.py", "type": "NameError", "reason": "name 'x' is not defined"}
    ),
    "installed-plugin-failed": Template(
        "an installed plugin cannot be loaded: {reason}; uninstall or mend it", {"reason": "No module named 'gone'"}
    ),
    "wrong-hook": Template("plugin {file}: {reason}", {"file": "gate.py", "reason": "hook 'register_gates' takes no argument 'registry'"}),
    "no-hook": Template(
        "plugin {file} registers nothing: mark a hook with @hookimpl; hooks are: {names}", {"file": "gate.py", "names": _HOOKS}
    ),
    "unknown-hook": Template("{reason}; hooks are: {names}", {"reason": "unknown hook 'register_gate'", "names": _HOOKS}),
    "hook-failed": Template(
        "{hook} of {source} failed: {type}: {reason}",
        {"hook": "register_gates", "source": "mine 1.0", "type": "ZeroDivisionError", "reason": "division by zero"},
    ),
    # --------------------------------------------------------------------------------------------------------- composition
    "components-do-not-fit": Template("{problems:lines}", {"problems": ["mine.yaml:3: unknown gate 'dynamc'; did you mean dynamic?"]}),
    "fitting-components": Template("; a {kind} that fits: {names}", {"kind": "head", "names": ["crf"]}),
    "nothing-fits": Template("; no installed {kind} fits", {"kind": "head"}),
    "wrong-task": Template(
        "{kind} {name!r} is for {tasks}, not {task}{hint}",
        {"kind": "head", "name": "cls", "tasks": ["mre"], "task": "mner", "hint": "; a head that fits: crf"},
    ),
    "missing-option": Template(
        "{kind} {name!r} needs the option {option}{hint}",
        {"kind": "fusion", "name": "visual-prefix", "option": "projector", "hint": "; a projector that fits: stages"},
    ),
    "option-wrong-type": Template(
        "option {option} of {kind} {name!r} must be {expected}, not {found!r}",
        {"option": "cased", "kind": "text encoder", "name": "hugging-face", "expected": "true or false", "found": 1},
    ),
    "option-unknown-choice": Template(
        "option {option} of {kind} {name!r} must be {expected}, not {found!r}",
        {"option": "cell", "kind": "text encoder", "name": "lstm", "expected": "gru or lstm", "found": "rnn"},
    ),
    "option-out-of-range": Template(
        "option {option} of {kind} {name!r} must be {expected}, not {found!r}",
        {"option": "width", "kind": "gate", "name": "mine", "expected": "greater than or equal to 1", "found": 0},
    ),
    "fusion-lacks-part": Template(
        "fusion {fusion!r} has no {option}: leave it out, or take a fusion that has one ({names})",
        {"fusion": "none", "option": "gate", "names": ["visual-prefix"]},
    ),
    "no-weights-option": Template(
        "visual backbone {name!r} has no option 'weights', which every backbone is given: let its factory take it", {"name": "mine"}
    ),
    "fusion-needs-vision": Template(
        "fusion {fusion!r} needs images: add a vision section, or take a fusion of text alone ({names})",
        {"fusion": "visual-prefix", "names": ["none"]},
    ),
    "vision-unused": Template(
        "fusion {fusion!r} makes no use of images: leave vision out, or take one that does ({names})",
        {"fusion": "none", "names": ["pooling", "visual-prefix"]},
    ),
    "fusion-needs": Template(
        "fusion {fusion!r} needs {need}, which text encoder {encoder!r} does not give{hint}",
        {"fusion": "visual-prefix", "need": "prefix", "encoder": "lstm", "hint": "; a text encoder that fits: hugging-face"},
    ),
    "head-needs": Template(
        "head {head!r} needs {need}, but {kind} {name!r} gives {found}{hint}",
        {"head": "crf", "need": "states", "kind": "fusion", "name": "pooling", "found": ["pooled"], "hint": "; a head that fits: cls"},
    ),
    "missing-images-unmasked": Template(
        "`head_layout: release` gives a head positions of several images, so a missing one cannot be masked: set vision.missing to zeros"
    ),
    "emissions-of-words": Template(
        "fusion {fusion!r} has its say on the tags of words, the head tags pieces: leave `labels: wordpieces` out", {"fusion": "mine"}
    ),
}
