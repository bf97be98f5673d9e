from __future__ import annotations

import importlib
import re
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from raising import raises

from hvpkit import hookspecs, registry
from hvpkit.errors import TRACEBACK_HINT, ComponentError, ImageError, did_you_mean
from hvpkit.messages import Message
from hvpkit.registry import KINDS, Component, Registry, load_registry

HEADER = "from hvpkit.hookspecs import hookimpl\n\n"


@pytest.fixture
def plugin(tmp_path):
    def write(body: str, name: str = "mine.py") -> Path:
        file = tmp_path / name
        file.write_text(HEADER + body)
        return file

    return write


def gate(name: str) -> str:
    return (
        f'@hookimpl\ndef register_gates(register):\n    register("{name}", lambda shape, *, sharp=1: (shape, sharp))\n'
    )


def test_every_kind_has_its_hook_and_every_hook_its_docstring():
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert sorted(KINDS.values()) == sorted(hooks)
    assert all(getattr(hookspecs, hook).__doc__ for hook in hooks)


def test_built_in_components_name_the_package_as_their_source():
    found = load_registry()
    for kind, name in (("text encoder", "hugging-face"), ("gate", "dynamic"), ("fusion", "none"), ("head", "crf")):
        assert found.get(kind, name).source == f"hvpkit {version('hvpkit')}"


def test_every_component_has_a_summary_and_a_name_that_yaml_reads_as_text():
    for component in load_registry().components():
        assert component.summary.endswith(".")
        assert component.name == component.name.strip().lower()
        assert " " not in component.name


def test_an_unknown_name_brings_the_nearest():
    gates = load_registry().names("gate")
    assert {"dynamic", "flat"} <= set(gates)
    with raises(
        ComponentError, "unknown-component", kind="gate", name="dynamc", hint=did_you_mean("dynamc", ["dynamic"])
    ):
        load_registry().get("gate", "dynamc")
    with raises(ComponentError, "unknown-component", kind="gate", name="x", hint=did_you_mean("x", gates)):
        load_registry().get("gate", "x")


def test_a_plugin_file_adds_its_components(plugin):
    found = load_registry([plugin(gate("mine"))])
    assert (
        found.get("gate", "mine").source
        == f"mine.py (file, sha256 {sha256((HEADER + gate('mine')).encode()).hexdigest()[:12]})"
    )
    assert found.build("gate", "mine", "shape", {"sharp": 2}) == ("shape", 2)
    assert "mine" not in load_registry().names("gate")


def test_an_unknown_option_brings_the_nearest(plugin):
    found = load_registry([plugin(gate("mine"))])
    with raises(
        ComponentError, "unknown-option", kind="gate", name="mine", option="shap", hint=did_you_mean("shap", ["sharp"])
    ):
        found.build("gate", "mine", "shape", {"shap": 2})


def test_duplicate_components_are_refused_and_both_named(plugin):
    with raises(ComponentError, "component-registered-twice", kind="gate", name="dynamic") as caught:
        load_registry([plugin(gate("dynamic"))])
    assert sources_in(caught.value) == [f"hvpkit {version('hvpkit')}", "mine.py (file, sha256"]
    with raises(ComponentError, "component-registered-twice", kind="gate", name="same") as caught:
        load_registry([plugin(gate("same"), "a.py"), plugin(gate("same"), "b.py")])
    assert sources_in(caught.value) == ["a.py (file, sha256", "b.py (file, sha256"]


def sources_in(error: ComponentError) -> list[str]:
    """List the two sources that an error names, without the digests of files."""
    return sorted(
        (re.sub(r" [0-9a-f]{12}\)$", "", error.fields[name]) for name in ("first", "second")), key=str.casefold
    )


def test_the_same_name_may_be_used_for_different_kinds():
    found = Registry()
    for kind in ("gate", "head"):
        found.add(Component(kind, "same", lambda context: context, "test"))
    assert (found.names("gate"), found.names("head")) == (["same"], ["same"])


def test_a_misspelt_hook_is_refused_with_the_right_ones(plugin):
    with raises(ComponentError, "unknown-hook", names=list(KINDS.values())) as caught:
        load_registry([plugin(gate("mine").replace("register_gates", "register_gate"))])
    assert "register_gate'" in caught.value.fields["reason"]


def test_a_hook_with_a_wrong_argument_is_refused(plugin):
    file = plugin("@hookimpl\ndef register_gates(registry):\n    pass\n")
    with raises(ComponentError, "wrong-hook", file=file) as caught:
        load_registry([file])
    assert "register_gates" in caught.value.fields["reason"]


def test_a_hook_that_fails_names_its_plugin(plugin):
    with raises(
        ComponentError, "hook-failed", hook="register_gates", type="ZeroDivisionError", reason="division by zero"
    ) as caught:
        load_registry([plugin("@hookimpl\ndef register_gates(register):\n    1 / 0\n")])
    assert caught.value.fields["source"].startswith("mine.py (file, sha256 ")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_plugin_file_that_fails_to_import_is_named(plugin, body, error):
    file = plugin(body)
    with raises(ComponentError, "plugin-import-failed", file=file, type=error):
        load_registry([file])


def test_a_missing_file_and_one_that_is_no_python_are_refused(plugin, tmp_path):
    with raises(ComponentError, "plugin-file-missing", file=tmp_path / "none.py"):
        load_registry([tmp_path / "none.py"])
    with raises(ComponentError, "plugin-not-python", file=tmp_path / "mine.txt"):
        load_registry([plugin("", "mine.txt")])


def test_files_of_the_same_name_in_different_folders_do_not_mix(tmp_path):
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "gate.py")
        files[-1].write_text(HEADER + gate(name))
    assert {"first", "second"} <= set(load_registry(files).names("gate"))


def test_the_same_file_named_twice_counts_once(plugin):
    file = plugin(gate("mine"))
    assert load_registry([file, file]).names("gate").count("mine") == 1


def test_a_file_without_any_hook_is_refused(plugin, tmp_path):
    with raises(ComponentError, "no-hook", file=tmp_path / "mine.py", names=list(KINDS.values())):
        load_registry([plugin("x = 1\n")])


def test_installed_plugins_are_loaded_by_entry_point():
    (found,) = (point for point in entry_points(group="hvpkit") if point.name == "entropy-gate")
    assert found.value == "hvpkit_plugins.entropy_gate"
    names = {c.name for c in load_registry().components() if c.factory.__module__.startswith("hvpkit_plugins.")}
    assert names


def test_an_installed_plugin_that_fails_is_named(monkeypatch):
    def load(self, group: str) -> int:
        raise ImportError("No module named 'gone'")

    monkeypatch.setattr(registry.pluggy.PluginManager, "load_setuptools_entrypoints", load)
    registry._load_registry.cache_clear()
    with raises(ComponentError, "installed-plugin-failed", reason="No module named 'gone'"):
        load_registry()


def test_the_registry_comes_without_torch():
    program = "import sys; from hvpkit.registry import load_registry; load_registry(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, RuntimeError, KeyError])
@pytest.mark.parametrize(("options", "given"), [({"width": -4}, " with width: -4"), ({}, "")])
def test_a_factory_that_fails_is_named_with_its_options_and_line(error, options, given):
    def factory(context, *, width=4):
        raise error("no such width")

    registry = Registry()
    registry.add(Component("gate", "odd", factory, "a test"))
    known = {
        "kind": "gate",
        "name": "odd",
        "source": "a test",
        "options": given,
        "type": error.__name__,
        "hint": TRACEBACK_HINT,
    }
    with raises(ComponentError, "component-not-built", **known) as caught:
        registry.build("gate", "odd", None, options)
    assert "no such width" in caught.value.fields["reason"]
    assert re.search(r"test_registry\.py:\d+$", caught.value.fields["location"])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("def build(shape):\n    pass\n", Message("factory-returns-none")),
        ("from hvpkit.interfaces import Fusion\nclass build(Fusion):\n    def __init__(self, context):\n        super().__init__()\n"  # noqa: E501
         "    def forward(self, *given):\n        pass\n",
         Message("attributes-missing", type="build", names=["width"])),
    ],
)  # fmt: skip
def test_unusable_components_are_named(plugin, body, fault):
    file = plugin(f"{body}\n@hookimpl\ndef register_fusions(register):\n    register('mine', build)\n")
    source = f"mine.py (file, sha256 {sha256(file.read_bytes()).hexdigest()[:12]})"
    with raises(
        ComponentError, "component-unusable", kind="fusion", name="mine", source=source, reason=fault
    ) as caught:
        load_registry([file]).build("fusion", "mine", None, {})
    assert caught.value.fields["reason"].code == fault.code


@pytest.mark.parametrize("error", [ImageError("no.png is missing"), OSError(28, "No space left on device")])
def test_errors_not_caused_by_a_factory_are_raised_unchanged(error):
    def factory(context):
        raise error

    registry = Registry()
    registry.add(Component("reader", "mine", factory, "a test"))
    with pytest.raises(type(error)) as raised:
        registry.build("reader", "mine", None, {})
    assert raised.value is error


def test_an_installed_plugin_is_blamed_with_its_own_line(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "somegate.py").write_text("def build(shape):\n    return {}[shape]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    registry = Registry()
    registry.add(Component("gate", "some", importlib.import_module("somegate").build, "somegate 1.0"))
    known = {"kind": "gate", "name": "some", "source": "somegate 1.0", "type": "KeyError", "reason": "7"}
    with raises(ComponentError, "component-not-built", location=f"{folder / 'somegate.py'}:2", **known):
        registry.build("gate", "some", 7, {})


@pytest.mark.parametrize("arguments", ["", "shape, width", "*, width=3"])
def test_factory_with_wrong_arguments_is_refused(plugin, arguments):
    body = f"def build({arguments}):\n    pass\n@hookimpl\ndef register_gates(register):\n    register('mine', build)\n"
    with raises(ComponentError, "wrong-factory-arguments", kind="gate", name="mine") as caught:
        load_registry([plugin(body)])
    assert caught.value.fields["source"].startswith("mine.py (file, sha256 ")
    assert "argument" in caught.value.fields["reason"]
