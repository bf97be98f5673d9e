"""Write what benchmarks measure: a JSON file each, and the generated part of a page in benchmarks/results/.

    python benchmarks/report.py    # write the generated parts again from the JSON files

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; the rest of a page is written by hand.
`python benchmarks/controlled.py --report` does the same for controlled.md.
"""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = "results"
WIDTH = 120
GENERATED = (  # JSON file, script, page and its part
    ("train_speed", "train_speed", "train_speed", "train_speed"),
    ("train_speed_gpu", "train_speed", "train_speed", "train_speed_gpu"),
    ("predict_speed", "predict_speed", "predict_speed", "predict_speed"),
    ("scaling", "scaling", "scaling", "scaling"),
    ("images", "images", "images", "images"),
    ("explain", "explain", "explain", "explain"),
)


def machine(threads: int) -> dict[str, Any]:
    """Return the processor, the GPU and the versions of libraries."""
    import torch

    return {
        "cpu": _processor(),
        "cores": torch.multiprocessing.cpu_count(),
        "threads": threads,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


def _processor() -> str:
    """Return the processor with family and model, since clouds use one name for several generations."""
    known = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in _lines("/proc/cpuinfo"))
    }
    if "model name" not in known:
        return platform.machine()
    return f"{known['model name']} (family {known.get('cpu family', '?')}, model {known.get('model', '?')})"


def _lines(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines() if Path(file).is_file() else []


def describe_machine(facts: dict[str, Any]) -> str:
    """Return what `machine` found as words."""
    gpu = f", {facts['gpu']}" if facts["gpu"] else ", no GPU"
    return (
        f"{facts['cpu']}, {facts['threads']} of {facts['cores']} cores, {facts['instructions']}{gpu}; Python {facts['python']}, "  # noqa: E501
        f"torch {facts['torch']}, transformers {facts['transformers']}"
    )


def wrap(text: str, indent: str = "") -> str:
    """Break a paragraph, or a list item where `indent` is given, into lines of at most 120 columns."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)


def write(out: Path, name: str, page: str, found: dict[str, Any], text: str) -> str:
    """Write `name`.json and the generated part `name` of results/`page`.md into `out`; return the text."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    update_page(out, page, name, text)
    return text


def update_page(out: Path, page: str, part: str, text: str) -> None:
    """Replace a generated part of results/`page`.md in `out`; without that page or part, add it."""
    file = out / PAGES / f"{page}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    title = page.replace("_", " ").capitalize()
    before = file.read_text(encoding="utf-8") if file.is_file() else f"# {title}\n"
    file.write_text(replace_part(before, part, text), encoding="utf-8")


def replace_part(page: str, part: str, text: str) -> str:
    """Put `text` in place of a generated part, or at the end of a page that has none of that name.

    Raises:
        ValueError: The part has no end.
    """
    begin, end = f"<!-- generated: {part} -->\n", "<!-- end -->"
    block = f"{begin}\n{text.strip()}\n\n{end}"
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{block}\n"
    old, found, after = rest.partition(end)
    if not found or "<!-- generated:" in old:
        raise ValueError(f"The generated part {part!r} has no line {end!r}.")
    return before + block + after


def main() -> None:
    for name, script, page, part in GENERATED:
        found = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
        update_page(HERE, page, part, import_module(script).section(found))


if __name__ == "__main__":
    main()
