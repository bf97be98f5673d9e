"""Plans: one YAML file says which runs make up a paper's tables; a plan is data, as a recipe is (no torch here)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from hvpkit.config.loading import shipped_files
from hvpkit.config.option_types import PositiveInt
from hvpkit.config.overrides import SourceLocations, format_validation_error, read_config
from hvpkit.config.recipe import StrictModel
from hvpkit.errors import PlanError, RecipeError, did_you_mean
from hvpkit.messages import LocatedMessage, Message
from hvpkit.types import Task

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.+-]*$")]
Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Overrides = Annotated[list[str], Field(alias="set")]
Control = Literal["text-only", "shuffled-images"]


class System(StrictModel):
    """What is compared: its recipes (at most one a task), changes to them, and the name it was published under (its own).

    The recipe of an `optional` system may be missing: then the system is left out, and said to be.
    """

    recipes: Annotated[list[Text], Field(min_length=1)]
    settings: Overrides = []
    published: Text | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare_recipes(cls, given: object) -> object:
        given = [given] if isinstance(given, str) else given
        return {"recipes": given} if isinstance(given, list) else given


class SyntheticSpec(StrictModel):
    """How a demo dataset is drawn where it is not there yet (`hvp preprocess demo`)."""

    task: Task = "mner"
    size: PositiveInt = 2000
    seed: Seed = 0
    uninformative: Annotated[float, Field(ge=0, le=1)] = 0.3
    ambiguous: Annotated[float, Field(ge=0, le=1)] = 0.6
    test_uninformative: Annotated[float | None, Field(ge=0, le=1)] = None


class DatasetSpec(StrictModel):
    """Prepared data: its folder (`data/<name>` unless given), and for a demo how it is drawn."""

    folder: Annotated[Path | None, Field(strict=False)] = None
    synthetic: SyntheticSpec | None = None


class Transfer(StrictModel):
    """Each system trained on one dataset goes on on another, all but its head (Chen et al. 2022, Table 3)."""

    source: Annotated[Name, Field(alias="from")]
    to: Name
    settings: Overrides = []


class Axis(StrictModel):
    """One setting that a search may change: a list of values, or numbers between `low` and `high`."""

    values: Annotated[list[Any] | None, Field(min_length=1)] = None
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare_values(cls, given: object) -> object:
        return {"values": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _says_one_thing(self) -> Axis:
        if self.values is None and (self.low is None or self.high is None or not self.low < self.high):
            raise ValueError(Message("axis-invalid", key="axis"))
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError(Message("axis-log-low", key="axis"))
        return self


class Search(StrictModel):
    """A search for settings on dev F1; test is never looked at. `prune` stops a trial that is below the median of those before it."""

    space: Annotated[dict[str, Axis], Field(min_length=1)]
    trials: PositiveInt = 20
    prune: bool = True


class Plan(StrictModel):
    """A whole plan: every system on every dataset of its tasks, with every seed, part of the training set and grid point."""

    title: Text
    systems: Annotated[dict[Name, System], Field(min_length=1)]
    datasets: Annotated[dict[Name, DatasetSpec], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    fractions: list[Fraction] = [1.0]
    shots: list[PositiveInt] = []
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    settings: Overrides = []
    transfers: list[Transfer] = []
    controls: list[Control] = []
    reference: Name | None = None
    score_split: Literal["test", "dev"] = "test"
    search: Search | None = None
    _origin: SourceLocations = PrivateAttr(default_factory=SourceLocations)
    _file: Path = PrivateAttr(default=Path("plan.yaml"))

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        datasets, systems = given.get("datasets"), given.get("systems")
        changed = {"datasets": _named(datasets, lambda name: {}), "systems": _named(systems, lambda name: {"recipes": [name]})}
        shares: dict[str, object] = {"fractions": []} if given.get("shots") and "fractions" not in given else {}
        return given | {key: value for key, value in changed.items() if key in given} | shares

    @property
    def origin(self) -> SourceLocations:
        """Tell where its keys were written, for messages."""
        return self._origin

    @property
    def file(self) -> Path:
        """Give the file that it was read from."""
        return self._file


def _named(given: object, spec: Any) -> object:  # noqa: ANN401 - a function from a name
    """Read a list of names as a mapping."""
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        return given
    for name, times in Counter(given).items():
        if times > 1:
            raise ValueError(Message("name-repeated", name=name, count=times))
    return {name: spec(name) for name in given}


def _misfits(plan: Plan) -> list[tuple[tuple[str | int, ...], Message]]:
    """Say what of a plan does not go together: the key that it is about, and a message."""
    found: list[tuple[tuple[str | int, ...], Message]] = []
    for number, each in enumerate(plan.transfers):
        lost = [name for name in (each.source, each.to) if name not in plan.datasets]
        found += [
            (("transfers", number), Message("dataset-not-in-plan", name=name, hint=did_you_mean(name, plan.datasets))) for name in lost
        ]
    whole = (plan.fractions, plan.shots) == ([1.0], [])
    if not plan.fractions and not plan.shots:
        found.append((("fractions",), Message("plan-without-sizes")))
    if plan.transfers and not whole:
        found.append((("transfers",), Message("transfers-of-parts")))
    if plan.reference is not None and plan.reference not in plan.systems:
        unknown = Message("system-not-in-plan", name=plan.reference, hint=did_you_mean(plan.reference, plan.systems))
        found.append((("reference",), unknown))
    if plan.search and (len(plan.seeds) > 1 or not whole or plan.grid or plan.transfers or plan.controls):
        found.append((("search",), Message("search-with-others")))
    if plan.score_split == "dev" and (plan.transfers or plan.controls):
        found.append((("score_split",), Message("dev-score-with-others")))
    return found


def load_plan(path: Path | str, overrides: Sequence[str] = ()) -> Plan:
    """Read a plan file, or a shipped plan by its bare name, and apply overrides such as `seeds=[1, 2]`.

    Raises PlanError, which lists every problem as `file:line: message`.
    """
    file = _find(path)
    try:
        source = read_config(file)
    except RecipeError as error:
        raise (PlanError("plan-invalid", problems=error.problems) if error.problems else PlanError(error.message)) from error
    for override in overrides:
        source.override(override)
    problems = list(source.problems)
    try:
        plan = Plan.model_validate(source.values)
    except ValidationError as error:
        problems += [_problem(found, source.locations) for found in error.errors()]
        raise PlanError("plan-invalid", problems=problems) from error
    problems += [LocatedMessage(source.locations.location(*keys), message) for keys, message in _misfits(plan)]
    if problems:
        raise PlanError("plan-invalid", problems=problems)
    plan._origin, plan._file = source.locations, file
    return plan


def _problem(found: ErrorDetails, origin: SourceLocations) -> LocatedMessage:
    """Place one of pydantic's findings; a message of the validators here is told the key that it is about."""
    cause = found.get("ctx", {}).get("error")
    message = cause.args[0] if isinstance(cause, ValueError) and cause.args else None
    if not isinstance(message, Message):
        return format_validation_error(found, origin, Plan)
    if "key" in message.fields:
        message = Message(message.code, **message.fields | {"key": ".".join(map(str, found["loc"]))})
    return LocatedMessage(origin.subtree(*found["loc"]), message)


def shipped_plans() -> dict[str, Path]:
    """List the plans that come with hvpkit, by name."""
    return shipped_files("experiments")


def _find(path: Path | str) -> Path:
    known = shipped_plans()
    if str(path) in known and not Path(path).is_file():
        return known[str(path)]
    if not Path(path).is_file():
        hint = did_you_mean(Path(path).stem, known)
        if Path(path).is_dir():
            raise PlanError("plan-is-folder", file=path, hint=hint)
        raise PlanError("plan-not-found", file=path, hint=hint)
    return Path(path)
