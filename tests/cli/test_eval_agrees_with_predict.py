"""Scores are those of the predictions that users get: after training, in `hvp eval`, `hvp predict` and Python."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import tiny

import hvpkit
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import InputError
from hvpkit.evaluation.evaluate import evaluate, score_predictions
from hvpkit.inference.inputs import PredictionInput
from hvpkit.inference.predictions import RelationPrediction
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.synthetic.generate import generate
from hvpkit.training.train import train
from hvpkit.types import Entity, Relation

CLOSE = 1e-6
FROZEN, TRAINED = (), ("vision.frozen=false",)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folders = {task: tmp_path_factory.mktemp(task) / "data" for task in ("mner", "mre")}
    for task, folder in folders.items():
        generate(folder, task=task, size=96)
    return {task: open_prepared(folder) for task, folder in folders.items()}


@pytest.fixture(scope="module", params=[("mner", FROZEN), ("mre", FROZEN), ("mre", TRAINED)], ids=str)
def trained(request, data, tmp_path_factory):
    """A trained model, the result of its training, and its data."""
    task, overrides = request.param
    folder = tmp_path_factory.mktemp("model")
    recipe = tiny.recipe(folder, data[task].folder, task, overrides=overrides)
    result = train(recipe, load_registry(), folder / "model")
    return result, data[task]


def test_scores_after_training_are_those_of_the_saved_model(trained):
    result, _ = trained
    model = open_model_folder(result.folder)
    for split, scores in (("dev", result.dev), ("test", result.test)):
        assert asdict(evaluate(model, split).scores) == asdict(scores)


def input_record(line: str) -> dict:
    """Convert a line of prepared data to one of `hvp predict --input`."""
    record = json.loads(line)
    kept = {key: record[key] for key in ("id", "image", "head", "tail") if key in record}
    return kept | {"tokens": record["words"], "objects": record.get("objects", [])}


def as_decoded(record: dict, words: tuple[str, ...]):
    """Convert an output record of `hvp predict` to entities over words, a relation, or an error."""
    if "error" in record:
        return InputError(record["error"])
    if "relation" in record:
        relation = record["relation"]
        return Relation(relation["label"], relation["confidence"], tuple(relation["probabilities"].items()))
    starts = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
    ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
    return [
        Entity(starts.index(e["start"]), ends.index(e["end"]) + 1, e["type"], e["confidence"])
        for e in record["entities"]
    ]


def require_same(decoded, evaluated: dict) -> None:
    """Compare a prediction with a line of `hvp eval --predictions`."""
    if isinstance(decoded, InputError):
        assert str(decoded) == evaluated["error"]
        return
    if isinstance(decoded, Relation):
        assert decoded.label == evaluated["predicted"]
        assert dict(decoded.probabilities) == pytest.approx(evaluated["probabilities"], abs=CLOSE)
        return
    expected = evaluated["predicted"]
    assert [(e.start, e.end, e.type) for e in decoded] == [(e["start"], e["end"], e["type"]) for e in expected]
    assert [e.confidence for e in decoded] == pytest.approx([e["confidence"] for e in expected], abs=CLOSE)


def test_what_is_scored_is_what_predict_gives(hvp, trained, tmp_path):
    result, data = trained
    lines = (data.folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
    source = data.folder / "pairs.jsonl"  # beside the images
    source.write_text("".join(json.dumps(input_record(line)) + "\n" for line in lines), encoding="utf-8")
    evaluated_file, predicted_file = tmp_path / "eval.jsonl", tmp_path / "predict.jsonl"
    scores = json.loads(hvp("eval", str(result.folder), "--predictions", str(evaluated_file), "--json").out)["scores"]
    asked = ("predict", "--model", str(result.folder), "--input", str(source), "--output", str(predicted_file))
    assert hvp(*asked).code == 0
    evaluated = [json.loads(line) for line in evaluated_file.read_text(encoding="utf-8").splitlines()]
    predicted = [json.loads(line) for line in predicted_file.read_text(encoding="utf-8").splitlines()]
    examples = data.examples("test")
    decoded = [as_decoded(record, example.words) for record, example in zip(predicted, examples, strict=True)]
    for one, other in zip(decoded, evaluated, strict=True):
        require_same(one, other)
    assert sum(len(one) if isinstance(one, list) else 1 for one in decoded) > 10
    assert asdict(score_predictions(examples, decoded)) == scores


def test_one_text_in_python_is_predicted_as_it_is_scored(trained, tmp_path):
    result, data = trained
    evaluate(open_model_folder(result.folder), "test", predictions=tmp_path / "eval.jsonl")
    evaluated = [json.loads(line) for line in (tmp_path / "eval.jsonl").read_text(encoding="utf-8").splitlines()]
    predictor, examples = hvpkit.load(result.folder, device="cpu"), data.examples("test")
    for example, expected in list(zip(examples, evaluated, strict=True))[:8]:
        head, tail = (None if span is None else (span.start, span.end) for span in (example.head, example.tail))
        asked = PredictionInput(example.words, example.image, head, tail, example.objects)
        [prediction] = predictor.predict_many([asked])
        if isinstance(prediction, InputError):
            require_same(prediction, expected)
        elif isinstance(prediction, RelationPrediction):
            require_same(prediction.relation, expected)
        else:
            confidences = [entity.confidence for entity in prediction.entities]
            assert [entity.type for entity in prediction.entities] == [e["type"] for e in expected["predicted"]]
            assert confidences == pytest.approx([e["confidence"] for e in expected["predicted"]], abs=CLOSE)
