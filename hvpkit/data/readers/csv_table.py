"""Read CSV tables: one word in each row with its tag, or one text in each row with a pair and its relation."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample
from hvpkit.errors import DataError
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.records.lines import TextFile, decode_utf8

MAX_SNIFFED = 500  # characters of a line
DELIMITERS = ",;\t|"
COLUMNS = {
    "sentence": ("sentence", "sentence #", "sentence_id", "sentence id", "sent_id"),
    "word": ("word", "token"),
    "tag": ("tag", "ner_tag", "ner", "label"),
    "text": ("text",),
    "image": ("image", "img_id"),
    "head": ("head",),
    "tail": ("tail",),
    "relation": ("relation",),
    "id": ("id",),
}
WORDS, TEXTS = ("sentence", "word", "tag"), ("text", "head", "tail", "relation")

Columns = Mapping[str, int]


class CsvReader(RecordReader):
    """Reader of tables with a header; the delimiter is detected."""

    name = "csv"

    def recognize(self, sample: Sample) -> float:
        """Look for the columns in the first line."""
        if not sample.lines or sample.records:
            return 0.0
        columns = _columns(sample.lines[0], _delimiter(sample.lines[:20]))
        return 0.97 if _has(columns, WORDS) or _has(columns, TEXTS) else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the sentences or the texts.

        Raises:
            DataError: "csv-columns-missing".
        """
        lines = TextFile(source).lines()
        first = Sample.from_path(source.file).lines[:20]
        delimiter = _delimiter(first)
        rows = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
        columns = _columns(first[0] if first else "", delimiter)
        if _has(columns, WORDS):
            yield from _sentences(_rows(rows), columns)
        elif _has(columns, TEXTS):
            yield from _texts(_rows(rows), columns)
        else:
            expected = [", ".join(WORDS), ", ".join(TEXTS)]
            raise DataError("csv-columns-missing", file=source.file, columns=list(columns), expected=expected)


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that the csv module finds, or the most frequent one of the header."""
    header = lines[0] if lines else ""
    likely = max(DELIMITERS, key=header.count)
    try:
        found = csv.Sniffer().sniff("\n".join(line[:MAX_SNIFFED] for line in lines), DELIMITERS).delimiter
    except csv.Error:
        return likely
    return found if found in header else likely


def _columns(header: str, delimiter: str) -> dict[str, int]:
    try:
        titles = [title.strip().lower() for title in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return {}
    found = {}
    for column, names in COLUMNS.items():
        if position := next((titles.index(name) + 1 for name in names if name in titles), 0):
            found[column] = position - 1
    return found


def _has(columns: Columns, names: Sequence[str]) -> bool:
    return all(name in columns for name in names)


def _rows(rows: Any) -> Iterator[tuple[int, list[str] | RecordError]]:  # noqa: ANN401 - the csv module names no type
    """Iterate over the rows after the header, each with its first line."""
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
            cells: list[str] | RecordError = [decode_utf8(cell) for cell in row]
        except StopIteration:
            return
        except csv.Error:
            cells = RecordError("csv-row-invalid")
        except RecordError as error:
            cells = error
        if line > 1 and (isinstance(cells, RecordError) or any(cell.strip() for cell in cells)):
            yield line, cells


def _sentences(rows: Iterator[tuple[int, list[str] | RecordError]], columns: Columns) -> Iterator[LocatedRecord]:
    """Join the rows of each sentence; its name may stand in its first row alone."""
    line, record, error = 0, dict[str, Any](), None
    for number, cells in rows:
        name = "" if isinstance(cells, RecordError) else _cell(cells, columns, "sentence")
        if name and name != record.get("id"):
            if record or error:
                yield LocatedRecord(line, error or record)
            line, record, error = number, {"id": name, "tokens": [], "tags": []}, None
        problem = _row_error(cells, columns, number)
        if problem or not isinstance(cells, list):
            error = error or problem
        elif record:
            record["tokens"].append(cells[columns["word"]])
            record["tags"].append(cells[columns["tag"]])
            record |= {"image": image} if (image := _cell(cells, columns, "image")) else {}
    if record or error:
        yield LocatedRecord(line or 2, error or record)


def _row_error(cells: list[str] | RecordError, columns: Columns, line: int) -> RecordError | None:
    if isinstance(cells, RecordError):
        return cells
    expected = max(columns.values()) + 1
    return (
        RecordError("csv-row-short", expected=expected, found=len(cells), line=line) if len(cells) < expected else None
    )


def _texts(rows: Iterator[tuple[int, list[str] | RecordError]], columns: Columns) -> Iterator[LocatedRecord]:
    for number, cells in rows:
        error = _row_error(cells, columns, number)
        yield LocatedRecord(number, error or _pair(cells if isinstance(cells, list) else [], columns))


def _pair(cells: Sequence[str], columns: Columns) -> dict[str, Any]:
    """Return the record of a row; head and tail are parts of the text."""
    own = {key: value for key in ("id", "image") if (value := _cell(cells, columns, key))}
    return {**own, **{key: cells[columns[key]] for key in TEXTS}}


def _cell(cells: Sequence[str], columns: Columns, name: str) -> str:
    return cells[columns[name]].strip() if name in columns and columns[name] < len(cells) else ""
