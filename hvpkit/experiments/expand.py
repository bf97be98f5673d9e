"""From a plan to its runs: the product of systems, datasets, seeds, parts of the training set and grid points, with twins and transfers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hvpkit.config.compatibility import component_plugins, named_components
from hvpkit.config.loading import load_recipe, recipe_from_text, shipped_recipes
from hvpkit.config.recipe import Recipe
from hvpkit.config.yaml_reader import diff_settings, dump
from hvpkit.errors import ComponentError, PlanError, RecipeError
from hvpkit.experiments.datasets import KnownDataset, known_dataset
from hvpkit.experiments.plan import Plan, System, Transfer
from hvpkit.messages import LocatedMessage, Message
from hvpkit.registry import Registry
from hvpkit.types import Task

TEXT_ONLY_CONTROL = ("vision=null", "fusion=none")


class PlannedRun(BaseModel):
    """One run: where it stands in the tables, its whole recipe, and where the components come from that are not hvpkit's own.

    `source` is the dataset, and `start` the run, whose weights it goes on from; `twin` is the run of the same recipe on text alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    system: str
    dataset: str
    task: Task
    seed: int
    share: float = 1.0
    shots: int | None = None
    settings: dict[str, str] = {}
    source: str | None = None
    start: str | None = None
    twin: str | None = None
    is_twin: bool = False
    recipe: str
    plugins: dict[str, str] = {}

    def differs_from(self, other: PlannedRun) -> list[Message]:
        """Name what of another run of this name is not the same work."""
        recipe = [] if self.recipe == other.recipe else [Message("recipe-changed", settings=diff_settings(other.recipe, self.recipe))]
        return recipe + ([] if self.plugins == other.plugins else [Message("plugins-changed")])


@dataclass
class Expansion:
    """The runs of a plan, those that others start from first; `left_out` says what of the plan cannot run here, and why."""

    runs: list[PlannedRun] = field(default_factory=list)
    left_out: list[Message] = field(default_factory=list)
    datasets: dict[str, KnownDataset] = field(default_factory=dict)

    def planned(self, plan: Plan) -> list[PlannedRun]:
        """List what will be done: the runs, or every trial of each in a search."""
        if plan.search is None:
            return self.runs
        return [run.model_copy(update={"name": trial_name(run, n)}) for run in self.runs for n in range(plan.search.trials)]


@dataclass(frozen=True)
class _Point:
    """One cell of the product, but for system and dataset."""

    seed: int
    share: float
    shots: int | None
    settings: Mapping[str, Any]

    def overrides(self) -> list[str]:
        part = [] if self.share == 1.0 else [f"train.fraction={self.share}"]
        part += [] if self.shots is None else [f"train.shots={self.shots}"]
        return [f"train.seed={self.seed}", *part, *overrides_of(self.settings)]

    def suffix(self) -> str:
        part = [] if self.share == 1.0 else [f"share{self.share:g}"]
        part += [] if self.shots is None else [f"shots{self.shots}"]
        return ".".join([*part, *overrides_of(self.settings), f"seed{self.seed}"])


def expand(plan: Plan, registry: Registry) -> Expansion:
    """List a plan's runs; raises PlanError, with every problem, for what is unknown, for no run at all, and for two of the same name."""
    return _Expander(plan, registry).expand()


class _Expander:
    def __init__(self, plan: Plan, registry: Registry) -> None:
        self.plan, self.registry = plan, registry
        self.found = Expansion()
        self.problems: list[LocatedMessage] = []

    def expand(self) -> Expansion:
        for name, given in self.plan.datasets.items():
            try:
                self.found.datasets[name] = known_dataset(name, given, self.registry)
            except PlanError as error:
                self._problem(error.message, "datasets", name)
        recipes = {name: self._recipes(name, system) for name, system in self.plan.systems.items()}
        for name, of_task in recipes.items():
            for dataset, known in self.found.datasets.items():
                if known.task in of_task:
                    self._cells(name, dataset, of_task[known.task])
            for number, transfer in enumerate(self.plan.transfers):
                self._transfer(number, name, transfer, of_task)
        self._twins()
        self._names()
        self._space()
        if not self.found.runs and not self.problems:
            tasks = sorted({known.task for known in self.found.datasets.values()})
            self._problem(Message("plan-without-recipes", tasks=" or ".join(tasks)), "systems")
        if self.problems:
            raise PlanError("plan-invalid", problems=list(dict.fromkeys(self.problems)))
        return self.found

    def _problem(self, message: Message, *keys: str | int) -> None:
        self.problems.append(LocatedMessage(self.plan.origin.location(*keys), message))

    # ------------------------------------------------------------------------------------------------------------- recipes
    def _recipes(self, name: str, system: System) -> dict[Task, str]:
        """Give a system's recipe by task; none when the system is left out."""
        found: dict[Task, str] = {}
        for given in system.recipes:
            path = self._recipe_path(given)
            if system.optional and not Path(path).exists() and path not in shipped_recipes():
                self.found.left_out.append(Message("system-without-recipe", system=name, recipe=given))
                continue
            try:
                recipe = load_recipe(path)
            except RecipeError as error:
                self._problem(error.message, "systems", name, "recipes")
                continue
            lacking = self._lacking(recipe)
            if lacking:
                self.found.left_out.append(Message("system-not-installed", system=name, recipe=given, names=lacking))
            elif recipe.task in found:
                two = Message("recipes-of-one-task", system=name, task=recipe.task, first=found[recipe.task], second=given)
                self._problem(two, "systems", name, "recipes")
            else:
                found[recipe.task] = path
        return found

    def _recipe_path(self, given: str) -> str:
        beside = self.plan.file.parent / given
        return str(beside) if beside.is_file() else given

    def _lacking(self, recipe: Recipe) -> list[Message]:
        found = []
        for kind, name in named_components(recipe):
            try:
                self.registry.get(kind, name)
            except ComponentError:
                found.append(Message("needed-component", kind=kind, name=name))
        return found

    # ---------------------------------------------------------------------------------------------------------------- runs
    def _cells(self, system: str, dataset: str, recipe: str) -> None:
        for point in self._points():
            self._add(system, dataset, recipe, point, f"{system}.{dataset}.{point.suffix()}")

    def _points(self) -> Iterator[_Point]:
        parts = [(share, None) for share in self.plan.fractions] + [(1.0, shots) for shots in self.plan.shots]
        axes = [[(key, value) for value in values] for key, values in self.plan.grid.items()]
        for (share, shots), settings, seed in product(parts, product(*axes), self.plan.seeds):
            yield _Point(seed, share, shots, dict(settings))

    def _transfer(self, number: int, system: str, transfer: Transfer, recipes: Mapping[Task, str]) -> None:
        tasks = {self.found.datasets[name].task for name in (transfer.source, transfer.to) if name in self.found.datasets}
        if not tasks <= set(recipes) or transfer.to not in self.found.datasets:
            return
        for point in self._points():
            start = _name(f"{system}.{transfer.source}.{point.suffix()}")
            name = f"{system}.{transfer.source}-to-{transfer.to}.{point.suffix()}"
            recipe = recipes[self.found.datasets[transfer.to].task]
            self._add(system, transfer.to, recipe, point, name, transfer.settings, source=transfer.source, start=start)

    def _add(self, system: str, dataset: str, recipe: str, point: _Point, name: str, further: Sequence[str] = (), **start: str) -> None:
        known = self.found.datasets[dataset]
        own = [*self.plan.settings, *self.plan.systems[system].settings, f"data.name={_written(known.name)}"]
        own += [f"data.folder={_written(str(known.folder))}"] if known.folder != Path("data") / known.name else []
        try:
            made = load_recipe(recipe, [*own, *point.overrides(), *further], self.registry)
        except RecipeError as error:
            self._problem(Message("run-invalid", system=system, dataset=dataset, reason=error.message), "systems", system)
            return
        settings = {key: _written(value) for key, value in point.settings.items()}
        self.found.runs.append(
            PlannedRun(
                name=_name(name),
                system=system,
                dataset=dataset,
                task=known.task,
                seed=point.seed,
                share=point.share,
                shots=point.shots,
                settings=settings,
                recipe=made.to_yaml(),
                plugins=component_plugins(made, self.registry),
                **start,  # type: ignore[arg-type]
            )
        )

    # --------------------------------------------------------------------------------------------------------------- twins
    def _twins(self) -> None:
        """Give each run that sees images the run of the same recipe on text alone; equal recipes share it."""
        if "text-only" not in self.plan.controls:
            return
        same = {run.recipe: run.name for run in reversed(self.found.runs) if run.start is None}
        runs = []
        for run in self.found.runs:
            twin = None if run.start else self._twin(run)
            if twin is None:
                runs.append(run)
                continue
            if twin.recipe not in same:
                same[twin.recipe] = twin.name
                runs.append(twin)
            runs.append(run if same[twin.recipe] == run.name else run.model_copy(update={"twin": same[twin.recipe]}))
        self.found.runs = runs

    def _twin(self, run: PlannedRun) -> PlannedRun | None:
        if recipe_from_text(run.recipe).vision is None:
            return None
        try:
            alone = recipe_from_text(run.recipe, TEXT_ONLY_CONTROL, self.registry)
        except RecipeError as error:
            reason = error.problems[-1].message if error.problems else error.message
            self.found.left_out.append(Message("system-without-text-only", system=run.system, dataset=run.dataset, reason=reason))
            return None
        changed = {"name": _name(f"{run.name}.text-only"), "recipe": alone.to_yaml(), "is_twin": True}
        return run.model_copy(update=changed | {"plugins": component_plugins(alone, self.registry)})

    def _names(self) -> None:
        lines: dict[str, PlannedRun] = {}
        for run in self.found.runs:
            if run.name in lines:
                self._problem(_same_name(run, lines[run.name]), *self._repeated())
            lines[run.name] = run
        self.found.left_out = list(dict.fromkeys(self.found.left_out))

    def _space(self) -> None:
        """Try the first point of a search, so that an impossible one is told before the work."""
        space = self.plan.search.space if self.plan.search else {}
        first = {key: axis.values[0] if axis.values else axis.low for key, axis in space.items()}
        try:
            for run in self.found.runs if first else ():
                recipe_from_text(run.recipe, overrides_of(first), self.registry)
        except RecipeError as error:
            self._problem(error.message, "search", "space")

    def _repeated(self) -> tuple[str, ...]:
        """Find the list of the plan that says something twice."""
        lists: dict[tuple[str, ...], list[Any]] = {(key,): getattr(self.plan, key) for key in ("seeds", "fractions", "shots", "transfers")}
        lists |= {("grid", key): values for key, values in self.plan.grid.items()}
        return next(
            (keys for keys, values in lists.items() if len({_name(_written(_plain(v))) for v in values}) < len(values)), ("systems",)
        )


def trial_name(run: PlannedRun, number: int) -> str:
    """Name a trial of a search."""
    return f"{run.name}.trial{number}"


def with_settings(run: PlannedRun, name: str, settings: Mapping[str, Any]) -> PlannedRun:
    """Give a run of another name with further settings; raises RecipeError where they cannot be."""
    recipe = recipe_from_text(run.recipe, overrides_of(settings)).to_yaml()
    return run.model_copy(update={"name": name, "recipe": recipe, "settings": {key: _written(value) for key, value in settings.items()}})


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as `--set` takes them."""
    return [f"{key}={_written(value)}" for key, value in settings.items()]


def _same_name(one: PlannedRun, other: PlannedRun) -> Message:
    return Message("run-repeated", run=one.name) if one.recipe == other.recipe else Message("run-names-collide", run=one.name)


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _written(value: object) -> str:
    """Write a value as `--set` reads it, on one line."""
    return dump({"v": value} if isinstance(value, (dict, list)) else value).removesuffix("\n").removesuffix("\n...").removeprefix("v: ")


def _name(text: str) -> str:
    """Make a name that files can have: signs that they cannot have become _."""
    return re.sub(r"[^\w.+=-]+", "_", text)
