"""Parse one JSON record of a user: the only reader of records, for training, evaluation and prediction alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hvpkit.messages import Message
from hvpkit.records.annotations import parse_relation, parse_tags, split_tags
from hvpkit.records.image_paths import ImageRoot, resolve_image
from hvpkit.records.issues import Issue, RecordError
from hvpkit.records.keys import check_keys, describe_keys
from hvpkit.records.mentions import MentionPair, covered_words, parse_pair, split_words_at
from hvpkit.records.objects import parse_objects
from hvpkit.records.sentence import parse_sentence
from hvpkit.records.spans import check_pair
from hvpkit.types import Example, Task, TextSpan

TASK_CONTENTS = {"mner": "entities", "mre": "a pair and its relation"}


@dataclass(frozen=True)
class ParsedRecord:
    """A record as an example.

    Attributes:
        example: The example; its id is empty if the record has none.
        text: The text as given, or the tokens joined by blanks.
        words: Words with their characters.
        mentions: Head and tail entity (MRE).
        objects_given: Whether the record lists the objects of its image.
        issues: What was repaired or dropped.
    """

    example: Example
    text: str
    words: tuple[TextSpan, ...]
    mentions: MentionPair | None
    objects_given: bool
    issues: tuple[Issue, ...]


def parse_record(
    record: Mapping[str, object], *, root: ImageRoot | None, task: Task | None, labeled: bool
) -> ParsedRecord:
    """Parse a record; a key with null is an absent key.

    An invalid image, object or repeated entity is dropped with an issue. Words are cut at the boundaries of head and
    tail; entities inside a word are widened to the word.

    Args:
        record: Record of a file, or of a program, whose images may also be bytes or opened images.
        root: Folder that image paths are relative to and must stay inside; None for a record of a program.
        task: Task of the record; None: by its keys.
        labeled: Whether the record must have labels; otherwise they are ignored.

    Raises:
        RecordError: The record cannot be used: "record-of-other-task", "pair-unexpected", "no-labels", "image-invalid",
            or codes of `parse_sentence`, `parse_tags`, `parse_relation` and `parse_pair`.
        ImageError: An opened image cannot be decoded.
    """
    record = {key: value for key, value in record.items() if value is not None}
    issues: list[Issue] = []
    task = _task_of(record, task, labeled)
    check_keys(record, issues)
    sentence = parse_sentence(record, issues)
    tags = parse_tags(record, sentence, issues) if labeled else None
    if labeled and task == "mner" and tags is None:
        raise RecordError("no-labels", found=describe_keys(record))
    relation = parse_relation(record, issues) if labeled and task == "mre" else None
    words, mentions, head, tail = sentence.words, None, None, None
    if task == "mre":
        mentions = parse_pair(record, sentence, issues)
        words = split_words_at(sentence.words, (mentions.head, mentions.tail))
        tags = None if tags is None else split_tags(tags, sentence.words, words)
        head, tail = covered_words(mentions.head, words), covered_words(mentions.tail, words)
        check_pair(head, tail, issues)
    image = resolve_image(record.get("image"), root, issues)
    objects = parse_objects(record.get("objects"), image, root, issues)
    example = Example(
        id=_parse_id(record.get("id"), issues),
        words=tuple(word.text for word in words),
        tags=tags,
        head=head,
        tail=tail,
        relation=relation,
        image=image,
        objects=objects or (),
    )
    return ParsedRecord(example, sentence.text, words, mentions, objects is not None, tuple(issues))


def _task_of(record: Mapping[str, object], task: Task | None, labeled: bool) -> Task:
    keys = {"head", "tail", "relation"} if labeled else {"head", "tail"}
    in_record: Task = "mre" if keys & record.keys() else "mner"
    if task is None or task == in_record:
        return in_record
    if labeled:
        raise RecordError("record-of-other-task", expected=TASK_CONTENTS[task], found=TASK_CONTENTS[in_record])
    if task == "mner":
        raise RecordError("pair-unexpected")
    return task  # `parse_pair` reports the missing pair


def _parse_id(value: object, issues: list[Issue]) -> str:
    if value is None or isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return "" if value is None else str(value)
    issues.append(Issue(Message("id-invalid", found=value), "dropped"))
    return ""
