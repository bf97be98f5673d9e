"""docs/plugins.md: its code runs, section by section, in a folder of its own, as a reader would try it.

A block that begins with `# NAME` is written to that file (its tests are called, if NAME begins with test_); other Python runs as it stands;
of shell blocks each line is typed.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hvpkit.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
TEXT = PAGE.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, and the line where it begins."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """Give the file that it is, if it says so in its first line."""
        named = re.match(r"# (\w+\.\w+)\n", self.text)
        return named[1] if named else None


def sections() -> Iterator[tuple[str, list[Block]]]:
    """Give each section's title and blocks."""
    heads = [(match.start(), match[1]) for match in re.finditer(r"^## (.+)$", TEXT, re.MULTILINE)]
    for (start, title), (end, _) in zip(heads, [*heads[1:], (len(TEXT), "")], strict=True):
        found = re.finditer(r"^```(\w*)\n(.*?)^```$", TEXT[start:end], re.MULTILINE | re.DOTALL)
        yield title, [Block(match[1], match[2], TEXT.count("\n", 0, start + match.start()) + 1) for match in found]


SECTIONS = dict(sections())


@pytest.fixture
def desk(tmp_path, monkeypatch, mner_data, mre_data) -> Path:
    """Work in a folder with small prepared data under the names that the page uses."""
    for name, data in (("twitter2017", mner_data), ("mnre", mre_data)):
        shutil.copytree(data.folder, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def type_line(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, line


def call_tests(file: Path) -> None:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


@pytest.mark.parametrize("title", [title for title, blocks in SECTIONS.items() if blocks])
def test_the_code_of_a_section_runs(title, desk, monkeypatch):
    for block in SECTIONS[title]:
        if block.file:
            (desk / block.file).write_text(block.text, encoding="utf-8")
            if block.file.startswith("test_"):
                call_tests(desk / block.file)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, str(PAGE), "exec"), {"__name__": "__main__"})
        elif block.language == "sh":
            for line in block.text.splitlines():
                assert line.startswith("hvp "), f"line {block.line}: only hvp is typed"
                type_line(line, monkeypatch)
        elif block.language == "toml":
            assert pytest.importorskip("tomllib").loads(block.text)
        else:
            pytest.fail(f"line {block.line}: a block of {block.language or 'no language'} is never run")


def test_links_lead_somewhere():
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    for link in re.findall(r"\]\(([^):]+)\)", TEXT):
        file, _, anchor = link.partition("#")
        assert (PAGE.parent / file).exists(), link
        assert not anchor or file or anchor in anchors, link
