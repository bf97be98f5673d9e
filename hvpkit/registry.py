"""The components that exist: built-ins, installed plugins and named plugin files, all through the same pluggy hooks (no torch)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pluggy

from hvpkit import hookspecs
from hvpkit.errors import TRACEBACK_HINT, ComponentError, HvpkitError, blame_frame, did_you_mean
from hvpkit.messages import Message

KINDS = {
    "text encoder": "register_text_encoders",
    "visual backbone": "register_visual_backbones",
    "projector": "register_projectors",
    "gate": "register_gates",
    "fusion": "register_fusions",
    "head": "register_heads",
    "reader": "register_readers",
    "detector": "register_detectors",
}
INTERFACES_MODULE = "hvpkit.interfaces"
BUILT_IN_MODULES = (
    "hvpkit.model.text",
    "hvpkit.model.vision",
    "hvpkit.model.projectors",
    "hvpkit.model.gates",
    "hvpkit.model.fusions",
    "hvpkit.model.heads",
    "hvpkit.data",
    "hvpkit.synthetic",
    "hvpkit.detection",
)


@dataclass(frozen=True)
class Component:
    """One registered component: `source` says where it comes from, e.g. "hvpkit 0.1.0" or "gate.py (file, sha256 0123456789ab)"."""

    kind: str
    name: str
    factory: Callable[..., Any]
    source: str
    needs: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()
    tasks: tuple[str, ...] = ("mner", "mre")

    @property
    def summary(self) -> str:
        """Give the first line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").partition("\n")[0]

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """Give the keyword-only arguments that a recipe may set."""
        parameters = inspect.signature(self.factory).parameters.values()
        return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


class Registry:
    """All components by kind and name."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, str], Component] = {}

    def add(self, component: Component) -> None:
        """Add one; raises ComponentError when its kind has the name already, naming both sources."""
        twin = self._components.setdefault((component.kind, component.name), component)
        if twin is not component:
            raise ComponentError(
                "component-registered-twice", kind=component.kind, name=component.name, first=twin.source, second=component.source
            )

    def get(self, kind: str, name: str) -> Component:
        """Find one; raises ComponentError with the nearest names."""
        try:
            return self._components[kind, name]
        except KeyError:
            raise ComponentError("unknown-component", kind=kind, name=name, hint=did_you_mean(name, self.names(kind))) from None

    def names(self, kind: str) -> list[str]:
        """List the names of one kind, sorted."""
        return sorted(name for k, name in self._components if k == kind)

    def components(self) -> list[Component]:
        """List every component, by kind in the order of the flow, then by name."""
        kinds = list(KINDS)
        return sorted(self._components.values(), key=lambda c: (kinds.index(c.kind), c.name))

    def build(self, kind: str, name: str, context: object, options: dict[str, Any]) -> Any:  # noqa: ANN401 - kinds differ
        """Call a component's factory with its context and the recipe's options; raises ComponentError when nothing usable comes of it."""
        component = self.get(kind, name)
        for option in options:
            if option not in component.options:
                raise ComponentError("unknown-option", kind=kind, name=name, option=option, hint=did_you_mean(option, component.options))
        try:
            made = component.factory(context, **options)
        except (HvpkitError, OSError, MemoryError):
            raise
        except Exception as error:  # a factory is anybody's, and may raise anything
            given = ", ".join(f"{option}: {getattr(value, 'name', value)!r}" for option, value in options.items())
            raise ComponentError(
                "component-not-built",
                kind=kind,
                name=name,
                source=component.source,
                options=f" with {given}" if given else "",
                type=type(error).__name__,
                reason=str(error),
                location=blame_frame(error, _home(component.factory)),
                hint=TRACEBACK_HINT,
            ) from error
        if fault := missing_attribute(made):
            raise ComponentError("component-unusable", kind=kind, name=name, source=component.source, reason=fault)
        return made


def missing_attribute(made: object) -> Message | None:
    """Say what a factory's product lacks: it is None, or without an attribute that its contract declares."""
    if made is None:
        return Message("factory-returns-none")
    declared = (name for base in type(made).__mro__ if base.__module__ == INTERFACES_MODULE for name in inspect.get_annotations(base))
    lacking = [name for name in declared if not hasattr(made, name)]
    return Message("attributes-missing", type=type(made).__name__, names=lacking) if lacking else None


def load_registry(plugin_files: Iterable[Path] = ()) -> Registry:
    """Collect built-ins, installed plugins (entry points of the group `hvpkit`) and the plugin files named by the user.

    Raises ComponentError for a twin, a misspelt hook, or a plugin that cannot be imported.
    """
    return _load_registry(tuple(dict.fromkeys(Path(file).resolve() for file in plugin_files)))


@cache
def _load_registry(plugin_files: tuple[Path, ...]) -> Registry:
    manager = pluggy.PluginManager("hvpkit")
    manager.add_hookspecs(hookspecs)
    sources: dict[str, str] = {}
    for name in BUILT_IN_MODULES:
        manager.register(importlib.import_module(name), name)
        sources[name] = f"hvpkit {version('hvpkit')}"
    try:
        manager.load_setuptools_entrypoints("hvpkit")
    except Exception as error:  # a stranger's import may raise anything: name it and go no further
        raise ComponentError("installed-plugin-failed", reason=str(error)) from error
    for plugin, distribution in manager.list_plugin_distinfo():
        sources[manager.get_name(plugin) or ""] = f"{distribution.project_name} {distribution.version}"
    for file in plugin_files:
        _add_file(manager, file)
        sources[str(file)] = f"{file.name} (file, sha256 {sha256(file.read_bytes()).hexdigest()[:12]})"
    return _collect(manager, sources)


def _add_file(manager: pluggy.PluginManager, file: Path) -> None:
    plugin = _import_file(file)
    try:
        manager.register(plugin, str(file))
    except pluggy.PluginValidationError as error:
        raise ComponentError("wrong-hook", file=file, reason=" ".join(str(error).split())) from error
    if not manager.get_hookcallers(plugin):
        raise ComponentError("no-hook", file=file, names=list(KINDS.values()))


def _collect(manager: pluggy.PluginManager, sources: dict[str, str]) -> Registry:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ComponentError("unknown-hook", reason=str(error), names=list(KINDS.values())) from error
    registry = Registry()
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            source = sources[implementation.plugin_name]
            try:
                implementation.function(_registrar(registry, kind, source))
            except ComponentError:
                raise
            except Exception as error:  # a stranger's hook may raise anything: name it and go no further
                raise ComponentError("hook-failed", hook=hook, source=source, type=type(error).__name__, reason=str(error)) from error
    return registry


def _registrar(registry: Registry, kind: str, source: str) -> hookspecs.Register:
    def register(
        name: str,
        factory: object,
        *,
        needs: frozenset[str] | set[str] = frozenset(),
        provides: frozenset[str] | set[str] = frozenset(),
        tasks: tuple[str, ...] = ("mner", "mre"),
    ) -> None:
        if not callable(factory):
            raise ComponentError("factory-not-callable", kind=kind, name=name, source=source)
        if fault := _cannot_be_called(factory):
            raise ComponentError("wrong-factory-arguments", kind=kind, name=name, source=source, reason=fault)
        registry.add(Component(kind, name, factory, source, frozenset(needs), frozenset(provides), tasks))

    return register


def _home(factory: Callable[..., object]) -> Path | None:
    """Find the file of a factory, or the folder of its package."""
    module = sys.modules.get(getattr(factory, "__module__", ""))
    if module is None or module.__file__ is None:
        return None
    return Path(module.__file__).parent if module.__package__ else Path(module.__file__)


def _cannot_be_called(factory: Callable[..., object]) -> str | None:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # of some that are written in C nothing is known
        return None
    options = [p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    try:
        signature.bind("context", **dict.fromkeys(options))
    except TypeError as error:
        return str(error)
    return None


def _import_file(file: Path) -> object:
    if not file.is_file():
        raise ComponentError("plugin-file-missing", file=file)
    spec = importlib.util.spec_from_file_location(f"hvpkit_plugin_file_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ComponentError("plugin-not-python", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may raise anything: say what, and go no further
        raise ComponentError("plugin-import-failed", file=file, type=type(error).__name__, reason=str(error)) from error
    return module
