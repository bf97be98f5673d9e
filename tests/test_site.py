"""The pages of docs/ build as a site in which every link has a target."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_site_builds_without_broken_links(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {file.stem for file in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {page for page in pages if (tmp_path / page / "index.html").is_file()} == pages
    assert "predict_many" in (tmp_path / "python" / "index.html").read_text(encoding="utf-8")
