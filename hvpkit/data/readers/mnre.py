"""The text files of MNRE: one Python literal or JSON object a line (no torch)."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from hvpkit.data.readers.unlinked import UnlinkedExample
from hvpkit.errors import did_you_mean
from hvpkit.labels.inventory import MNRE_RELATIONS
from hvpkit.messages import Message
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.lines import TextFile, decode_utf8, reject_lone_surrogates
from hvpkit.records.spans import check_pair, drop_blank_tokens, parse_span
from hvpkit.types import Example, Span

KEYS = ("token", "h", "t", "img_id", "relation")


def read_pairs(source: ReadingContext) -> list[UnlinkedExample]:
    """Read one split; an example's id is its image's name and its line, for pairs share images.

    Raises DataError when the file cannot be read or holds no pair that can be used.
    """
    file, drafts = TextFile(source), []
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        try:
            drafts.append(_draft(_literal(decode_utf8(line).strip()), number, source))
            source.count_kept()
        except RecordError as fault:
            source.skip(file.classify_truncation(fault, number), number)
    source.require_examples(len(drafts))
    return drafts


def _literal(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = _python_literal(line)
    if not isinstance(value, dict):
        raise RecordError("record-not-dict", found=line[:60])
    missing = [key for key in KEYS if key not in value]
    if missing:
        raise RecordError("keys-missing", missing=missing, keys=list(value))
    return reject_lone_surrogates(value)


def _python_literal(line: str) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on backslashes in strings
            return ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise RecordError("line-not-literal", text=line[:60]) from None


def _draft(record: dict[str, Any], number: int, source: ReadingContext) -> UnlinkedExample:
    words, places = drop_blank_tokens(record["token"], source, number)
    head, tail = (_span(record[key], key, words, places, source, number) for key in ("h", "t"))
    check_pair(head, tail, source, number)
    relation = record["relation"]
    if relation not in MNRE_RELATIONS:
        raise RecordError("unknown-relation", relation=relation, hint=did_you_mean(str(relation), MNRE_RELATIONS))
    image = record["img_id"]
    if not isinstance(image, str) or not image:
        source.warn(Message("pair-without-image-name", found=image), number)
        image = None
    stem = PurePosixPath(image).stem if image else source.split
    return UnlinkedExample(Example(f"{stem}:{number}", words, head=head, tail=tail, relation=relation), number, image)


def _span(value: object, key: str, words: tuple[str, ...], places: list[int], source: ReadingContext, number: int) -> Span:
    if not isinstance(value, Mapping) or not isinstance(value.get("pos"), (list, tuple)) or len(value["pos"]) != 2:
        raise RecordError("span-missing", name=key, expected="{'name': ..., 'pos': [start, end]}", found=value)
    start, end = value["pos"]
    span = parse_span(start, end, key, places)
    said, found = str(value.get("name", "")), " ".join(words[span.start : span.end])
    if said and "".join(said.split()) != "".join(found.split()):
        source.warn(Message("name-mismatch", name=key, expected=said, found=found), number)
    return span
