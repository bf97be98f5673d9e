"""Recipes: one YAML file says a whole experiment; a recipe is data, it names components and runs no code (no torch here)."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from hvpkit.errors import RecipeError, choices
from hvpkit.recipe_yaml import Keys, dump, parse
from hvpkit.types import Task

Name = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _WithOptions(_Spec):
    """A spec whose further keys are the options of the component that it names."""

    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        options = {key: value for key, value in given.items() if key not in cls.model_fields}
        fields = {key: value for key, value in given.items() if key in cls.model_fields}
        return {**fields, "options": {**fields.get("options", {}), **options}} if options else fields


class Part(_WithOptions):
    """A component and its options; in YAML a bare name, or `{name: x, option: value}`."""

    name: Name

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given


class DataSpec(_Spec):
    """Which prepared data: its name, its folder (`data/<name>` unless given), text positions at most, whether to leave pictures out."""

    name: Name
    folder: Annotated[Path | None, Field(strict=False)] = None
    max_length: Annotated[int, Field(ge=8)] = 128
    text_only: bool = False

    @property
    def path(self) -> Path:
        """Give the folder of the prepared data."""
        return self.folder or Path("data") / self.name


class TextSpec(_WithOptions):
    """The text encoder; `name` is a hub id or a local folder for encoders that are pretrained."""

    encoder: Name = "hugging-face"
    name: Name | None = None


class VisionSpec(_WithOptions):
    """The visual tower: backbone and weights (`imagenet`, `random`, a file or folder), the pictures an example (the whole, objects).

    `grid` is the cells a side of the pooled maps, `size` the side of the crops in pixels (None: the backbone's own).
    """

    backbone: Name
    weights: Name = "imagenet"
    whole: bool = True
    objects: Annotated[int, Field(ge=0)] = 3
    grid: Count = 2
    frozen: bool = True
    size: Annotated[int, Field(ge=32)] | None = None

    @model_validator(mode="after")
    def _sees_something(self) -> VisionSpec:
        if not self.whole and self.objects == 0:
            raise ValueError("needs pictures: whole: true, or objects of at least 1")
        return self

    @property
    def pictures(self) -> int:
        """Give V, the pictures an example: the whole picture and its objects."""
        return int(self.whole) + self.objects


class FusionSpec(Part):
    """How text and pictures meet; `projector` and `gate` are for fusions that have them."""

    projector: Part | None = None
    gate: Part | None = None


class TrainSpec(_Spec):
    """How to train; the rates of head, fusion and vision are those of the text (`lr`) unless given, `max_grad_norm` 0 clips nothing."""

    epochs: Count = 30
    batch_size: Count = 8
    lr: Rate = 3e-5
    head_lr: Rate | None = None
    fusion_lr: Rate | None = None
    vision_lr: Rate | None = None
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    evaluate_from: Count = 1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1234
    accumulate: Count = 1
    log: Literal["none", "tensorboard"] = "none"

    @model_validator(mode="after")
    def _evaluates(self) -> TrainSpec:
        if self.evaluate_from > self.epochs:
            raise ValueError(f"evaluate_from ({self.evaluate_from}) must not come after the last of its epochs ({self.epochs})")
        return self


@dataclass(frozen=True)
class Origin:
    """Where each key of a recipe was written: `file:line`, or the override that set it."""

    places: dict[Keys, str] = field(default_factory=dict)

    def of(self, *keys: str | int) -> str:
        """Give the place of a key, or of the nearest one around it."""
        return next((self.places[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self.places), "recipe")


class Recipe(_Spec):
    """A whole experiment, checked but for its components (hvpkit/composition.py does those)."""

    task: Task
    data: DataSpec
    text: TextSpec
    vision: VisionSpec | None = None
    fusion: FusionSpec = FusionSpec(name="none")
    head: Part
    train: TrainSpec = TrainSpec()
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Tell where its keys were written, for messages."""
        return self._origin

    def __eq__(self, other: object) -> bool:
        """Compare what the recipes say, not where they were written."""
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    def to_yaml(self) -> str:
        """Write every setting, defaults too; loading it gives the same recipe."""
        return dump({key: _plain(getattr(self, key)) for key in type(self).model_fields})


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or a shipped recipe by its bare name, and apply overrides such as `train.lr=2e-5`.

    Raises RecipeError, which lists every problem as `file:line: message`.
    """
    values, origin, problems = _read(_find(path))
    problems += [problem for override in overrides if (problem := _override(override, values, origin))]
    recipe = None
    try:
        recipe = Recipe.model_validate(values)
        recipe._origin = origin
    except ValidationError as error:
        problems += [_problem(detail, origin) for detail in error.errors()]
    if recipe is None or problems:
        raise RecipeError("\n".join(problems))
    return recipe


def shipped_recipes() -> dict[str, Path]:
    """List the recipes that come with hvpkit, by name."""
    package = Path(__file__).parent
    folder = package / "recipes" if (package / "recipes").is_dir() else package.parent / "recipes"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def _find(path: Path | str) -> Path:
    if Path(path).is_file():
        return Path(path)
    shipped = shipped_recipes()
    if str(path) in shipped:
        return shipped[str(path)]
    what = "is a folder, not a recipe" if Path(path).is_dir() else "no such recipe"
    raise RecipeError(f"{path}: {what}; give a YAML file or the name of a shipped recipe{choices(Path(path).stem, shipped)}")


def _read(file: Path) -> tuple[dict[str, Any], Origin, list[str]]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError(f"{file}:{line}: not UTF-8 text; save the recipe as UTF-8") from error
    tree = parse(text)
    problems = [f"{file}:{line}: {message}" for line, message in tree.problems]
    if not isinstance(tree.value, dict):
        what = "is empty" if tree.value is None else f"holds a {type(tree.value).__name__}"
        problems = problems or [f"{file}:1: the file {what}; a recipe is a mapping with the keys {', '.join(Recipe.model_fields)}"]
        raise RecipeError("\n".join(problems))
    return tree.value, Origin({(): f"{file}:1"} | {keys: f"{file}:{line}" for keys, line in tree.lines.items()}), problems


def _override(override: str, values: dict[str, Any], origin: Origin) -> str | None:
    """Set one dotted key; gives what is wrong with the override itself."""
    dotted, equals, text = override.partition("=")
    keys = tuple(dotted.strip().split("."))
    if not equals or not all(keys):
        return f"--set {override}: expected KEY=VALUE, for example train.lr=2e-5"
    tree = parse(text)
    if tree.problems:
        return f"--set {override}: {tree.problems[0][1]}; quote a text that is not plain"
    inner: dict[str, Any] = values
    for key in keys[:-1]:
        below = inner.get(key)
        if isinstance(below, str):  # a bare component name gets an option
            below = {"name": below}
        inner[key] = below = below if isinstance(below, dict) else {}
        inner = below
    inner[keys[-1]] = tree.value
    origin.places.update({keys[:n]: f"--set {override}" for n in range(1, len(keys)) if keys[:n] not in origin.places})
    origin.places[keys] = f"--set {override}"
    return None


_CLOSED: dict[Keys, type[BaseModel]] = {(): Recipe, ("data",): DataSpec, ("train",): TrainSpec}


def _problem(detail: ErrorDetails, origin: Origin) -> str:
    """Turn one of pydantic's findings into `place: message`."""
    keys, given = detail["loc"], reprlib.repr(detail["input"])
    name, place = ".".join(map(str, keys)), origin.of(*keys)
    match detail["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key {name}{choices(str(keys[-1]), _CLOSED[keys[:-1]].model_fields)}"
        case "missing":
            return f"{place}: the key {name} is missing{_given(detail['input'])}"
        case "model_type" | "model_attributes_type" if keys[-1] in ("fusion", "projector", "gate", "head"):
            return f"{place}: {name} must be a component's name, or {{name: .., option: value}}, not {given}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{place}: {name} must be a mapping such as {{key: value}}, not {given}"
        case "value_error":
            return f"{place}: {name} {detail['msg'].removeprefix('Value error, ')}"
        case "bool_type":
            return f"{place}: {name} must be true or false, not {given}"
    return f"{place}: {name} {detail['msg'].removeprefix('Input ').replace('should', 'must')}, not {given}"


def _given(values: dict[str, Any]) -> str:
    keys = [*(key for key in values if key != "options"), *values.get("options", {})]
    return f"; given are {', '.join(keys)}" if keys else ""


def _plain(value: object) -> object:
    """Give a spec as YAML's plain values, the options among the other keys and a part without options as its bare name."""
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, BaseModel):
        return value
    fields = {key: _plain(getattr(value, key)) for key in type(value).model_fields if key != "options"}
    plain = fields | getattr(value, "options", {})
    return plain["name"] if list(plain) == ["name"] else plain
