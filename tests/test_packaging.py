from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import hvpkit

ROOT = Path(__file__).parents[1]
SOURCES = ("hvpkit", "plugins", "recipes", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """Build the wheel from a copy of the checkout, so that nothing is left behind in it, and unpack it."""
    folder = tmp_path_factory.mktemp("packaging")
    for name in SOURCES:
        source, target = ROOT / name, folder / "checkout" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(folder / "checkout")], check=True, capture_output=True
    )
    (wheel,) = folder.glob("hvpkit-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    return folder / "unpacked"


def files(folder: Path, pattern: str = "*") -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_module_is_in_the_wheel(unpacked):
    assert files(ROOT / "hvpkit", "*.py") <= files(unpacked / "hvpkit", "*.py")
    assert files(ROOT / "plugins", "*.py") == files(unpacked / "hvpkit_plugins", "*.py")
    assert (unpacked / "hvpkit" / "py.typed").is_file()


@pytest.mark.parametrize("pattern", ["*.yaml", "*.csv", "page.*"])
def test_every_data_file_is_in_the_wheel(unpacked, pattern):
    data = files(ROOT / "hvpkit", pattern)
    assert data and data <= files(unpacked / "hvpkit", pattern)


def test_every_recipe_is_in_the_wheel(unpacked):
    assert files(ROOT / "recipes", "*.yaml") == files(unpacked / "hvpkit" / "recipes", "*.yaml")


def test_wheel_has_no_other_top_level_packages(unpacked):
    names = {path.name for path in unpacked.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"hvpkit", "hvpkit_plugins"}


def test_the_wheel_lists_its_own_recipes(unpacked, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-m", "hvpkit", "recipes", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    listed = {Path(recipe["file"]) for recipe in json.loads(done.stdout)}
    assert listed == set((unpacked / "hvpkit" / "recipes").glob("*.yaml"))
    assert listed


def test_version_is_read_from_the_metadata_when_needed():
    code = "import sys, hvpkit; assert 'importlib.metadata' not in sys.modules; print(hvpkit.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("hvpkit")
    with pytest.raises(AttributeError):
        hvpkit.no_such_name  # noqa: B018
