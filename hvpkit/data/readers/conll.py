"""Read CoNLL files: a token and its tag on each line, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample
from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.records.lines import TextFile, decode_utf8
from hvpkit.records.tag_schemes import is_tag

DOCUMENT_START = "-DOCSTART-"
IMAGE_ID = "IMGID:"
SAMPLED_LINES = 100
_FIELD = re.compile(r"# *((?:sent_)?id|image) *= *(.+)")


class ConllReader(RecordReader):
    """Reader of CoNLL files; of more than two columns, the first and the last are read."""

    name = "conll"

    def recognize(self, sample: Sample) -> float:
        """Look for lines that end in a tag."""
        return 0.0 if any(is_image_id(line) for line in sample.lines) else fraction_of_tags(sample)

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the sentences."""
        sentence = Sentence()
        for number, line in enumerate(TextFile(source).lines(), 1):
            if line.strip() and not line.startswith(DOCUMENT_START):
                sentence.add(number, line, source)
                continue
            yield from sentence.finish()
        yield from sentence.finish()


class Sentence:
    """Lines of the current sentence."""

    def __init__(self) -> None:
        self._start(0, {})

    def _start(self, line: int, fields: dict[str, str]) -> None:
        self._line, self._fields = line, fields
        self._tokens: list[str] = []
        self._tags: list[str] = []
        self._error: RecordError | None = None

    def start(self, line: int, **fields: str) -> None:
        """Start a sentence.

        Args:
            line: Line where it begins, from 1.
            fields: Further keys of its record.
        """
        self._start(line, fields)

    def add(self, number: int, line: str, source: ReadingContext) -> None:
        """Add a line with a token and a tag, or a comment; only comments `# id = ...` and `# image = ...` are read."""
        if is_comment(line):
            if match := _FIELD.fullmatch(line.strip()):
                self._fields[match[1].removeprefix("sent_")] = match[2]
            return
        self._line = self._line or number
        try:
            token, tag = split_columns(decode_utf8(line, number), number)
        except RecordError as error:
            self._error = self._error or error
            return
        if not token.strip():
            source.warn(Message("blank-token", text=line), number)
            return
        self._tokens.append(token)
        self._tags.append(tag)

    def finish(self) -> Iterator[LocatedRecord]:
        """Yield the record of the sentence, if it has lines, and start the next."""
        if self._error:
            yield LocatedRecord(self._line, self._error)
        elif self._tokens:
            yield LocatedRecord(self._line, {**self._fields, "tokens": self._tokens, "tags": self._tags})
        self._start(0, {})


def split_columns(line: str, number: int) -> tuple[str, str]:
    """Split a line into its first and its last column, at tabs if it has any, else at blanks.

    Raises:
        RecordError: "line-with-one-column".
    """
    columns = line.rstrip("\t").split("\t") if "\t" in line else re.split(r" +", line.strip(" "))
    if len(columns) < 2:
        raise RecordError("line-with-one-column", text=line, line=number)
    return columns[0].strip(), columns[-1].strip()


def is_comment(line: str) -> bool:
    """Check for a comment: it begins with `#`, and is not the word `#...` with its tag."""
    columns = re.split(r"\t| +", line.strip())
    return line.startswith("#") and not ("\t" in line or (len(columns) > 1 and is_tag(columns[-1])))


def is_image_id(line: str) -> bool:
    """Check for a line `IMGID:<id>`."""
    return line.strip().startswith(IMAGE_ID)


def fraction_of_tags(sample: Sample) -> float:
    """Return the fraction of lines that end in a tag; 0 if hardly any does."""
    if sample.records:
        return 0.0
    lines = [line for line in sample.lines if not is_comment(line) and not line.startswith(DOCUMENT_START)]
    last = [re.split(r"\t| +", line.strip()) for line in lines[:SAMPLED_LINES] if not is_image_id(line)]
    tagged = [columns for columns in last if len(columns) > 1 and is_tag(columns[-1])]
    fraction = len(tagged) / len(last) if last else 0.0
    if not tagged and last:
        return 0.3 * sum(_may_be_bare(columns) for columns in last) / len(last)
    return fraction * 0.95 if fraction > 0.2 else 0.0


def _may_be_bare(columns: list[str]) -> bool:
    return len(columns) == 2 and columns[1].isupper()
