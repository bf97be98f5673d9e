"""The public Python API, from own data to an explanation."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from raising import raises

import hvpkit
from hvpkit.errors import DataError, InputError, RecipeError
from hvpkit.records.issues import RecordError

ADA = {"tokens": ["Ada", "in", "Paris"], "tags": ["B-PER", "O", "B-LOC"], "image": "ada.png"}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny.draw(tmp_path / "mine" / "ada.png")
    for split, count in (("train", 8), ("dev", 4), ("test", 4)):
        lines = [json.dumps(ADA | {"id": f"{split}{number}"}) + "\n" for number in range(count)]
        (tmp_path / "mine" / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_every_public_name_is_exported_and_documented():
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    for name in set(hvpkit.__all__) - {"__version__"}:
        assert getattr(hvpkit, name).__doc__
        assert name in page, name
    assert set(hvpkit.__all__) <= set(dir(hvpkit))
    with pytest.raises(AttributeError):
        _ = hvpkit.nothing


def test_importing_hvpkit_imports_no_torch():
    program = "import sys, hvpkit; hvpkit.__version__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_whole_way_from_own_data_to_an_explanation(here, mner_data):
    data = hvpkit.preprocess("mine", detector="saliency")
    assert (data.folder, data.manifest.name) == (Path("data/mine"), "mine")
    recipe = tiny.recipe(here, data.folder, "mner")
    trained = hvpkit.train(recipe, data=data, output="runs/a", settings={"train.epochs": 1}, device="cpu")
    assert (trained.folder, trained.best_epoch) == (Path("runs/a"), 1)
    model = trained.load(device="cpu")
    assert isinstance(model, hvpkit.EntityPredictor)
    prediction = model.predict(text="Ada in Paris", image="mine/ada.png")
    assert prediction.text == "Ada in Paris" and prediction.image_used
    evaluation = model.evaluate()
    assert evaluation.scores == trained.test == hvpkit.evaluate("runs/a").scores
    assert evaluation.scores.examples == 4
    explained = model.explain(text="Ada in Paris", image="mine/ada.png")
    page = explained.to_html("page.html")
    assert Path("page.html").read_text(encoding="utf-8") == page
    assert explained.to_dict()["prediction"] == prediction.to_dict()
    json.dumps(explained.to_dict())


def test_settings_override_a_recipe_and_bad_ones_are_named(here, mner_data):
    recipe = tiny.recipe(here, mner_data.folder, "mner", images=False)
    trained = hvpkit.train(recipe, output="b", settings={"train.epochs": 1, "train.seed": 3}, device="cpu")
    assert trained.metrics["seed"] == 3
    with raises(RecipeError, "recipe-invalid") as caught:
        hvpkit.train(recipe, output="c", settings={"train.epoch": 1})
    [problem] = caught.value.problems
    assert (problem.location, problem.message.code) == ("--set train.epoch=1", "unknown-key")
    with raises(InputError, "output-exists"):
        hvpkit.train(recipe, output="b")


def test_a_model_has_the_type_of_its_task(mner_model, mre_model):
    entities, relations = hvpkit.load(mner_model, task="mner"), hvpkit.load(mre_model)
    assert isinstance(relations, hvpkit.RelationPredictor)
    assert relations.predict("Ada in Paris", head="Ada", tail="Paris").relation.label in relations.labels
    assert isinstance(next(entities.predict_many(["Ada in Paris"])), hvpkit.EntityPrediction)
    with raises(DataError, "task-mismatch", found="mner", expected="mre"):
        hvpkit.load(mner_model, task="mre")


def test_a_model_is_shown_in_short_and_can_be_pickled(mner_model):
    model = hvpkit.load(mner_model, device="cpu")
    assert repr(model) == f"EntityPredictor({str(mner_model)!r}, device='cpu')"
    assert "PER" in {label.partition("-")[2] for label in model.labels}
    assert model.recipe.task == "mner"
    again = pickle.loads(pickle.dumps(model))
    assert again.predict("Ada in Paris") == model.predict("Ada in Paris")


def test_misuse_is_refused_with_the_right_call(mner_model):
    model = hvpkit.load(mner_model, device="cpu")
    with raises(InputError, "several-texts", count=2):
        model.predict(["Ada in Paris", "Bob in Oslo"])
    for single in ("Ada in Paris", {"text": "Ada in Paris"}):
        with raises(InputError, "one-input-to-predict-many"):
            model.predict_many(single)
    with raises(RecordError, "pair-unexpected"):
        model.predict("Ada in Paris", head="Ada", tail="Paris")
    with raises(InputError, "batch-size-below-one", found=0):
        list(model.predict_many(["Ada"], batch_size=0))


def test_a_device_that_is_not_there_is_refused(mner_model):
    with raises(InputError, "device-unknown", found="gpu"):
        hvpkit.load(mner_model, device="gpu")


def test_type_checkers_know_the_predictions_of_a_task(tmp_path):
    program = (
        "import hvpkit\n"
        "for entity in hvpkit.load('a', task='mner').predict('x').entities:\n"
        "    print(entity.type.upper())\n"
        "print(hvpkit.load('b', task='mre').predict('x', head='a', tail='b').relation.label.upper())\n"
        "model = hvpkit.train('quickstart', settings={'train.epochs': 1}).load()\n"
        "print(model.evaluate(split='dev').scores.overall.f1 + 1.0)\n"
    )
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports",
        "silent",
        "--cache-dir",
        str(tmp_path / "cache"),
        "program.py",
    ]
    paths = {"MYPYPATH": str(Path(hvpkit.__file__).parents[1])}
    checked = subprocess.run(command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
