"""Training, evaluation and prediction read a record alike: preprocess and eval, predict --input, and Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny
from PIL import Image
from raising import raises

import hvpkit
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError
from hvpkit.messages import Message, messages_to_json
from hvpkit.records.codec import box_to_json
from hvpkit.records.json_lines import read_json_lines
from hvpkit.types import SPLITS, Example

PER, LOC = {"start": 0, "end": 3, "type": "PER"}, {"start": 13, "end": 17, "type": "LOC"}
ENTITIES = {"id": "x", "text": "Ada lives in Oslo", "entities": [PER, LOC], "image": "a.png"}
WORDS = ("Ada", "lives", "in", "Oslo")
RELATION = "/per/loc/place_of_residence"
PAIR = {"id": "x", "text": "Ada loves #OsloFjord", "relation": RELATION, "image": "a.png"}
CUT = ("Ada", "loves", "#", "Oslo", "Fjord")


@dataclass(frozen=True)
class Row:
    """A record with labels, and what every reader returns for it.

    Attributes:
        record: Record with labels.
        words: Words.
        image: Whether there is an image.
        pair: Texts of head and tail.
        boxes: Boxes of the objects.
        codes: Codes of the issues.
        label_codes: Codes of issues of labels, which only those who read labels have.
    """

    record: dict
    words: tuple[str, ...] = WORDS
    image: bool = True
    pair: tuple[str, str] | None = None
    boxes: tuple[list[float], ...] = ()
    codes: tuple[str, ...] = ()
    label_codes: tuple[str, ...] = ()


def objects(*boxes: list[float]) -> list[dict]:
    return [{"box": box, "score": 0.5} for box in boxes]


ROWS = {
    "image-empty": Row({**ENTITIES, "image": ""}, image=False),
    "image-null": Row({**ENTITIES, "image": None, "head": None, "relation": None}, image=False),
    "blank-token": Row(
        {
            "id": "x",
            "tokens": ["Ada", " ", "lives", "in", "\u00a0", "Oslo"],
            "tags": ["B-PER", "O", "O", "O", "O", "B-LOC"],
            "image": "a.png",
        },
        codes=("blank-token", "blank-token"),
    ),
    "blank-token-pair": Row(
        {"id": "x", "tokens": ["Ada", " ", "lives", "Oslo"], "head": [0, 2], "tail": [3, 4], "relation": RELATION},
        words=("Ada", "lives", "Oslo"),
        image=False,
        pair=("Ada", "Oslo"),
        codes=("blank-token",),
    ),
    "box-in-0-1": Row(
        {**ENTITIES, "objects": objects([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1], [4, 6, 30, 34])},
        boxes=([4, 6, 30, 34],),
        codes=("box-relative", "box-relative"),
    ),
    "box-outside": Row(
        {**ENTITIES, "objects": objects([48, 0, 60, 9], [-8, 6, 30, 60])},
        boxes=([0, 6, 30, 40],),
        codes=("box-outside", "box-clipped"),
    ),
    "mention-inside-word": Row(
        {**PAIR, "head": {"start": 0, "end": 3}, "tail": {"start": 11, "end": 15}},
        words=CUT,
        pair=("Ada", "Oslo"),
        codes=("mention-inside-word",),
    ),
    "head-inside-word": Row(
        {**PAIR, "head": "Oslo", "tail": [15, 20]},
        words=CUT,
        pair=("Oslo", "Fjord"),
        codes=("mention-inside-word", "mention-inside-word"),
    ),
    "entity-inside-word": Row(
        {**ENTITIES, "text": "Ada loves #OsloFjord", "entities": [PER, {"start": 11, "end": 15, "type": "LOC"}]},
        words=("Ada", "loves", "#", "OsloFjord"),
        label_codes=("span-inside-word",),
    ),
}
ISSUE_CODES = {code for row in ROWS.values() for code in row.codes + row.label_codes}


@dataclass(frozen=True)
class Reading:
    """What one reader returns for a record.

    Attributes:
        pair: Texts of head and tail.
        boxes: Boxes of the objects.
        image_used: Whether the model saw an image.
        confidences: Probability of each predicted entity with its text and type, or of each relation.
    """

    pair: tuple[str, str] | None
    boxes: tuple[list[float], ...]
    image_used: bool
    confidences: dict


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder with an image, d/a.png, and keep image features at full precision."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HVPKIT_CACHE", "none")
    return tiny.draw(tmp_path / "d" / "a.png", 5, (48, 40)).parent


def read_lines(file: str) -> list[dict]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def prepare(hvp, folder: Path, rows: list[Row]) -> tuple[list[Example], list[list[str]]]:
    """Return the prepared examples, and the codes of the issues of each."""
    for split in SPLITS:
        lines = "".join(json.dumps({**row.record, "id": str(number)}) + "\n" for number, row in enumerate(rows))
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    report = json.loads(hvp("preprocess", "./d", "--detector", "none", "--json").out)
    issues = [issue for issue in report["problems"] if issue["split"] == "test"]
    issues = [issue for issue in issues if issue["code"] != "text-in-two-splits"]  # all splits have the same records
    assert all(issue["count"] == len(issue["places"]) and not issue["skipped"] for issue in issues)
    places = [
        (place.partition("test.jsonl:")[2].partition(":")[0], issue["code"])
        for issue in issues
        for place in issue["places"]
    ]
    codes = [[code for line, code in places if line == str(number)] for number in range(1, len(rows) + 1)]
    return open_prepared(Path("data/d")).examples("test"), codes


def evaluate(hvp, model: Path, examples: list[Example]) -> list[Reading]:
    typed = hvp("eval", str(model), "--data", "data/d", "--split", "test", "--predictions", "eval.jsonl")
    assert typed.code == 0, typed.err
    return [evaluated(record, example) for record, example in zip(read_lines("eval.jsonl"), examples, strict=True)]


def evaluated(record: dict, example: Example) -> Reading:
    words, boxes = record["words"], tuple(box_to_json(item.box) for item in example.objects)
    if "relation" in record:
        pair = tuple(" ".join(words[record[role]["start"] : record[role]["end"]]) for role in ("head", "tail"))
        return Reading(pair, boxes, example.image is not None, record["probabilities"])
    entities = {
        (" ".join(words[entity["start"] : entity["end"]]), entity["type"]): entity["confidence"]
        for entity in record["predicted"]
    }
    return Reading(None, boxes, example.image is not None, entities)


def predict_file(hvp, model: Path) -> tuple[list[Reading], list[list[str]]]:
    """Return the predictions of `hvp predict --input`, and the notes of each."""
    typed = hvp("predict", "--model", str(model), "--input", "d/test.jsonl", "--output", "out.jsonl")
    assert typed.code == 0, typed.err
    records = read_lines("out.jsonl")
    return [predicted(record) for record in records], [record["notes"] for record in records]


def predicted(record: dict) -> Reading:
    boxes, image_used = tuple(item["box"] for item in record.get("objects", ())), record["image_used"]
    if "relation" in record:
        return Reading(
            (record["head"]["text"], record["tail"]["text"]), boxes, image_used, record["relation"]["probabilities"]
        )
    entities = {(entity["text"], entity["type"]): entity["confidence"] for entity in record["entities"]}
    return Reading(None, boxes, image_used, entities)


def predict_in_python(model: Path, rows: list[Row]) -> tuple[list[Reading], list[tuple[Message, ...]]]:
    """Return the predictions of Python, with an opened image, and the notes of each."""
    predictor = hvpkit.load(model, device="cpu")
    opened = Image.open("d/a.png")
    records = [{**row.record, "image": opened if row.record.get("image") else row.record.get("image")} for row in rows]
    predictions = list(predictor.predict_many(records))
    readings = [predicted(prediction.to_dict()) for prediction in predictions]
    return readings, [prediction.notes for prediction in predictions]


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_a_record_is_read_alike_at_every_door(task, hvp, folder, mner_model, mre_model):
    rows = [row for row in ROWS.values() if (row.pair is None) == (task == "mner")]
    model = mner_model if task == "mner" else mre_model
    examples, codes = prepare(hvp, folder, rows)
    readings = evaluate(hvp, model, examples)
    from_file, file_notes = predict_file(hvp, model)
    from_python, python_notes = predict_in_python(model, rows)
    assert file_notes == [messages_to_json(notes) for notes in python_notes]
    for number, row in enumerate(rows):
        assert examples[number].words == row.words
        assert sorted(codes[number]) == sorted(row.codes + row.label_codes)
        issue_codes = [note.code for note in python_notes[number] if note.code in ISSUE_CODES]
        assert issue_codes == list(row.codes)
        for reading in (readings[number], from_file[number], from_python[number]):
            assert (reading.pair, reading.boxes, reading.image_used) == (row.pair, row.boxes, row.image)
            assert reading.confidences == pytest.approx(readings[number].confidences, abs=1e-6)
        assert readings[number].confidences


def test_a_file_in_another_encoding_is_refused_at_every_door(hvp, folder, mner_model):
    for split in SPLITS:
        content = "".join(json.dumps(ENTITIES) + "\n" for _ in range(3))
        (folder / f"{split}.jsonl").write_bytes(content.encode("utf-16"))
    for command in (
        ("preprocess", "./d", "--detector", "none"),
        ("predict", "--model", str(mner_model), "--input", "d/test.jsonl", "--output", "out.jsonl"),
    ):
        typed = hvp(*command)
        assert (typed.code, typed.errors) == (2, ["not-utf8"])
    assert not Path("out.jsonl").exists()
    with raises(DataError, "not-utf8"):
        list(read_json_lines(folder / "test.jsonl"))
