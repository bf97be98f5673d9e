"""Parse the labels of a record: BIO tags of tokens, entities in a text, or the relation of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hvpkit.messages import Message
from hvpkit.records.issues import Issue, RecordError
from hvpkit.records.sentence import Sentence
from hvpkit.records.tag_schemes import to_bio
from hvpkit.types import Span, TextSpan

NEGATIVE_NAMES = {"none", "na", "n/a", "no_relation", "no-relation", "no relation", "norelation", "null", "negative"}


def parse_tags(record: Mapping[str, object], sentence: Sentence, issues: list[Issue]) -> tuple[str, ...] | None:
    """Parse `tags`, or `entities` in characters, to a legal BIO tag of each word; None if the record has neither.

    Args:
        record: Record without keys of null.
        sentence: Its words.
        issues: Receives the issues.

    Raises:
        RecordError: "tags-without-tokens", "tag-count-mismatch", "tags-not-list", "tag-not-bio",
            "entities-without-text", "entities-not-list", "entity-type-missing", "entities-overlap", or codes of
            `Sentence.parse_span`.
    """
    if "tags" in record:
        return _parse_token_tags(record["tags"], sentence, issues)
    return _parse_entities(record["entities"], sentence, issues) if "entities" in record else None


def parse_relation(record: Mapping[str, object], issues: list[Issue]) -> str:
    """Parse the relation of a pair.

    Raises:
        RecordError: "relation-missing".
    """
    relation = record.get("relation")
    if not isinstance(relation, str) or not relation.strip():
        raise RecordError("relation-missing", found=relation)
    relation = relation.strip()
    if relation != "None" and relation.casefold() in NEGATIVE_NAMES:
        issues.append(Issue(Message("relation-like-none", relation=relation), "repaired"))
    return relation


def split_tags(tags: tuple[str, ...], words: Sequence[TextSpan], parts: Sequence[TextSpan]) -> tuple[str, ...]:
    """Return a tag of each part of the words: the parts of an entity's word belong to the entity.

    Args:
        tags: Tag of each word.
        words: The words.
        parts: The words after some were split, in the same order.
    """
    starts = {word.start: tag for word, tag in zip(words, tags, strict=True)}
    split: list[str] = []
    for part in parts:
        previous = split[-1] if split else "O"
        split.append(starts.get(part.start, previous if previous == "O" else f"I-{previous[2:]}"))
    return tuple(split)


def _parse_token_tags(raw: object, sentence: Sentence, issues: list[Issue]) -> tuple[str, ...]:
    boundaries = sentence.boundaries
    if boundaries is None:
        raise RecordError("tags-without-tokens")
    if not isinstance(raw, (list, tuple)):
        raise RecordError("tags-not-list", expected=len(boundaries) - 1, found=raw)
    if len(raw) != len(boundaries) - 1:
        raise RecordError("tag-count-mismatch", expected=len(boundaries) - 1, found=len(raw))
    if (other := next((tag for tag in raw if not isinstance(tag, str)), "")) != "":
        raise RecordError("tag-not-bio", tag=str(other))
    kept = [tag.strip() for i, tag in enumerate(raw) if boundaries[i] < boundaries[i + 1]]
    words = [word.text for word in sentence.words]
    return to_bio(kept, words, lambda note, _: issues.append(Issue(note, "repaired")))


def _parse_entities(raw: object, sentence: Sentence, issues: list[Issue]) -> tuple[str, ...]:
    if sentence.boundaries is not None:
        raise RecordError("entities-without-text")
    if not isinstance(raw, (list, tuple)):
        raise RecordError("entities-not-list", found=raw)
    types: dict[Span, str] = {}
    tags = ["O"] * len(sentence.words)
    for number, entity in enumerate(raw, 1):
        span, entity_type = _parse_entity(entity, number, sentence, issues)
        text = sentence.characters(span).text
        if types.get(span) == entity_type:
            issues.append(Issue(Message("entity-repeated", number=number, text=text, type=entity_type), "dropped"))
            continue
        if any(tag != "O" for tag in tags[span.start : span.end]):
            raise RecordError("entities-overlap", number=number, text=text)
        types[span] = entity_type
        tags[span.start : span.end] = [f"B-{entity_type}", *[f"I-{entity_type}"] * (span.end - span.start - 1)]
    return tuple(tags)


def _parse_entity(entity: object, number: int, sentence: Sentence, issues: list[Issue]) -> tuple[Span, str]:
    """Return the words of an entity and its type; an entity inside a word is widened to the word."""
    name = f"entity {number}"
    characters = sentence.parse_span(entity, name)
    entity_type = entity.get("type") if isinstance(entity, Mapping) else None
    if not isinstance(entity_type, str) or not entity_type.strip():
        raise RecordError("entity-type-missing", number=number, type=entity_type)
    entity_type = entity_type.strip()
    if entity_type[:2] in ("B-", "I-"):
        issues.append(Issue(Message("entity-type-like-tag", number=number, type=entity_type), "repaired"))
    span = sentence.touched_words(characters)
    widened = sentence.characters(span)
    if widened != characters:
        message = Message("span-inside-word", name=name, text=characters.text, widened=widened.text)
        issues.append(Issue(message, "repaired"))
    return span, entity_type
