"""Write examples in the formats of other programs, such that reading them again gives the same examples."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvpkit.data.readers.conll import DOCUMENT_START, IMAGE_ID
from hvpkit.data.readers.spacy_docs import STORED
from hvpkit.errors import DataError
from hvpkit.records.codec import example_to_json
from hvpkit.types import Example, Span, Task

Write = Callable[[Iterable[Example], Path], int]


@dataclass(frozen=True)
class Writer:
    """Format that examples can be written in.

    Attributes:
        suffix: Ending of its files.
        write: Function that writes the examples of a split to a file, and returns their number.
        tasks: Tasks that it has a form for.
        has_objects: Whether it has a place for the objects of an image.
    """

    suffix: str
    write: Write
    tasks: tuple[Task, ...] = ("mner", "mre")
    has_objects: bool = False


def write_jsonl(examples: Iterable[Example], file: Path) -> int:
    """Write JSON Lines of the own form; the paths of images are relative to the file."""
    return _write_lines(file, (json.dumps(_record(example, file), ensure_ascii=False) for example in examples))


def write_conll(examples: Iterable[Example], file: Path) -> int:
    """Write a token and its tag on each line, with the id and image of a sentence in comments.

    Raises:
        DataError: "word-not-writable" if a word has a tab or line end, or looks like a line of another kind.
    """

    def sentences() -> Iterator[str]:
        for example in examples:
            record = _record(example, file)
            comments = [f"# {key} = {record[key]}" for key in ("id", "image") if key in record]
            for word in example.words:
                if any(character in word for character in "\t\n\r") or word.startswith((DOCUMENT_START, IMAGE_ID)):
                    raise DataError("word-not-writable", id=example.id, word=word, format="conll")
            words = zip(example.words, example.tags or (), strict=True)
            yield "\n".join((*comments, *(f"{word}\t{tag}" for word, tag in words), ""))

    return _write_lines(file, sentences())


def write_gliner(examples: Iterable[Example], file: Path) -> int:
    """Write a JSON array with `tokenized_text` and `ner`, and the id and image of each sentence."""
    records = []
    for example in examples:
        record = _record(example, file)
        kept: dict[str, Any] = {key: record[key] for key in ("id", "image") if key in record}
        entities = [[start, end - 1, kind] for start, end, kind in _entities(example)]
        records.append({"tokenized_text": list(example.words), "ner": entities, **kept})
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    file.write_text(f"[{lines}]\n", encoding="utf-8", newline="\n")
    return len(records)


def write_doc_bin(examples: Iterable[Example], file: Path) -> int:
    """Write a DocBin with a token for each word and the entities in `doc.ents`.

    Raises:
        DataError: "spacy-missing".
    """
    try:
        import spacy
        from spacy.tokens import Doc, DocBin
        from spacy.tokens import Span as DocSpan
    except ImportError as error:
        raise DataError("spacy-missing", file=file) from error
    vocab, count = spacy.blank("xx").vocab, 0
    documents = DocBin(store_user_data=True)
    for example in examples:
        doc = Doc(vocab, words=list(example.words))
        doc.ents = [DocSpan(doc, start, end, label=kind) for start, end, kind in _entities(example)]
        record = _record(example, file)
        stored = {key: value for key, value in record.items() if key not in ("tokens", "tags")}
        doc.user_data[STORED] = {**stored, "has_tags": example.tags is not None}
        documents.add(doc)
        count += 1
    documents.to_disk(file)
    return count


WRITERS = {
    "jsonl": Writer(".jsonl", write_jsonl, has_objects=True),
    "conll": Writer(".conll", write_conll, ("mner",)),
    "docbin": Writer(".spacy", write_doc_bin, has_objects=True),
    "gliner": Writer(".json", write_gliner, ("mner",)),
}


def _record(example: Example, file: Path) -> dict[str, Any]:
    """Return the record of the own form, with images relative to the folder of the file."""
    folder = Path(os.path.abspath(file)).parent
    record = example_to_json(example, Path(folder.anchor))
    own: dict[str, Any] = {"id": record["id"], "tokens": record["words"]}
    own |= {key: record[key] for key in ("tags", "relation") if key in record}
    own |= {key: {"start": span.start, "end": span.end} for key, span in _spans(example)}
    if isinstance(example.image, Path):
        own["image"] = _relative(example.image, folder)
    if example.objects:
        own["objects"] = [
            {**item, "image": _relative(Path(folder.anchor, item["image"]), folder)} if "image" in item else item
            for item in record["objects"]
        ]
    return own


def _spans(example: Example) -> Iterator[tuple[str, Span]]:
    yield from ((key, span) for key, span in (("head", example.head), ("tail", example.tail)) if span is not None)


def _relative(image: Path, folder: Path) -> str:
    return Path(os.path.relpath(image, folder)).as_posix()


def _entities(example: Example) -> list[tuple[int, int, str]]:
    """Return the first word, the first word after, and the type of each entity."""
    entities: list[tuple[int, int, str]] = []
    for position, tag in enumerate(example.tags or ()):
        if tag[0] == "B":
            entities.append((position, position + 1, tag[2:]))
        elif tag[0] == "I":
            start, _, kind = entities[-1]
            entities[-1] = (start, position + 1, kind)
    return entities


def _write_lines(file: Path, lines: Iterable[str]) -> int:
    count = 0
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for line in lines:
            stream.write(f"{line}\n")
            count += 1
    return count
