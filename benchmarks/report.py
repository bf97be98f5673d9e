"""How benchmarks tell what they found: the machine, a JSON file each, a section each of RESULTS.md."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = "RESULTS.md"


def machine(threads: int) -> dict[str, Any]:
    """Describe what the numbers were measured with."""
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
    """Name the processor; clouds give several generations one name, so its family and model follow."""
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in _lines("/proc/cpuinfo"))}
    if "model name" not in known:
        return platform.machine()
    return f"{known['model name']} (family {known.get('cpu family', '?')}, model {known.get('model', '?')})"


def _lines(file: str) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines() if Path(file).is_file() else []


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)


def write(out: Path, name: str, title: str, found: dict[str, Any], text: str) -> str:
    """Write `name`.json and the section `title` of RESULTS.md into `out`; give the section."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    section, page = f"## {title}\n\n{text}\n", out / RESULTS
    before = page.read_text(encoding="utf-8") if page.is_file() else "# Results\n"
    page.write_text(with_section(before, section), encoding="utf-8")
    return section


def with_section(page: str, section: str) -> str:
    """Put a section in place of the one of the same title, or at the end of the page."""
    title = section.partition("\n")[0]
    before, _, rest = page.partition(f"{title}\n")
    after = rest[rest.find("\n## ") + 1 :] if "\n## " in rest else ""
    return before.rstrip() + "\n\n" + section.rstrip() + "\n" + (f"\n{after}" if after else "")
