"""The beginning of a file, from which its format is recognized."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hvpkit.records.compressed import open_binary
from hvpkit.records.json_values import peek_objects
from hvpkit.records.lines import check_encoding

HEAD = 2**20  # bytes
BINARY = (b"\x78",)  # zlib: a DocBin


@dataclass(frozen=True)
class Sample:
    """Beginning of a file, or the names in a folder.

    Attributes:
        path: File or folder.
        head: First bytes of the file, decompressed; empty for a folder.
        names: Names in the folder; empty for a file.
    """

    path: Path
    head: bytes = b""
    names: frozenset[str] = frozenset()

    @classmethod
    def from_path(cls, path: Path) -> Sample:
        """Read the beginning of a file, or list a folder.

        Raises:
            DataError: "not-utf8", or codes of `open_binary`.
        """
        if path.is_dir():
            return cls(path, names=frozenset(os.listdir(path)))
        with open_binary(path) as stream:
            head = stream.read(HEAD)
        if head[:1] not in BINARY:
            check_encoding(path, head)
        return cls(path, head)

    @cached_property
    def text(self) -> str:
        """Return the beginning as text; bytes that are not UTF-8 are replaced."""
        return self.head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")

    @property
    def is_blank(self) -> bool:
        """Return whether a file has nothing but blanks."""
        return not self.names and not self.text.strip()

    @cached_property
    def lines(self) -> list[str]:
        """Return the first lines that are not blank, without a last one that may be cut off, at most 200."""
        lines = self.text.split("\n")
        complete = lines[:-1] if len(self.head) == HEAD else lines
        return [line.rstrip("\r") for line in complete if line.strip()][:200]

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Return the first JSON objects or Python dicts; empty if the file has none."""
        return peek_objects(self.text)

    def has(self, **types: type | tuple[type, ...]) -> bool:
        """Check whether one of the first records has all of some keys, with values of some types."""
        return any(has_keys(record, **types) for record in self.records)


def has_keys(record: Mapping[str, Any], **types: type | tuple[type, ...]) -> bool:
    """Check whether a record has all of some keys, with values of some types."""
    return all(isinstance(record.get(key), kind) for key, kind in types.items())
