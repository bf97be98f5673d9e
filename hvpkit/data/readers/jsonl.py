"""Read JSON Lines of the own form: sentences with entities (MNER), or with a pair and its relation (MRE)."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator

from hvpkit.data.readers.base import DatasetSplits, ReaderContext
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample
from hvpkit.records.compressed import open_binary
from hvpkit.records.issues import ReadingContext
from hvpkit.records.json_lines import RECORD_FORMAT, read_json_lines
from hvpkit.records.json_values import LocatedRecord, read_objects

PEEK = 100  # bytes
ANY_OBJECT = 0.1  # certainty for JSON objects of no known format, whose keys are then reported


class JsonlReader(RecordReader):
    """Reader of the own form."""

    name = "jsonl"

    def recognize(self, sample: Sample) -> float:
        """Look for words and labels under the keys of the own form."""
        words = [record for record in sample.records if "tokens" in record or "text" in record]
        for record in words:
            entities = record.get("entities")
            spans = isinstance(entities, list) and all(isinstance(e, dict) and "start" in e for e in entities)
            if "tags" in record or spans or ("head" in record and "tail" in record):
                return 0.9
        return 0.2 if words else ANY_OBJECT if sample.records else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the objects of JSON Lines, or of a JSON array."""
        with open_binary(source.file) as stream:
            is_array = stream.read(PEEK).removeprefix(BOM_UTF8).lstrip().startswith(b"[")
        if is_array:
            yield from read_objects(source, RECORD_FORMAT)
            return
        yield from (LocatedRecord(line.number, line.record) for line in read_json_lines(source.file))


def read_jsonl(context: ReaderContext) -> DatasetSplits:
    """Read a file of the own form, or a folder with one for each split."""
    return JsonlReader(context).read()
