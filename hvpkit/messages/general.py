"""Messages of no one part of hvpkit."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "os-error": Template("{reason}{file}", {"reason": "Permission denied", "file": ": runs/model"}),
    "disk-full": Template("{reason}{file}; make room, or write elsewhere", {"reason": "No space left on device", "file": ": runs/model"}),
    "unexpected-error": Template(
        "{type}: {reason}\nThis was not expected (at {location}); {hint}.",
        {"type": "KeyError", "reason": "'labels'", "location": "gate.py:3", "hint": "HVP_TRACEBACK=1 hvp ... shows how it came to it"},
    ),
    "custom": Template("{text}", {"text": "The gate needs three levels."}),
}
