"""README.md and the pages of docs/: generated parts are up to date, what is shown exists.

And code runs (tests/pages.py says how).
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pages
import pytest
import tiny
import typer
from pages import ROOT

from hvpkit.cli import SETTINGS, app, load_command
from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.jsonl import read_jsonl
from hvpkit.experiments.plan import load_plan
from hvpkit.messages import MODULES, templates
from hvpkit.records.json_lines import parse_json_object
from hvpkit.records.parse import parse_record
from hvpkit.registry import load_registry

README = "README.md"
RUN = (README, "docs/usage.md", "docs/data.md", "docs/recipes.md")  # docs/plugins.md has tests of its own
PAGES = tuple(sorted({README, *(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))}))
SECTIONS = {(page, title): blocks for page in RUN for title, blocks in pages.sections(pages.read_page(page)).items()}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path, monkeypatch, mner_data, mre_data, mner_model, mre_model) -> Path:
    """The current folder, with small data, models and images under the names that the pages use."""
    pages.copy_data(tmp_path, {"twitter2017": mner_data.folder, "mnre": mre_data.folder})
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "hvpnet_mner").symlink_to(mner_model)
    (tmp_path / "runs" / "hvpnet_mre").symlink_to(mre_model)
    for image in ("x.jpg", "ada.jpg", "mine/ada.jpg", "mine/ada_1.jpg", "pairs/ada.jpg"):
        tiny.draw(tmp_path / image, size=(128, 128))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------------------------ generated
# parts
@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_up_to_date(page, generate):
    text = pages.read_page(page)
    assert generate.regenerated(text) == text, "run `make docs`"


def test_every_generated_part_is_on_one_page(generate):
    assert sorted(re.findall(r"<!-- generated: (\w+) -->", "".join(map(pages.read_page, PAGES)))) == sorted(
        generate.PARTS
    )


def test_a_stale_part_is_replaced_and_the_rest_is_kept(generate):
    text = "before\n<!-- generated: recipes -->\nstale\n<!-- end -->\nafter\n"
    generated = generate.regenerated(text)
    assert generated.startswith("before\n<!-- generated: recipes -->\n| recipe |")
    assert generated.endswith("|\n<!-- end -->\nafter\n")
    assert all(name in generated for name in shipped_recipes())
    assert "stale" not in generated


def test_the_page_of_errors_has_every_code_of_hvpkit_and_its_plugins(generate):
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", pages.read_page("docs/errors.md"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    built_in = {code for name in MODULES for code in importlib.import_module(f"hvpkit.messages.{name}").TEMPLATES}
    load_registry()
    assert set(listed) - built_in == {
        code
        for code in templates()
        if code.startswith(
            ("adapcoatt-", "bert-sg-", "clip-layers-", "mega-", "mtb-", "ocsga-", "umgf-", "umt-", "visualbert-")
        )
    }
    assert built_in <= set(listed)


def test_the_python_for_checkpoints_of_2022_imports_what_exists():
    (block,) = [block for block in pages.blocks(pages.read_page("docs/release.md")) if block.language == "python"]
    for line in block.text.splitlines():
        if line.startswith(("import ", "from ")):
            exec(line, {})


def test_usage_shows_the_kinds_of_values(generate):
    commands = "\n".join(generate.commands())
    assert "[--size INTEGER]" in commands
    assert "[--threshold NUMBER]" in commands
    assert "[--task mner\\|mre]" in commands
    assert "[--output PATH]" in commands


# -------------------------------------------------------------------------------------------------------- what is shown
# exists
@pytest.mark.parametrize("page", PAGES)
def test_only_commands_and_options_that_exist_are_shown(page):
    for words in pages.commands(pages.read_page(page)):
        name = words[1]
        assert name in {command.name for command in app.registered_commands}, words
        alone = typer.Typer(**SETTINGS)
        alone.command(name)(load_command(name))
        command = typer.main.get_command(alone)
        command.make_parser(command.context_class(command)).parse_args(words[2:])


@pytest.mark.parametrize("page", PAGES)
def test_only_make_targets_that_exist_are_shown(page):
    targets = set(re.findall(r"^([a-z]+):", pages.read_page("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)(?:\$ )?make ([a-z]+)", pages.read_page(page), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    pages.check_links(page)


def test_files_of_the_walks_exist():
    walks = pages.read_page("docs/architecture.md").partition("## Code walkthroughs")[2]
    files = re.findall(r"`([\w/]+\.py)`", walks)
    assert files
    assert [file for file in files if not (ROOT / "hvpkit" / file).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_at_most_120_wide_outside_of_tables_and_code(page):
    prose = re.sub(r"^```.*?^```$", "", pages.read_page(page), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_readme_is_short():
    assert pages.read_page(README).count("\n") <= 140


# ---------------------------------------------------------------------------------------------------------------- code
# runs
@pytest.mark.parametrize(("page", "title"), [key for key, blocks in SECTIONS.items() if blocks])
def test_the_code_of_a_section_runs(page, title, folder, monkeypatch):
    pages.run_blocks(page, SECTIONS[page, title], folder, monkeypatch, checked=("yaml", "json"))


@pytest.mark.parametrize("page", [README, "docs/usage.md"])
def test_python_is_shown(page):
    assert any(block.language == "python" for block in pages.blocks(pages.read_page(page)))


def test_invalid_input_prints_its_error(folder, monkeypatch, capsys):
    python = [block for block in pages.blocks(pages.read_page("docs/usage.md")) if block.language == "python"]
    pages.run_blocks("docs/usage.md", python, folder, monkeypatch)
    assert capsys.readouterr().out.splitlines()[-1].startswith("mention-not-in-text")


def test_inputs_of_predict_that_are_shown_are_read(tmp_path):
    shown = [block for block in pages.blocks(pages.read_page("docs/usage.md")) if block.file == "pairs/pairs.jsonl"]
    assert shown
    for line in shown[0].text.splitlines():
        record = parse_json_object(line.encode())
        assert parse_record(record, root=tmp_path, task=None, labeled=False).issues == ()


@pytest.mark.parametrize("page", [README, "docs/data.md"])
def test_records_of_data_that_are_shown_are_read(page, tmp_path):
    lines = [
        line
        for block in pages.sections(pages.read_page(page))["Your own data"]
        if block.language == "json"
        for line in block.text.splitlines()
    ]
    assert lines
    for number, line in enumerate(lines):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "train.jsonl").write_text(line + "\n", encoding="utf-8")
        for image in ("ada.jpg", "ada_1.jpg"):
            tiny.draw(folder / image, size=(128, 128))
        assert len(read_jsonl(ReaderContext(folder, folder, False)).splits["train"]) == 1


def test_recipes_and_plans_that_are_shown_are_valid(tmp_path):
    shown = [
        (page, block) for page in PAGES if page != "docs/plugins.md" for block in pages.blocks(pages.read_page(page))
    ]
    yaml = [block.text for _, block in shown if block.language == "yaml"]
    assert yaml
    for number, text in enumerate(yaml):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        if "systems:" in text:
            load_plan(file)
        else:
            load_recipe(file, registry=load_registry())
