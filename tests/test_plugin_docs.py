"""docs/plugins.md: its code runs, section by section, in a folder of its own (tests/pages.py says how)."""

from __future__ import annotations

import pages
import pytest

PAGE = "docs/plugins.md"
SECTIONS = pages.sections(pages.read_page(PAGE))


@pytest.mark.parametrize("title", [title for title, blocks in SECTIONS.items() if blocks])
def test_the_code_of_a_section_runs(title, tmp_path, monkeypatch, mner_data, mre_data):
    pages.copy_data(tmp_path, {"twitter2017": mner_data.folder, "mnre": mre_data.folder})
    monkeypatch.chdir(tmp_path)
    pages.run_blocks(PAGE, SECTIONS[title], tmp_path, monkeypatch)


def test_links_lead_somewhere():
    pages.check_links(PAGE)
