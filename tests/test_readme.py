from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from hvpkit.cli import app
from hvpkit.recipe import load_recipe, shipped_recipes
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


def test_the_recipes_shown_compose(tmp_path):
    shown = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        load_recipe(file, registry=load_registry())
