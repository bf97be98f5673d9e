"""Training, evaluation and prediction read a record alike: preprocess and eval, predict --input, and Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny
from raising import raises

import hvpkit
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError
from hvpkit.records.codec import box_to_json
from hvpkit.records.json_lines import read_json_lines
from hvpkit.types import SPLITS, EntityPrediction, RelationPrediction

PER, LOC = {"start": 0, "end": 3, "type": "PER"}, {"start": 13, "end": 17, "type": "LOC"}
ENTITIES = {"id": "x", "text": "Ada lives in Oslo", "entities": [PER, LOC], "image": "a.png"}
WORDS = ("Ada", "lives", "in", "Oslo")
RELATION = "/per/loc/place_of_residence"
PAIR = {"id": "x", "text": "Ada loves #OsloFjord", "relation": RELATION, "image": "a.png"}
CUT = ("Ada", "loves", "#", "Oslo", "Fjord")


@dataclass(frozen=True)
class Row:
    """A record and what every reader makes of it.

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


@dataclass(frozen=True)
class Reading:
    """What one reader makes of a record: the example, the codes of its issues, and the prediction.

    Attributes:
        words: Words; None where a prediction does not tell them.
        pair: Texts of head and tail.
        boxes: Boxes of the objects.
        codes: Codes of the issues.
        confidences: Probability of each predicted entity with its text and type, or of each relation.
    """

    words: tuple[str, ...] | None
    pair: tuple[str, str] | None
    boxes: tuple[list[float], ...]
    codes: tuple[str, ...]
    confidences: dict


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder with an image, d/a.png, and keep image features at full precision."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HVPKIT_CACHE", "none")
    return tiny.draw(tmp_path / "d" / "a.png", 5, (48, 40)).parent


def write(folder: Path, *records: dict) -> None:
    for split in SPLITS:
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")


def prepared_and_evaluated(hvp, model: Path) -> Reading:
    report = json.loads(hvp("preprocess", "./d", "--detector", "none", "--json").out)
    issues = [issue for issue in report["problems"] if issue["split"] == "test" and not issue["skipped"]]
    codes = tuple(issue["code"] for issue in issues for _ in range(issue["count"]))
    example = open_prepared(Path("data/d")).examples("test")[0]
    evaluated = hvp("eval", str(model), "--data", "data/d", "--split", "test", "--predictions", "eval.jsonl")
    assert evaluated.code == 0, evaluated.err
    record = json.loads(Path("eval.jsonl").read_text(encoding="utf-8").splitlines()[0])
    boxes = tuple(box_to_json(item.box) for item in example.objects)
    words = record["words"]
    if "probabilities" in record:
        pair = tuple(" ".join(words[record[role]["start"] : record[role]["end"]]) for role in ("head", "tail"))
        return Reading(tuple(words), pair, boxes, codes, record["probabilities"])
    entities = {
        (" ".join(words[entity["start"] : entity["end"]]), entity["type"]): entity["confidence"]
        for entity in record["predicted"]
    }
    return Reading(tuple(words), None, boxes, codes, entities)


def predicted_from_a_file(hvp, model: Path) -> tuple[Reading, list[str]]:
    predicted = hvp("predict", "--model", str(model), "--input", "d/test.jsonl", "--output", "out.jsonl")
    assert predicted.code == 0, predicted.err
    record = json.loads(Path("out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    boxes = tuple(item["box"] for item in record.get("objects", ()))
    if "probabilities" in record:
        pair = (record["head"]["text"], record["tail"]["text"])
        return Reading(None, pair, boxes, (), record["probabilities"]), record["notes"]
    entities = {(entity["text"], entity["type"]): entity["confidence"] for entity in record["entities"]}
    return Reading(None, None, boxes, (), entities), record["notes"]


def predicted_by_a_program(model: Path, row: Row) -> tuple[Reading, list[str]]:
    predictor = hvpkit.load(model, device="cpu")
    record = {**row.record, "image": "d/a.png"} if row.record.get("image") else row.record
    [found] = predictor.predict_many([record])
    boxes = tuple(box_to_json(item.box) for item in found.objects)
    known = {*row.codes, "box-clipped", "blank-token", "box-relative", "box-outside", "mention-inside-word"}
    codes = tuple(note.code for note in found.notes if note.code in known)
    if isinstance(found, RelationPrediction):
        reading = Reading(None, (found.head.text, found.tail.text), boxes, codes, dict(found.relation.probabilities))
    else:
        assert isinstance(found, EntityPrediction)
        entities = {(entity.text, entity.type): entity.confidence for entity in found.entities}
        reading = Reading(None, None, boxes, codes, entities)
    assert found.image_used == row.image
    return reading, [str(note) for note in found.notes]


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_record_is_read_alike_at_every_door(row, hvp, folder, mner_model, mre_model):
    other = {"id": "y", "text": "Ada left Oslo", "image": "a.png"}
    labels = {"entities": [PER]} if row.pair is None else {"head": "Ada", "tail": "Oslo", "relation": RELATION}
    write(folder, row.record, {**other, **labels})
    model = mner_model if row.pair is None else mre_model
    evaluated = prepared_and_evaluated(hvp, model)
    from_file, file_notes = predicted_from_a_file(hvp, model)
    from_program, program_notes = predicted_by_a_program(model, row)
    assert evaluated.words == row.words
    assert sorted(evaluated.codes) == sorted(row.codes + row.label_codes)
    assert from_program.codes == row.codes
    assert file_notes == program_notes
    for reading in (evaluated, from_file, from_program):
        assert (reading.pair, reading.boxes) == (row.pair, row.boxes)
        assert reading.confidences == pytest.approx(evaluated.confidences, abs=1e-6)
    assert evaluated.confidences


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
