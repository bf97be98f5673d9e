"""Messages that any part of hvpkit may use."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    "os-error": Template("{reason}{file}", {"reason": "Permission denied", "file": ": runs/model"}),
    "disk-full": Template(
        "{reason}{file}. Free disk space, or write to another location.",
        {"reason": "No space left on device", "file": ": runs/model"},
    ),
    "output-exists": Template("{output} already exists. Use another --output, or remove it.", {"output": "runs/model"}),
    "run-mismatch": Template(
        "Run {run!r} in {folder} was started with other settings ({differences}). Use another --output, or remove it.",
        {
            "run": "model",
            "folder": "runs/model.training",
            "differences": ["recipe.train.lr: was 3e-05, is 2e-05", "data: was 0123456789abcdef, is fedcba9876543210"],
        },
    ),
    "run-file-damaged": Template(
        "{file} is damaged ({reason}). Use another --output, or remove the results beside it and start again.",
        {"file": "runs/model.training/run.json", "reason": "Expecting value"},
    ),
    "unexpected-error": Template(
        "{type}: {reason}\nUnexpected error at {location}. {hint}",
        {
            "type": "KeyError",
            "reason": "'labels'",
            "location": "gate.py:3",
            "hint": "Set HVP_TRACEBACK=1 for the full traceback.",
        },
    ),
    "custom": Template("{text}", {"text": "The gate needs three levels."}),
}
