"""Read token classification data of Hugging Face: `tokens` and `ner_tags`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hvpkit.data.readers.base import ReaderContext
from hvpkit.data.readers.record_reader import RecordReader, map_records
from hvpkit.data.readers.sample import Sample
from hvpkit.data.readers.split_files import file_parts
from hvpkit.errors import DataError
from hvpkit.records.compressed import read_bounded
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord, read_objects

RECORD_FORMAT = '{"tokens": [...], "ner_tags": [...]}'
FEATURES = ("dataset_info.json", "dataset_infos.json")
MAX_FEATURES = 2**24  # bytes
COLUMNS = ("id", "tokens", "ner_tags", "image")
ARROW_MAGIC, PARQUET_MAGIC = b"\xff\xff\xff\xff", b"PAR1"


class HuggingFaceReader(RecordReader):
    """Reader of JSON, JSON Lines, and of folders and files of the package `datasets`.

    Args:
        context: Arguments of every reader.
        labels: Text file with the name of each label, in the order of their ids, one on each line.
    """

    name = "hf"

    def __init__(self, context: ReaderContext, *, labels: str | None = None) -> None:
        super().__init__(context)
        self._labels = labels

    def recognize(self, sample: Sample) -> float:
        """Look for the keys `tokens` and `ner_tags`, or for files of Arrow."""
        is_table = any(name.endswith(".arrow") for name in sample.names)
        is_table = is_table or sample.head.startswith((ARROW_MAGIC, PARQUET_MAGIC))
        return 1.0 if is_table or sample.has(tokens=list, ner_tags=list) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the records or the rows of the split.

        Raises:
            DataError: "label-names-missing" or "label-names-invalid", or codes of `_read_table`.
        """
        is_table = source.file.is_dir() or Sample.from_path(source.file).head.startswith((ARROW_MAGIC, PARQUET_MAGIC))
        rows = _read_table(source.file) if is_table else read_objects(source, RECORD_FORMAT)
        return map_records(rows, lambda record: self._to_own(record, source.file))

    def _to_own(self, record: Mapping[str, Any], file: Path) -> dict[str, Any]:
        tags = record.get("ner_tags")
        if not isinstance(tags, list):
            raise RecordError("value-invalid", key="ner_tags", expected="a list of tags", found=tags)
        if any(type(tag) is int for tag in tags):
            tags = [self._name(tag, file) for tag in tags]
        own = {key: record[key] for key in ("id", "image") if isinstance(record.get(key), (str, int))}
        return {**own, "tokens": record.get("tokens"), "tags": tags}

    def _name(self, tag: object, file: Path) -> str:
        names = self._names
        if not names:
            raise DataError("label-names-missing", file=file)
        if type(tag) is not int or not 0 <= tag < len(names):
            raise RecordError("label-id-unknown", id=tag, count=len(names))
        return names[tag]

    @cached_property
    def _names(self) -> Sequence[str]:
        """Return the names of `labels`, or those next to the data."""
        if self._labels is not None:
            return _read_names(Path(self._labels))
        root = self.context.root
        folder = root if root.is_dir() else root.parent
        folders = (folder, *sorted(path for path in folder.iterdir() if path.is_dir()), folder.parent)
        files = (directory / name for directory in folders for name in FEATURES)
        return next((names for file in files if file.is_file() and (names := _read_features(file))), ())


def _read_names(file: Path) -> list[str]:
    try:
        names = [line.strip() for line in read_bounded(file, MAX_FEATURES).decode("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("label-names-invalid", file=file) from error
    if not any(names):
        raise DataError("label-names-invalid", file=file)
    return [name for name in names if name]


def _read_features(file: Path) -> list[str]:
    """Return the names of the labels of `ner_tags` in a description of features, empty if there are none."""
    try:
        return _find_names(json.loads(read_bounded(file, MAX_FEATURES)), inside=False)
    except (ValueError, RecursionError):
        raise DataError("label-names-invalid", file=file) from None


def _find_names(value: object, inside: bool) -> list[str]:
    if not isinstance(value, dict):
        return []
    names = value.get("names")
    if inside and isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return next((found for key, item in value.items() if (found := _find_names(item, inside or key == "ner_tags"))), [])


def _read_table(path: Path) -> Iterator[LocatedRecord]:
    """Iterate over the rows of Arrow or Parquet files; the line of a row is its number.

    Raises:
        DataError: "pyarrow-missing" or "table-unreadable".
    """
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise DataError("pyarrow-missing", file=path) from error
    number = 0
    for file in sorted(path.glob("*.arrow")) if path.is_dir() else file_parts(path):
        try:
            with pyarrow.memory_map(str(file)) as data:
                is_parquet = data.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
                data.seek(0)
                batches = (
                    pyarrow.parquet.ParquetFile(data).iter_batches() if is_parquet else pyarrow.ipc.open_stream(data)
                )
                for batch in batches:
                    for row in batch.select([name for name in COLUMNS if name in batch.schema.names]).to_pylist():
                        number += 1
                        yield LocatedRecord(number, row)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError("table-unreadable", file=file) from error
