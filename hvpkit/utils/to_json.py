"""Conversion of results to JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any


def to_json_values(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    """Convert a value to JSON values; dataclasses become objects, paths strings, NaN and infinity null.

    Args:
        value: Value; an object with a method `to_dict` is converted by it.
    """
    if hasattr(value, "to_dict"):
        return to_json_values(value.to_dict())
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json_values(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_values(item) for item in value]
    if isinstance(value, Set):
        return sorted(to_json_values(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
