from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hvpkit.cli.completion import (
    complete_data,
    complete_dataset,
    complete_kind,
    complete_model,
    complete_plan,
    complete_recipe,
)


@pytest.fixture
def here(tmp_path, monkeypatch, mner_data, mner_model) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder, link, target in (("data", "tiny", mner_data.folder), ("runs", "first", mner_model)):
        Path(folder).mkdir()
        Path(folder, link).symlink_to(target)
    Path("mine.yaml").touch()
    return tmp_path


def test_names_are_completed(here):
    assert complete_recipe("quickstart") == ["quickstart", "quickstart_mre"]
    assert complete_recipe("min") == ["mine.yaml"]
    assert complete_plan("tabl") == ["table1"]
    assert complete_model("runs/f") == ["runs/first"]
    assert complete_data("") == ["tiny"]
    assert complete_dataset("twitter") == ["twitter2015", "twitter2017"]
    assert "gate" in complete_kind("g")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("hvp tra", "train"), ("hvp train quickst", "quickstart_mre"), ("hvp eval runs/", "runs/first")],
)
def test_the_shell_gets_completions_without_torch(here, words, expected):
    program = (
        "import sys\nfrom hvpkit.cli import main\nsys.argv = ['hvp']\n"
        "try:\n    main()\nfinally:\n    assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    shell = {"_HVP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-c", program]
    typed = subprocess.run(command, env=os.environ | shell, capture_output=True, text=True, check=False)
    assert "AssertionError" not in typed.stderr
    assert expected in typed.stdout.split(), typed.stderr
    assert "Usage:" not in typed.stdout
