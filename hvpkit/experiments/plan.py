"""Experiment plans: YAML files that list the runs of a paper's tables."""

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
    """A system to compare.

    Attributes:
        recipes: Recipe files or names of shipped recipes, at most one per task.
        settings: Overrides of the recipes, as `--set` takes them.
        published: Name of the system in the published tables; None: the same name.
        optional: Whether the system is skipped, with a note, if its recipe is missing.
    """

    recipes: Annotated[list[Text], Field(min_length=1)]
    settings: Overrides = []
    published: Text | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare_recipes(cls, value: object) -> object:
        value = [value] if isinstance(value, str) else value
        return {"recipes": value} if isinstance(value, list) else value


class SyntheticSpec(StrictModel):
    """Settings of a synthetic dataset that is generated if its folder does not exist (`hvp preprocess demo`).

    Attributes:
        task: Task of the dataset.
        size: Number of training examples.
        seed: Seed of the generator.
        uninformative: Fraction of uninformative images, 0..1.
        ambiguous: Fraction of entities whose type only the image reveals, 0..1.
        test_uninformative: Fraction of uninformative images in test, 0..1; None: as `uninformative`.
    """

    task: Task = "mner"
    size: PositiveInt = 2000
    seed: Seed = 0
    uninformative: Annotated[float, Field(ge=0, le=1)] = 0.3
    ambiguous: Annotated[float, Field(ge=0, le=1)] = 0.6
    test_uninformative: Annotated[float | None, Field(ge=0, le=1)] = None


class DatasetSpec(StrictModel):
    """A dataset of a plan.

    Attributes:
        folder: Folder of the prepared data; None: `data/<name>`.
        synthetic: Settings of a synthetic dataset; None for other data.
    """

    folder: Annotated[Path | None, Field(strict=False)] = None
    synthetic: SyntheticSpec | None = None


class Transfer(StrictModel):
    """Transfer of every system from one dataset to another: training starts from all weights but the head's.

    Attributes:
        source: Dataset of the model to start from; key `from` in the plan.
        to: Dataset to train on.
        settings: Overrides of the recipe of the second training.

    Source: Chen et al. 2022, Table 3.
    """

    source: Annotated[Name, Field(alias="from")]
    to: Name
    settings: Overrides = []


class Axis(StrictModel):
    """Search space of one setting: a list of values, or numbers between two bounds.

    Attributes:
        values: Values to choose from; None for a range.
        low: Lower bound of the range.
        high: Upper bound of the range; integers if both bounds are integers.
        log: Whether the range is sampled on a logarithmic scale.
    """

    values: Annotated[list[Any] | None, Field(min_length=1)] = None
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False

    @model_validator(mode="before")
    @classmethod
    def _bare_values(cls, value: object) -> object:
        return {"values": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _check_bounds(self) -> Axis:
        if self.values is None and (self.low is None or self.high is None or not self.low < self.high):
            raise ValueError(Message("axis-invalid", key="axis"))
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError(Message("axis-log-low", key="axis"))
        return self


class Search(StrictModel):
    """Hyperparameter search on dev F1; test is never scored.

    Attributes:
        space: Search space by recipe key.
        trials: Number of trials per system and dataset.
        prune: Whether a trial below the median of the earlier ones is stopped.
    """

    space: Annotated[dict[str, Axis], Field(min_length=1)]
    trials: PositiveInt = 20
    prune: bool = True


class Plan(StrictModel):
    """A plan: every system on every dataset of its tasks, with every seed, training set size and grid point.

    Attributes:
        title: Title of the report.
        systems: Systems to compare, by name.
        datasets: Datasets, by name.
        seeds: Training seeds.
        fractions: Fractions of the training set, in (0, 1].
        shots: Numbers of training examples per class.
        grid: Lists of values by recipe key; every combination is run.
        settings: Overrides of all recipes, as `--set` takes them.
        transfers: Transfers between datasets.
        controls: Controls to run beside each system with images.
        reference: System that all others are compared with; None: the first.
        score_split: Split that the tables are about.
        search: Hyperparameter search; None: train with the settings of the recipes.
    """

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
    def _bare_names(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        fields = dict(value)
        if "datasets" in fields:
            fields["datasets"] = _named(fields["datasets"], lambda name: {})
        if "systems" in fields:
            fields["systems"] = _named(fields["systems"], lambda name: {"recipes": [name]})
        if fields.get("shots"):
            fields.setdefault("fractions", [])
        return fields

    @property
    def origin(self) -> SourceLocations:
        """Location of each key, for messages."""
        return self._origin

    @property
    def file(self) -> Path:
        """File that the plan was read from."""
        return self._file


def _named(value: object, spec: Any) -> object:  # noqa: ANN401 - a function from a name
    """Convert a list of names to a mapping."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    for name, times in Counter(value).items():
        if times > 1:
            raise ValueError(Message("name-repeated", name=name, count=times))
    return {name: spec(name) for name in value}


def _inconsistencies(plan: Plan) -> list[tuple[tuple[str | int, ...], Message]]:
    """List the settings of a plan that are inconsistent: key and message."""
    problems: list[tuple[tuple[str | int, ...], Message]] = []
    for number, transfer in enumerate(plan.transfers):
        for name in (transfer.source, transfer.to):
            if name not in plan.datasets:
                unknown = Message("dataset-not-in-plan", name=name, hint=did_you_mean(name, plan.datasets))
                problems.append((("transfers", number), unknown))
    is_full_size = (plan.fractions, plan.shots) == ([1.0], [])
    if not plan.fractions and not plan.shots:
        problems.append((("fractions",), Message("plan-without-sizes")))
    if plan.transfers and not is_full_size:
        problems.append((("transfers",), Message("transfers-of-parts")))
    if plan.reference is not None and plan.reference not in plan.systems:
        unknown = Message("system-not-in-plan", name=plan.reference, hint=did_you_mean(plan.reference, plan.systems))
        problems.append((("reference",), unknown))
    if plan.search and (len(plan.seeds) > 1 or not is_full_size or plan.grid or plan.transfers or plan.controls):
        problems.append((("search",), Message("search-with-others")))
    if plan.score_split == "dev" and (plan.transfers or plan.controls):
        problems.append((("score_split",), Message("dev-score-with-others")))
    return problems


def load_plan(path: Path | str, overrides: Sequence[str] = ()) -> Plan:
    """Read a plan file, or a shipped plan by its bare name, and apply overrides such as `seeds=[1, 2]`.

    Args:
        path: Plan file, or name of a shipped plan.
        overrides: Settings `key=value`, as `--set` takes them.

    Raises:
        PlanError: "plan-not-found" or "plan-is-folder" if there is no such file, "plan-invalid" with every problem.
    """
    file = _find(path)
    try:
        source = read_config(file)
    except RecipeError as error:
        raise (
            PlanError("plan-invalid", problems=error.problems) if error.problems else PlanError(error.message)
        ) from error
    for override in overrides:
        source.override(override)
    problems = list(source.problems)
    try:
        plan = Plan.model_validate(source.values)
    except ValidationError as error:
        problems += [_problem(details, source.locations) for details in error.errors()]
        raise PlanError("plan-invalid", problems=problems) from error
    problems += [LocatedMessage(source.locations.location(*keys), message) for keys, message in _inconsistencies(plan)]
    if problems:
        raise PlanError("plan-invalid", problems=problems)
    plan._origin, plan._file = source.locations, file
    return plan


def _problem(details: ErrorDetails, origin: SourceLocations) -> LocatedMessage:
    """Convert an error of pydantic; messages of the validators in this file get the key that they are about."""
    cause = details.get("ctx", {}).get("error")
    message = cause.args[0] if isinstance(cause, ValueError) and cause.args else None
    if not isinstance(message, Message):
        return format_validation_error(details, origin, Plan)
    if "key" in message.fields:
        message = Message(message.code, **message.fields | {"key": ".".join(map(str, details["loc"]))})
    return LocatedMessage(origin.subtree(*details["loc"]), message)


def shipped_plans() -> dict[str, Path]:
    """Return the plan files that come with hvpkit, by name."""
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
