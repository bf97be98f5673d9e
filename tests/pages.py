"""Code blocks of the documentation, run as a reader would run them.

The language of a block says what happens to it:

- A block that begins with `# NAME`, or whose fence says `title="NAME"`, is written to that file; the tests in a file
`test_*` are called.
- `sh`: each line is a `hvp` command, which is run.
- `python`: the block is executed.
- `console`: commands after `$` and their output, shown only; `commands` lists them, so that names and options can be
checked.
- `toml` is parsed; `mermaid`, `text` and `bibtex` are not read.
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

ROOT = Path(__file__).parents[1]
SHOWN = ("console", "mermaid", "text", "bibtex")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, the line where it begins, and the title of its fence."""

    language: str
    text: str
    line: int
    title: str | None = None

    @property
    def file(self) -> str | None:
        """The file to write it to, if it names one."""
        named = re.match(r"# (\w+\.\w+)\n", self.text)
        return named[1] if named else self.title


def read_page(name: str) -> str:
    """Read a page, by its path below the root of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, first_line: int = 1) -> list[Block]:
    """List the code blocks of a text that begins at a line of its page."""
    fences = re.finditer(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[3], first_line + text.count("\n", 0, match.start()), match[2]) for match in fences]


def sections(text: str) -> dict[str, list[Block]]:
    """List the code blocks of each section of a page (headings of the second level).

    Those before the first under "".
    """
    starts = [(0, ""), *((match.start(), match[1]) for match in re.finditer(r"^## (.+)$", text, re.MULTILINE))]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {
        title: blocks(text[start:end], text.count("\n", 0, start) + 1)
        for (start, title), end in zip(starts, ends, strict=True)
    }


def commands(text: str) -> Iterator[list[str]]:
    """List the `hvp` commands of a page, split into words.

    Those of `sh` and `console` blocks and those within the text.
    """
    lines = [
        line.removeprefix("$ ")
        for block in blocks(text)
        if block.language in ("sh", "console")
        for line in joined(block.text)
    ]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += re.findall(r"`(hvp [a-z][^`]*)`", re.sub(r"^\|.*$", "", prose, flags=re.MULTILINE))
    yield from (
        shlex.split(part) for line in lines for part in re.split(r" && | > | \| ", line) if part.startswith("hvp ")
    )


def joined(text: str) -> list[str]:
    """Split commands into lines; a line that ends with a backslash goes on in the next one.

    And comments are left out.
    """
    lines = re.sub(r" *\\\n *", " ", text).splitlines()
    return [re.sub(r" +# .*$", "", line) for line in lines]


def run_blocks(
    page: str, listed: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch, checked: tuple[str, ...] = ()
) -> None:
    """Run blocks one after the other in a folder, which is the current one.

    Blocks in the languages `checked` have tests of their own.
    """
    for block in listed:
        if block.file:
            file = folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
            if file.name.startswith("test_"):
                call_tests(file)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, page, "exec"), {"__name__": "__main__"})
        elif block.language == "sh":
            for line in joined(block.text):
                assert line.startswith("hvp "), f"{page}:{block.line}: only hvp is run"
                run_command(line, monkeypatch)
        elif block.language == "toml":
            assert pytest.importorskip("tomllib").loads(block.text)
        elif block.language not in (*SHOWN, *checked):
            pytest.fail(f"{page}:{block.line}: a block of {block.language or 'no language'} is never run")


def run_command(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a `hvp` command, which must not fail."""
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, line


def call_tests(file: Path) -> None:
    """Call the tests of a file."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def copy_data(folder: Path, data: dict[str, Path]) -> None:
    """Copy prepared data into the folder `data`, under the names that a page uses."""
    for name, source in data.items():
        shutil.copytree(source, folder / "data" / name)


def check_links(page: str) -> None:
    """Check that the links of a page lead to files that exist and to headings of these files."""
    for link in re.findall(r"\]\(([^):]+)\)", read_page(page)):
        path, _, anchor = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {link}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, (
                f"{page}: {link}"
            )
