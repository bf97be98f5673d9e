"""Load data files that come with hvpkit, such as word lists and tables of published scores."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from hvpkit.config.yaml_reader import parse


class PackagedData(BaseModel):
    """Base of the schemas of data files: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=PackagedData)


def load_packaged_data(file: Path, schema: type[T]) -> T:
    """Load and validate a YAML file of the package.

    Args:
        file: The file.
        schema: Schema of its contents.

    Raises:
        ValueError: If the file does not fit the schema, which is an error of the package.
    """
    tree = parse(file.read_text(encoding="utf-8"))
    if tree.problems:
        line, problem = tree.problems[0]
        raise ValueError(f"{file}:{line}: {problem}")
    return schema.model_validate(tree.value)
