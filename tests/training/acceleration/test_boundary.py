"""Only hvpkit/training/acceleration may change modules, parameters or settings of libraries."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATTERNS = (
    "__class__ =",
    ".forward =",
    "_parameters[",
    "grad_dtype",
    "zero_grad =",
    "mallopt",
    "fp32_precision",
    "os.environ[",
    "os.environ.setdefault(",
)
ALLOWED = {
    ("hvpkit/cli/__init__.py", "os.environ.setdefault("),  # GOMP_SPINCOUNT, read when torch is imported
    ("hvpkit/cli/device.py", "os.environ["),  # visible GPUs, likewise
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_other_code_changes_modules_or_libraries(pattern):
    found = {
        str(file.relative_to(ROOT))
        for folder in ("hvpkit", "plugins")
        for file in (ROOT / folder).rglob("*.py")
        if pattern in file.read_text(encoding="utf-8")
    }
    outside = {file for file in found if not file.startswith("hvpkit/training/acceleration/")}
    assert {(file, pattern) for file in outside} <= ALLOWED
