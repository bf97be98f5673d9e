"""Registry of all components: built-ins, installed plugins and plugin files."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
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

log = logging.getLogger(__name__)

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
    """One registered component.

    Attributes:
        kind: Kind of component, a key of `KINDS`.
        name: Name in recipes.
        factory: Class or function that builds it.
        source: Where it comes from, such as "hvpkit 0.1.0" or "gate.py (file, sha256 0123456789ab)".
        needs: Capabilities that other components must provide, such as "prefix" or "images".
        provides: Capabilities that it provides to other components.
        tasks: Tasks that it can be used for.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    source: str
    needs: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()
    tasks: tuple[str, ...] = ("mner", "mre")

    @property
    def summary(self) -> str:
        """Return the first line of the factory's docstring."""
        return (inspect.getdoc(self.factory) or "").partition("\n")[0]

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """Return the keyword-only arguments of the factory, which a recipe may set."""
        parameters = inspect.signature(self.factory).parameters.values()
        return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


class Registry:
    """All components by kind and name."""

    def __init__(self) -> None:
        self._components: dict[tuple[str, str], Component] = {}

    def add(self, component: Component) -> None:
        """Add a component.

        Raises:
            ComponentError: "component-registered-twice" if this kind already has a component with this name.
        """
        first = self._components.setdefault((component.kind, component.name), component)
        if first is not component:
            raise ComponentError(
                "component-registered-twice",
                kind=component.kind,
                name=component.name,
                first=first.source,
                second=component.source,
            )

    def get(self, kind: str, name: str) -> Component:
        """Return a component.

        Raises:
            ComponentError: "unknown-component", with the most similar names.
        """
        try:
            return self._components[kind, name]
        except KeyError:
            raise ComponentError(
                "unknown-component", kind=kind, name=name, hint=did_you_mean(name, self.names(kind))
            ) from None

    def names(self, kind: str) -> list[str]:
        """Return the names of all components of a kind, sorted."""
        return sorted(name for k, name in self._components if k == kind)

    def components(self) -> list[Component]:
        """Return all components, sorted by kind in the order of `KINDS`, then by name."""
        kinds = list(KINDS)
        return sorted(self._components.values(), key=lambda c: (kinds.index(c.kind), c.name))

    def build(self, kind: str, name: str, context: object, options: dict[str, Any]) -> Any:  # noqa: ANN401
        """Build a component.

        Args:
            kind: Kind of component.
            name: Name of the component.
            context: Context of its kind (hvpkit/interfaces.py), the first argument of the factory.
            options: Options of the recipe.

        Raises:
            ComponentError: "unknown-component", "unknown-option", "component-not-built" if the factory fails, or
                "component-unusable" if its result lacks an attribute.
        """
        component = self.get(kind, name)
        for option in options:
            if option not in component.options:
                raise ComponentError(
                    "unknown-option", kind=kind, name=name, option=option, hint=did_you_mean(option, component.options)
                )
        try:
            built = component.factory(context, **options)
        except (HvpkitError, OSError, MemoryError):
            raise
        except Exception as error:  # factories of plugins may raise anything
            set_options = ", ".join(f"{option}: {getattr(value, 'name', value)!r}" for option, value in options.items())
            raise ComponentError(
                "component-not-built",
                kind=kind,
                name=name,
                source=component.source,
                options=f" with {set_options}" if set_options else "",
                type=type(error).__name__,
                reason=str(error),
                location=blame_frame(error, _factory_path(component.factory)),
                hint=TRACEBACK_HINT,
            ) from error
        if reason := missing_attribute(built):
            raise ComponentError("component-unusable", kind=kind, name=name, source=component.source, reason=reason)
        return built


def missing_attribute(component: object) -> Message | None:
    """Check that a built component has all attributes that its interface declares.

    Returns:
        None if it is complete; else "factory-returns-none" or "attributes-missing".
    """
    if component is None:
        return Message("factory-returns-none")
    interfaces = [base for base in type(component).__mro__ if base.__module__ == INTERFACES_MODULE]
    declared = [name for interface in interfaces for name in inspect.get_annotations(interface)]
    missing = [name for name in declared if not hasattr(component, name)]
    return Message("attributes-missing", type=type(component).__name__, names=missing) if missing else None


def load_registry(plugin_files: Iterable[Path] = ()) -> Registry:
    """Load built-ins, installed plugins (entry points of the group `hvpkit`) and plugin files.

    Args:
        plugin_files: Python files that implement hooks.

    Raises:
        ComponentError: If two components share a name, a hook is misspelled, or a plugin cannot be imported.
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
    except Exception as error:  # imports of plugins may raise anything
        raise ComponentError("installed-plugin-failed", reason=str(error)) from error
    for plugin, distribution in manager.list_plugin_distinfo():
        sources[manager.get_name(plugin) or ""] = f"{distribution.project_name} {distribution.version}"
    for file in plugin_files:
        _register_plugin_file(manager, file)
        sources[str(file)] = f"{file.name} (file, sha256 {sha256(file.read_bytes()).hexdigest()[:12]})"
    registry = _call_hooks(manager, sources)
    used = list(dict.fromkeys(component.source for component in registry.components()))
    log.debug(Message("components-loaded", count=len(registry.components()), sources=used))
    return registry


def _register_plugin_file(manager: pluggy.PluginManager, file: Path) -> None:
    plugin = _import_plugin_file(file)
    try:
        manager.register(plugin, str(file))
    except pluggy.PluginValidationError as error:
        raise ComponentError("wrong-hook", file=file, reason=" ".join(str(error).split())) from error
    if not manager.get_hookcallers(plugin):
        raise ComponentError("no-hook", file=file, names=list(KINDS.values()))


def _call_hooks(manager: pluggy.PluginManager, sources: dict[str, str]) -> Registry:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ComponentError("unknown-hook", reason=str(error), names=list(KINDS.values())) from error
    registry = Registry()
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            source = sources[implementation.plugin_name]
            try:
                implementation.function(_register_function(registry, kind, source))
            except ComponentError:
                raise
            except Exception as error:  # hooks of plugins may raise anything
                raise ComponentError(
                    "hook-failed", hook=hook, source=source, type=type(error).__name__, reason=str(error)
                ) from error
    return registry


def _register_function(registry: Registry, kind: str, source: str) -> hookspecs.Register:
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
        if reason := _signature_error(factory):
            raise ComponentError("wrong-factory-arguments", kind=kind, name=name, source=source, reason=reason)
        registry.add(Component(kind, name, factory, source, frozenset(needs), frozenset(provides), tasks))

    return register


def _factory_path(factory: Callable[..., object]) -> Path | None:
    """Return the file of a factory, or the folder of its package."""
    module = sys.modules.get(getattr(factory, "__module__", ""))
    if module is None or module.__file__ is None:
        return None
    return Path(module.__file__).parent if module.__package__ else Path(module.__file__)


def _signature_error(factory: Callable[..., object]) -> str | None:
    """Check that a factory can be called with its context and named options."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some C functions have no signature
        return None
    options = [p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    try:
        signature.bind("context", **dict.fromkeys(options))
    except TypeError as error:
        return str(error)
    return None


def _import_plugin_file(file: Path) -> object:
    if not file.is_file():
        raise ComponentError("plugin-file-missing", file=file)
    spec = importlib.util.spec_from_file_location(f"hvpkit_plugin_file_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ComponentError("plugin-not-python", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # plugin files may raise anything
        raise ComponentError("plugin-import-failed", file=file, type=type(error).__name__, reason=str(error)) from error
    return module
