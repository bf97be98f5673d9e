from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from hvpkit.registry import KINDS, load_registry

PLUGIN = '''
from hvpkit.hookspecs import hookimpl

@hookimpl
def register_gates(register):
    register("mine", mine)

def mine(shape, *, sharp: float, soft: bool = False):
    """A gate of my own.

    More of it.
    """
'''


@pytest.fixture
def plugin(tmp_path) -> Path:
    file = tmp_path / "my_gate.py"
    file.write_text(PLUGIN)
    return file


def test_every_component_is_listed_with_its_source(hvp):
    typed = hvp("components", "--json")
    assert (typed.code, typed.err) == (0, "")
    listed = [(c["kind"], c["name"], c["source"]) for c in json.loads(typed.out)]
    assert listed == [(c.kind, c.name, c.source) for c in load_registry().components()]
    assert ("gate", "dynamic", f"hvpkit {version('hvpkit')}") in listed


def test_the_table_holds_the_same(hvp):
    typed = hvp("components")
    assert (typed.code, typed.err) == (0, "")
    for component in load_registry().components():
        assert component.name in typed.out
        assert component.summary in typed.out


@pytest.mark.parametrize("kind", [*KINDS, "gates", "text-encoders", "visual_backbone", "Head"])
def test_one_kind_can_be_selected(hvp, kind):
    singular = kind.lower().replace("-", " ").replace("_", " ").removesuffix("s")
    typed = hvp("components", kind, "--json")
    assert typed.code == 0
    assert [c["name"] for c in json.loads(typed.out)] == load_registry().names(singular)


def test_an_unknown_kind_is_refused_with_the_nearest(hvp):
    typed = hvp("components", "gat")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["unknown-component-kind"]
    fields = typed.fields("unknown-component-kind")
    assert fields["kind"] == "gat"
    assert "gate" in fields["hint"] and "fusion" not in fields["hint"]


def test_a_plugin_file_is_listed_with_its_options(hvp, plugin):
    typed = hvp("components", "gate", "--plugin", str(plugin), "--json")
    (mine,) = [c for c in json.loads(typed.out) if c["name"] == "mine"]
    assert mine["source"] == load_registry([plugin]).get("gate", "mine").source
    assert mine["source"].startswith("my_gate.py ")
    assert mine["summary"] == "A gate of my own."
    assert mine["options"] == {
        "sharp": {"required": True, "default": None},
        "soft": {"required": False, "default": False},
    }
    assert "sharp (required), soft=false" in hvp("components", "gate", "--plugin", str(plugin)).out


def test_without_the_option_the_file_is_not_loaded(hvp, plugin):
    hvp("components", "--plugin", str(plugin))
    assert "mine" not in [c["name"] for c in json.loads(hvp("components", "gate", "--json").out)]


def test_a_missing_plugin_file_is_refused(hvp, tmp_path):
    typed = hvp("components", "--plugin", str(tmp_path / "no.py"))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["plugin-file-missing"]
    assert typed.fields("plugin-file-missing") == {"file": tmp_path / "no.py"}
