from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import tiny

from hvpkit.cli import app
from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.jsonl import read_own
from hvpkit.inference.prediction_json import input_from, read_object
from hvpkit.messages import Message
from hvpkit.registry import load_registry

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_fresh(generate):
    assert generate.regenerated(TEXT) == TEXT, "run `make docs`"


def test_every_generated_part_has_its_place(generate):
    assert sorted(re.findall(r"<!-- generated: (\w+) -->", TEXT)) == sorted(generate.PARTS)


def test_a_stale_part_is_made_anew_and_the_rest_is_kept(generate):
    text = "before\n<!-- generated: recipes -->\nstale\n<!-- end -->\nafter\n"
    made = generate.regenerated(text)
    assert made.startswith("before\n<!-- generated: recipes -->\n| recipe |")
    assert made.endswith("|\n<!-- end -->\nafter\n")
    assert all(name in made for name in shipped_recipes())
    assert "stale" not in made


def test_only_commands_that_exist_are_shown():
    shown = {name for name in re.findall(r"(?:^|`)hvp ([a-z-]+)", TEXT, re.MULTILINE)}
    assert shown <= {command.name for command in app.registered_commands}


def test_only_make_targets_that_exist_are_shown():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", TEXT, re.MULTILINE)) <= targets


def test_links_to_files_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / link).exists(), link


def test_the_python_shown_runs(tmp_path, monkeypatch, capsys, mner_model, mre_model):
    for model, name in ((mner_model, "hvpnet_mner"), (mre_model, "hvpnet_mre")):
        shutil.copytree(model, tmp_path / "runs" / name)
    tiny.draw(tmp_path / "x.jpg")
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    for program in shown:
        exec(program, {})
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == Message("mention-not-in-text", role="head", mention="Ada", text="nobody is here", hint="")


def test_lines_of_data_shown_are_read(tmp_path):
    of_predict, of_data = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    for line in of_predict.splitlines():
        assert input_from(read_object(line.encode()), tmp_path).text
    for number, line in enumerate(of_data.splitlines()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "train.jsonl").write_text(line + "\n", encoding="utf-8")
        tiny.draw(folder / "ada.jpg")
        assert len(read_own(ReaderContext(folder, folder, False)).splits["train"]) == 1


def test_links_within_the_page_lead_somewhere():
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors


def test_the_recipes_shown_compose(tmp_path):
    shown = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        load_recipe(file, registry=load_registry())
