"""Expand a plan to its runs: systems x datasets x seeds x training set sizes x grid points, controls and transfers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from hvpkit.config.compatibility import component_plugins, named_components
from hvpkit.config.loading import load_recipe, recipe_from_text, shipped_recipes
from hvpkit.config.recipe import Recipe
from hvpkit.config.yaml_reader import dump
from hvpkit.errors import ComponentError, PlanError, RecipeError
from hvpkit.experiments.datasets import KnownDataset, known_dataset
from hvpkit.experiments.plan import Plan, System, Transfer
from hvpkit.messages import LocatedMessage, Message
from hvpkit.registry import Registry
from hvpkit.types import Task
from hvpkit.utils.run_identity import check_identity

TEXT_ONLY_CONTROL = ("vision=null", "fusion=none")


class PlannedRun(BaseModel):
    """One run of a plan.

    Attributes:
        name: Name of the run, unique in the plan and valid as a file name.
        system: Name of the system.
        dataset: Name of the dataset to train on.
        task: Task of the dataset.
        seed: Training seed.
        fraction: Fraction of the training set, in (0, 1].
        shots: Number of training examples per class; None for a fraction of the training set.
        settings: Values of the grid point or trial, by recipe key.
        source: Dataset of the run that a transfer starts from.
        start: Name of the run that a transfer starts from.
        control: Name of the text-only control of this run.
        is_control: Whether the run is such a control itself.
        recipe: Full recipe, as YAML.
        plugins: Plugin of each component that is not built in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    system: str
    dataset: str
    task: Task
    seed: int
    fraction: float = 1.0
    shots: int | None = None
    settings: dict[str, str] = {}
    source: str | None = None
    start: str | None = None
    control: str | None = None
    is_control: bool = False
    recipe: str
    plugins: dict[str, str] = {}

    def check_finished(self, finished: PlannedRun, folder: Path, data: str = "", finished_data: str = "") -> None:
        """Check that a finished run of this name is this one.

        Args:
            finished: The run as it was trained.
            folder: Folder of the experiment.
            data: Fingerprint of the prepared data now.
            finished_data: Fingerprint of the data that the run was trained on.

        Raises:
            InputError: "run-mismatch" if recipe, plugins or data differ.
        """
        if (self.recipe, self.plugins, data) != (finished.recipe, finished.plugins, finished_data):
            check_identity(self.name, folder, finished._identity(finished_data), self._identity(data))

    def _identity(self, data: str) -> dict[str, Any]:
        return {"recipe": yaml.safe_load(self.recipe), "plugins": self.plugins, "data": data}


@dataclass
class Expansion:
    """The runs of a plan.

    Attributes:
        runs: Runs; a transfer comes after the run that it starts from.
        skipped: Messages on systems and controls of the plan that cannot run with the installed components.
        datasets: Datasets of the plan, by name.
    """

    runs: list[PlannedRun] = field(default_factory=list)
    skipped: list[Message] = field(default_factory=list)
    datasets: dict[str, KnownDataset] = field(default_factory=dict)

    def runs_and_trials(self, plan: Plan) -> list[PlannedRun]:
        """Return the runs; for a search, all trials of each run instead."""
        if plan.search is None:
            return self.runs
        return [
            run.model_copy(update={"name": trial_name(run, n)}) for run in self.runs for n in range(plan.search.trials)
        ]


@dataclass(frozen=True)
class _Point:
    """Seed, training set size and grid point of a run."""

    seed: int
    fraction: float
    shots: int | None
    settings: Mapping[str, Any]

    def overrides(self) -> list[str]:
        size = [] if self.fraction == 1.0 else [f"train.fraction={self.fraction}"]
        size += [] if self.shots is None else [f"train.shots={self.shots}"]
        return [f"train.seed={self.seed}", *size, *to_overrides(self.settings)]

    def suffix(self) -> str:
        size = [] if self.fraction == 1.0 else [f"fraction{self.fraction:g}"]
        size += [] if self.shots is None else [f"shots{self.shots}"]
        return ".".join([*size, *to_overrides(self.settings), f"seed{self.seed}"])


def expand(plan: Plan, registry: Registry) -> Expansion:
    """Expand a plan to its runs.

    Args:
        plan: The plan.
        registry: Installed components.

    Raises:
        PlanError: "plan-invalid" with every problem, such as an unknown dataset, an invalid recipe, two runs of the
            same name, or no run at all.
    """
    return _Expander(plan, registry).expand()


class _Expander:
    def __init__(self, plan: Plan, registry: Registry) -> None:
        self.plan, self.registry = plan, registry
        self.expansion = Expansion()
        self.problems: list[LocatedMessage] = []

    def expand(self) -> Expansion:
        for name, spec in self.plan.datasets.items():
            try:
                self.expansion.datasets[name] = known_dataset(name, spec, self.registry)
            except PlanError as error:
                self._add_problem(error.message, "datasets", name)
        recipes = {name: self._recipes(name, system) for name, system in self.plan.systems.items()}
        for name, by_task in recipes.items():
            for dataset, known in self.expansion.datasets.items():
                if known.task in by_task:
                    self._add_runs(name, dataset, by_task[known.task])
            for number, transfer in enumerate(self.plan.transfers):
                self._add_transfer(number, name, transfer, by_task)
        self._add_controls()
        self._check_names()
        self._check_space()
        if not self.expansion.runs and not self.problems:
            tasks = sorted({known.task for known in self.expansion.datasets.values()})
            self._add_problem(Message("plan-without-recipes", tasks=" or ".join(tasks)), "systems")
        if self.problems:
            raise PlanError("plan-invalid", problems=list(dict.fromkeys(self.problems)))
        return self.expansion

    def _add_problem(self, message: Message, *keys: str | int) -> None:
        self.problems.append(LocatedMessage(self.plan.origin.location(*keys), message))

    def _recipes(self, name: str, system: System) -> dict[Task, str]:
        """Return the recipes of a system by task; empty if the system is skipped."""
        by_task: dict[Task, str] = {}
        for recipe_name in system.recipes:
            path = self._recipe_path(recipe_name)
            if system.optional and not Path(path).exists() and path not in shipped_recipes():
                self.expansion.skipped.append(Message("system-without-recipe", system=name, recipe=recipe_name))
                continue
            try:
                recipe = load_recipe(path)
            except RecipeError as error:
                self._add_problem(error.message, "systems", name, "recipes")
                continue
            missing = self._missing_components(recipe)
            if missing:
                self.expansion.skipped.append(
                    Message("system-not-installed", system=name, recipe=recipe_name, names=missing)
                )
            elif recipe.task in by_task:
                message = Message(
                    "recipes-of-one-task", system=name, task=recipe.task, first=by_task[recipe.task], second=recipe_name
                )
                self._add_problem(message, "systems", name, "recipes")
            else:
                by_task[recipe.task] = path
        return by_task

    def _recipe_path(self, name: str) -> str:
        file = self.plan.file.parent / name
        return str(file) if file.is_file() else name

    def _missing_components(self, recipe: Recipe) -> list[Message]:
        missing = []
        for kind, name in named_components(recipe):
            try:
                self.registry.get(kind, name)
            except ComponentError:
                missing.append(Message("needed-component", kind=kind, name=name))
        return missing

    def _add_runs(self, system: str, dataset: str, recipe: str) -> None:
        for point in self._points():
            self._add(system, dataset, recipe, point, f"{system}.{dataset}.{point.suffix()}")

    def _points(self) -> Iterator[_Point]:
        sizes = [(fraction, None) for fraction in self.plan.fractions] + [(1.0, shots) for shots in self.plan.shots]
        axes = [[(key, value) for value in values] for key, values in self.plan.grid.items()]
        for (fraction, shots), settings, seed in product(sizes, product(*axes), self.plan.seeds):
            yield _Point(seed, fraction, shots, dict(settings))

    def _add_transfer(self, number: int, system: str, transfer: Transfer, recipes: Mapping[Task, str]) -> None:
        tasks = {
            self.expansion.datasets[name].task
            for name in (transfer.source, transfer.to)
            if name in self.expansion.datasets
        }
        if not tasks <= set(recipes) or transfer.to not in self.expansion.datasets:
            return
        for point in self._points():
            start = _file_name(f"{system}.{transfer.source}.{point.suffix()}")
            name = f"{system}.{transfer.source}-to-{transfer.to}.{point.suffix()}"
            recipe = recipes[self.expansion.datasets[transfer.to].task]
            self._add(system, transfer.to, recipe, point, name, transfer.settings, source=transfer.source, start=start)

    def _add(
        self,
        system: str,
        dataset: str,
        recipe: str,
        point: _Point,
        name: str,
        extra_settings: Sequence[str] = (),
        **start: str,
    ) -> None:
        known = self.expansion.datasets[dataset]
        overrides = [*self.plan.settings, *self.plan.systems[system].settings, f"data.name={_to_yaml_line(known.name)}"]
        if known.folder != Path("data") / known.name:
            overrides.append(f"data.folder={_to_yaml_line(str(known.folder))}")
        try:
            loaded = load_recipe(recipe, [*overrides, *point.overrides(), *extra_settings], self.registry)
        except RecipeError as error:
            self._add_problem(
                Message("run-invalid", system=system, dataset=dataset, reason=error.message), "systems", system
            )
            return
        settings = {key: _to_yaml_line(value) for key, value in point.settings.items()}
        self.expansion.runs.append(
            PlannedRun(
                name=_file_name(name),
                system=system,
                dataset=dataset,
                task=known.task,
                seed=point.seed,
                fraction=point.fraction,
                shots=point.shots,
                settings=settings,
                recipe=loaded.to_yaml(),
                plugins=component_plugins(loaded, self.registry),
                **start,  # type: ignore[arg-type]
            )
        )

    def _add_controls(self) -> None:
        """Add the text-only control of each run with images; runs with equal recipes have one control."""
        if "text-only" not in self.plan.controls:
            return
        control_names = {run.recipe: run.name for run in reversed(self.expansion.runs) if run.start is None}
        runs = []
        for run in self.expansion.runs:
            control = None if run.start else self._text_only_control(run)
            if control is None:
                runs.append(run)
                continue
            if control.recipe not in control_names:
                control_names[control.recipe] = control.name
                runs.append(control)
            runs.append(
                run
                if control_names[control.recipe] == run.name
                else run.model_copy(update={"control": control_names[control.recipe]})
            )
        self.expansion.runs = runs

    def _text_only_control(self, run: PlannedRun) -> PlannedRun | None:
        if recipe_from_text(run.recipe).vision is None:
            return None
        try:
            text_only = recipe_from_text(run.recipe, TEXT_ONLY_CONTROL, self.registry)
        except RecipeError as error:
            reason = error.problems[-1].message if error.problems else error.message
            self.expansion.skipped.append(
                Message("system-without-text-only", system=run.system, dataset=run.dataset, reason=reason)
            )
            return None
        changed = {"name": _file_name(f"{run.name}.text-only"), "recipe": text_only.to_yaml(), "is_control": True}
        return run.model_copy(update=changed | {"plugins": component_plugins(text_only, self.registry)})

    def _check_names(self) -> None:
        by_name: dict[str, PlannedRun] = {}
        for run in self.expansion.runs:
            if run.name in by_name:
                self._add_problem(_duplicate_name_message(run, by_name[run.name]), *self._find_repeated_list())
            by_name[run.name] = run
        self.expansion.skipped = list(dict.fromkeys(self.expansion.skipped))

    def _check_space(self) -> None:
        """Check the recipes with the first values of the search space, so that errors appear before training."""
        space = self.plan.search.space if self.plan.search else {}
        first = {key: axis.values[0] if axis.values else axis.low for key, axis in space.items()}
        try:
            for run in self.expansion.runs if first else ():
                recipe_from_text(run.recipe, to_overrides(first), self.registry)
        except RecipeError as error:
            self._add_problem(error.message, "search", "space")

    def _find_repeated_list(self) -> tuple[str, ...]:
        """Return the key of a list of the plan that contains a value twice; it causes duplicate run names."""
        lists: dict[tuple[str, ...], list[Any]] = {
            (key,): getattr(self.plan, key) for key in ("seeds", "fractions", "shots", "transfers")
        }
        lists |= {("grid", key): values for key, values in self.plan.grid.items()}
        return next(
            (
                keys
                for keys, values in lists.items()
                if len({_file_name(_to_yaml_line(_to_plain(v))) for v in values}) < len(values)
            ),
            ("systems",),
        )


def trial_name(run: PlannedRun, number: int) -> str:
    """Return the name of a trial of a search."""
    return f"{run.name}.trial{number}"


def with_settings(run: PlannedRun, name: str, settings: Mapping[str, Any]) -> PlannedRun:
    """Return a copy of a run with another name and further settings.

    Args:
        run: The run.
        name: Name of the copy.
        settings: Values by recipe key.

    Raises:
        RecipeError: If the recipe is invalid with these settings.
    """
    recipe = recipe_from_text(run.recipe, to_overrides(settings)).to_yaml()
    return run.model_copy(
        update={
            "name": name,
            "recipe": recipe,
            "settings": {key: _to_yaml_line(value) for key, value in settings.items()},
        }
    )


def to_overrides(settings: Mapping[str, Any]) -> list[str]:
    """Format settings as `--set` takes them."""
    return [f"{key}={_to_yaml_line(value)}" for key, value in settings.items()]


def _duplicate_name_message(one: PlannedRun, other: PlannedRun) -> Message:
    return (
        Message("run-repeated", run=one.name)
        if one.recipe == other.recipe
        else Message("run-names-collide", run=one.name)
    )


def _to_plain(value: object) -> object:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _to_yaml_line(value: object) -> str:
    """Format a value as `--set` reads it, on one line."""
    return (
        dump({"v": value} if isinstance(value, (dict, list)) else value)
        .removesuffix("\n")
        .removesuffix("\n...")
        .removeprefix("v: ")
    )


def _file_name(text: str) -> str:
    """Replace characters that file names cannot contain by _."""
    return re.sub(r"[^\w.+=-]+", "_", text)
