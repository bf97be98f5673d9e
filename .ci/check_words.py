"""Check docstrings, comments, messages, pages and commit subjects against the words of `.ci/words.txt`.

usage: python .ci/check_words.py [FILE ...]     (default: every tracked Python, Markdown, YAML and HTML file, and the
last commits)
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = ("CHANGELOG.md", ".ci/", "hvpkit/synthetic/lexicon.yaml")  # history, the list itself, generated tweets
COMMITS = 20  # the newest subjects are checked
LONGEST_SUBJECT = 72


def main() -> None:
    """Print what is found; exit with 1 if anything is."""
    words = read_words(ROOT / ".ci" / "words.txt")
    files = (
        sys.argv[1:]
        or subprocess.check_output(["git", "ls-files", "*.py", "*.md", "*.yaml", "*.html"], cwd=ROOT, text=True).split()
    )
    found = [line for file in files if not file.startswith(LEFT_OUT) for line in check(Path(file), words)]
    if not sys.argv[1:]:
        found += list(check_subjects(words))
    print("\n".join(found))
    print(f"{len(found)} places with words of .ci/words.txt", file=sys.stderr)
    sys.exit(bool(found))


def read_words(file: Path) -> list[tuple[re.Pattern[str], str, bool]]:
    """Read the list: pattern, advice, and whether it is for the beginning of docstrings only."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, _, advice = line.partition("\t")
            words.append(
                (re.compile(rf"(?<![\w.-]){pattern.removeprefix('^')}", re.IGNORECASE), advice, pattern.startswith("^"))
            )
    return words


def check(file: Path, words: list[tuple[re.Pattern[str], str, bool]]) -> Iterator[str]:
    """List the places of a file where a word of the list stands."""
    for number, text, opens in texts(file):
        for pattern, advice, first in words:
            match = pattern.match(text.lstrip()) if first and opens else None if first else pattern.search(text)
            if match:
                yield f"{file}:{number}: {match.group().strip()!r} ({advice}): {' '.join(text.split())[:90]}"


def texts(file: Path) -> Iterator[tuple[int, str, bool]]:
    """List the prose of a file: line, text, and whether a docstring begins there."""
    source = (ROOT / file).read_text(encoding="utf-8")
    if file.suffix != ".py":
        for number, line in enumerate(source.splitlines(), 1):
            yield number, re.sub(r"`[^`]*`", "", line), False
        return
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            docstrings.add(node.body[0].lineno)
    if file.parts[0] == "tests":  # literals of tests are data
        kinds = {tokenize.COMMENT}
    else:
        kinds = {tokenize.COMMENT, tokenize.STRING}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        opens = token.type == tokenize.STRING and token.start[0] in docstrings
        if token.type in kinds or opens:
            text = token.string.strip("rbfuRBFU").strip("\"'#")
            if opens or token.type == tokenize.COMMENT or " " in text:
                for offset, line in enumerate(re.sub(r"`[^`]*`", "", text).splitlines() or [""]):
                    yield token.start[0] + offset, line, opens and offset == 0


def check_subjects(words: list[tuple[re.Pattern[str], str, bool]]) -> Iterator[str]:
    """List what is wrong with the subjects of the newest commits."""
    done = subprocess.run(["git", "log", f"-{COMMITS}", "--format=%h %s"], cwd=ROOT, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        commit, _, subject = line.partition(" ")
        if len(subject) > LONGEST_SUBJECT:
            yield f"{commit}: subject of {len(subject)} characters, at most {LONGEST_SUBJECT}"
        yield from (
            f"{commit}: {pattern.pattern} ({advice})"
            for pattern, advice, first in words
            if not first and pattern.search(subject)
        )


if __name__ == "__main__":
    main()
