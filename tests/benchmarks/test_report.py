from __future__ import annotations

import json
import re
import shutil
from importlib import import_module

import pytest

import report

PAGES = [report.HERE / "RESULTS.md", *sorted((report.HERE / report.PAGES).glob("*.md"))]
MAX_LINES = 110  # of RESULTS.md


def test_a_generated_part_is_replaced_and_nothing_else():
    page = "# Speed\n\nBefore.\n\n<!-- generated: cpu -->\n\nold\n\n<!-- end -->\n\n<!-- generated: gpu -->\n\ngpu\n\n<!-- end -->\n"  # noqa: E501
    replaced = report.replace_part(page, "cpu", "new\n")
    assert replaced == page.replace("old", "new")
    assert report.replace_part(replaced, "cpu", "new") == replaced


def test_a_part_that_a_page_lacks_is_added_at_its_end():
    assert (
        report.replace_part("# Speed\n\nText.\n", "cpu", "new")
        == "# Speed\n\nText.\n\n<!-- generated: cpu -->\n\nnew\n\n<!-- end -->\n"
    )


@pytest.mark.parametrize("rest", ["old\n", "old\n<!-- generated: gpu -->\n\ngpu\n\n<!-- end -->\n"])
def test_a_part_without_an_end_is_refused(rest):
    with pytest.raises(ValueError):
        report.replace_part("<!-- generated: cpu -->\n" + rest, "cpu", "new")


def test_results_are_written_to_json_and_markdown(tmp_path):
    assert report.write(tmp_path, "cpu", "train_speed", {"rate": 2}, "fast") == "fast"
    assert json.loads((tmp_path / "cpu.json").read_text()) == {"rate": 2}
    page = "# Train speed\n\n<!-- generated: cpu -->\n\nfast\n\n<!-- end -->\n"
    assert (tmp_path / "results" / "train_speed.md").read_text() == page


@pytest.mark.parametrize(("name", "script", "page", "part"), report.GENERATED)
def test_the_pages_have_the_numbers_of_the_json_files(name, script, page, part):
    text = (report.HERE / report.PAGES / f"{page}.md").read_text()
    section = import_module(script).section(json.loads((report.HERE / f"{name}.json").read_text()))
    assert report.replace_part(text, part, section) == text


def test_the_page_of_controlled_runs_has_the_numbers_of_its_json_file(load, tmp_path):
    (tmp_path / "results").mkdir()
    for file in ("controlled.json", "results/controlled.md"):
        shutil.copy(report.HERE / file, tmp_path / file)
    load("controlled").main(["--report", "--out", str(tmp_path), "--work", str(tmp_path / "work")])
    for file in ("controlled.json", "results/controlled.md"):
        assert (tmp_path / file).read_bytes() == (report.HERE / file).read_bytes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_wrapped_and_their_links_lead_somewhere(page):
    text = page.read_text()
    assert [line for line in text.splitlines() if len(line) > report.WIDTH and not line.startswith("|")] == []
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (page.parent / target).is_file(), target


def test_the_first_page_is_short_and_links_to_every_other_one():
    text = PAGES[0].read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert all(f"(results/{page.name}" in text for page in PAGES[1:])
