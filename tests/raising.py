"""What tests of errors share: an error is known by its class, code and fields, never by its wording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hvpkit.errors import HvpkitError


@contextmanager
def raises(error: type[HvpkitError], code: str, **fields: object) -> Iterator[pytest.ExceptionInfo[HvpkitError]]:
    """Expect an error of exactly this class with this code, and with these values among its fields."""
    with pytest.raises(error) as caught:
        yield caught
    assert (caught.type, caught.value.code) == (error, code), caught.value
    assert {name: caught.value.fields.get(name) for name in fields} == fields
