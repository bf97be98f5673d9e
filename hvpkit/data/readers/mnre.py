"""Read the text files of MNRE: one Python literal or JSON object per line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from hvpkit.data.readers.deepke import RECORD_FORMAT
from hvpkit.data.readers.unlinked import UnlinkedExample
from hvpkit.errors import did_you_mean
from hvpkit.labels.inventory import MNRE_RELATIONS
from hvpkit.messages import Message
from hvpkit.records.issues import Issue, ReadingContext, RecordError
from hvpkit.records.json_values import parse_literal
from hvpkit.records.lines import TextFile, decode_utf8
from hvpkit.records.spans import check_pair, drop_blank_tokens, parse_span
from hvpkit.types import Example, Span

KEYS = ("token", "h", "t", "img_id", "relation")


def read_pairs(source: ReadingContext) -> list[UnlinkedExample]:
    """Read one split of MNRE.

    The id of an example is the stem of its image and the line number, because several pairs share an image.

    Raises:
        DataError: "nothing-usable" if the file has no usable pair; "split-file-empty" or "not-utf8".
    """
    file, examples = TextFile(source), []
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        try:
            examples.append(_unlinked_example(_parse(decode_utf8(line)), number, source))
            source.count_kept()
        except RecordError as fault:
            source.skip(file.classify_truncation(fault, number), number)
    source.require_examples(len(examples))
    return examples


def _parse(line: str) -> dict[str, Any]:
    value = parse_literal(line, RECORD_FORMAT)
    missing = [key for key in KEYS if key not in value]
    if missing:
        raise RecordError("keys-missing", missing=missing, keys=list(value))
    return value


def _unlinked_example(record: dict[str, Any], number: int, source: ReadingContext) -> UnlinkedExample:
    issues: list[Issue] = []
    words, boundaries = drop_blank_tokens(record["token"], issues)
    head, tail = (_span(record[key], key, words, boundaries, issues) for key in ("h", "t"))
    check_pair(head, tail, issues)
    source.warn_all(issues, number)
    relation = record["relation"]
    if relation not in MNRE_RELATIONS:
        raise RecordError("unknown-relation", relation=relation, hint=did_you_mean(str(relation), MNRE_RELATIONS))
    image = record["img_id"]
    if not isinstance(image, str) or not image:
        source.warn(Message("pair-without-image-name", found=image), number)
        image = None
    stem = PurePosixPath(image).stem if image else source.split
    return UnlinkedExample(Example(f"{stem}:{number}", words, head=head, tail=tail, relation=relation), number, image)


def _span(value: object, key: str, words: tuple[str, ...], boundaries: list[int], issues: list[Issue]) -> Span:
    position = value.get("pos") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(position, (list, tuple)) or len(position) != 2:
        raise RecordError("span-missing", name=key, expected="{'name': ..., 'pos': [start, end]}", found=value)
    start, end = position
    span = parse_span(start, end, key, boundaries)
    name, text = str(value.get("name", "")), " ".join(words[span.start : span.end])
    if name and "".join(name.split()) != "".join(text.split()):
        issues.append(Issue(Message("name-mismatch", name=key, expected=name, found=text), "repaired"))
    return span
