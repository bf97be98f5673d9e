"""Objects of a dataset while it is prepared: boxes, files to keep, bad images, stopping and going on.

Settings that travel.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import tiny
from fabricate import draw, write, write_crop_list, write_lines
from PIL import Image, ImageDraw
from raising import raises
from sklearn.datasets import load_sample_images

from hvpkit.config.loading import load_recipe
from hvpkit.data.prepared import open_prepared
from hvpkit.detection.pipeline import DetectionPipeline
from hvpkit.detection.saliency import SaliencyDetector
from hvpkit.errors import (
    ComponentError,
    DataError,
    ImageError,
    InputError,
    MissingImageError,
    ModelFolderError,
    did_you_mean,
)
from hvpkit.inference.predictor import Predictor
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.preprocessing.preprocess import preprocess
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.training.train import with_detection_settings

SALIENCY = DetectionRequest("saliency")


def disc(file, left=20, size=(120, 90)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((left, 20, left + 50, 70), fill="navy")
    image.save(file)


@pytest.fixture
def mine(tmp_path):
    """Six sentences: three discs of which two are one file, a photograph, an image without an object, none at all."""
    folder = tmp_path / "mine"
    folder.mkdir()
    disc(folder / "a.png")
    disc(folder / "b.png", 60)
    Image.fromarray(load_sample_images().images[1]).save(folder / "flower.jpg")
    draw(folder / "plain.png", (60, 60))
    records = [{"id": str(i), "tokens": ["Ann", "sings"], "tags": ["B-PER", "O"]} for i in range(6)]
    for record, image in zip(records, ("a.png", "b.png", "a.png", "flower.jpg", "plain.png"), strict=False):
        record["image"] = image
    write_lines(folder / "train.jsonl", records)
    return folder


def prepared(mine, request=SALIENCY, name="data"):
    report = preprocess(str(mine), output=mine.parent / name, objects=request)
    return report, open_prepared(report.folder)


def lines(data):
    return [json.loads(line) for line in (data.folder / "objects.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("sign", ["漢", "😀", "a"])
def test_long_ids_have_crops_of_their_own(mine, sign):
    records = [json.loads(line) for line in (mine / "train.jsonl").read_text().splitlines()]
    write_lines(mine / "train.jsonl", [record | {"id": sign * 120 + record["id"]} for record in records])
    _, data = prepared(mine)
    crops = [line["crop"] for line in lines(data)]
    assert len(set(crops)) == len(crops) > 3
    assert all((data.folder / crop).is_file() for crop in crops)


def test_boxes_are_added_to_examples_and_stored_with_crops(mine):
    report, data = prepared(mine)
    examples = data.examples("train")
    assert [len(example.objects) for example in examples] == [1, 1, 1, len(examples[3].objects), 0, 0]
    assert examples[3].objects
    assert (report.splits["train"].objects, report.splits["train"].without_object) == (
        sum(len(e.objects) for e in examples),
        1,
    )
    first = lines(data)[0]
    assert set(first) == {"example", "split", "image", "phrase", "box", "score", "crop", "detector", "version"}
    assert (first["example"], first["image"], first["detector"], first["version"]) == (
        "0",
        "a.png",
        "saliency",
        SaliencyDetector.version,
    )
    box = examples[0].objects[0].box
    assert first["box"] == [box.left, box.top, box.right, box.bottom]
    with Image.open(data.folder / first["crop"]) as crop:
        assert abs(crop.width - 50) <= 6


def test_saliency_is_what_data_without_objects_gets_offline(mine):
    assert prepared(mine, DetectionRequest())[1].objects.detector.name == "saliency"
    assert prepared(mine, DetectionRequest("none"), "left")[1].objects is None


def test_objects_of_the_data_stay_unless_a_detector_is_named(mine):
    write_lines(
        mine / "train.jsonl",
        [{"tokens": ["Ann"], "tags": ["B-PER"], "image": "a.png", "objects": [{"box": [1, 2, 30, 40]}]}],
    )
    _, data = prepared(mine, DetectionRequest())
    assert (data.objects, data.examples("train")[0].objects[0].box.right) == (None, 30)
    assert prepared(mine)[1].examples("train")[0].objects[0].score is not None


def test_a_bad_image_among_many_is_reported_and_has_no_object(mine):
    write(mine / "b.png", "<!DOCTYPE html>")
    write(mine / "flower.jpg", (mine / "flower.jpg").read_bytes()[:3000])
    report, data = prepared(mine)
    assert [len(example.objects) for example in data.examples("train")] == [1, 0, 1, 0, 0, 0]
    assert report.splits["train"].images_unreadable == 2


def test_image_without_its_crops_is_reported_and_has_no_objects(mine):
    crops = draw(mine.parent / "crops" / "a_0.png").parent
    source = mine.parent / "train_dict.pth"
    write_crop_list(source, {"a.png": ["a_0.png"], "b.png": ["b_0.png"]})
    report, data = prepared(mine, DetectionRequest("annotated", {"source": str(source), "crops": str(crops)}))
    assert [len(example.objects) for example in data.examples("train")] == [1, 0, 1, 0, 0, 0]
    [problem] = report.problems
    assert (problem.split, problem.code, problem.skipped, problem.count) == ("train", "detection-failed", False, 1)
    reason = problem.messages[0].fields["reason"]
    assert (reason.code, reason.fields) == ("crops-missing", {"example": "1", "names": ["b_0.png"]})
    assert problem.places == problem.messages


def test_interrupted_run_continues_without_detecting_again(mine, monkeypatch):
    looked = []
    propose = SaliencyDetector.detect

    def stopped(self, queries):
        if len(looked) == 2:
            raise KeyboardInterrupt
        looked.extend(query.example.id for query in queries)
        return propose(self, queries)

    request = DetectionRequest("saliency", batch_size=1)
    monkeypatch.setattr(SaliencyDetector, "detect", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepared(mine, request)
    assert (mine.parent / ".data-objects.sqlite3").is_file()

    def counted(self, queries):
        looked.extend(query.example.id for query in queries)
        return propose(self, queries)

    monkeypatch.setattr(SaliencyDetector, "detect", counted)
    _, data = prepared(mine, request)
    assert sorted(looked) == ["1", "2", "3", "4"]  # 0 and 2 share one image
    assert not list(mine.parent.glob(".data-objects*"))
    monkeypatch.setattr(SaliencyDetector, "detect", propose)
    assert data.examples("train") == prepared(mine, name="whole")[1].examples("train")


def test_contact_sheet_shows_boxes_and_images_without_objects_and_runs_no_script(mine):
    write_lines(
        mine / "train.jsonl",
        [
            {"id": f"<script>{i}", "tokens": ["<b>Ann"], "tags": ["B-PER"], "image": image}
            for i, image in enumerate(("a.png", "plain.png"))
        ],
    )
    report, data = prepared(mine, DetectionRequest("saliency", preview=5))
    page = report.preview.read_text()
    assert page.count("<figure>") == 2
    assert page.count("<rect") == len(lines(data)) == 1
    assert page.count('class="none"') == 1
    assert "<script" not in page
    assert "<b>Ann" not in page
    assert "http" not in page


def test_phrases_are_looked_for_one_by_one_by_a_detector(mine, detector_folder):
    options = {"weights": str(detector_folder("owlv2"))}
    request = DetectionRequest(
        "owlv2", options, phrases=("rules", "types"), threshold=0.0, nms_iou=1.0, min_size=1, max_objects=20
    )
    _, data = prepared(mine, request)
    found = {line["phrase"] for line in lines(data) if line["example"] == "0"}
    assert found
    assert found <= {"Ann", "person", "location", "organization", "miscellaneous"}
    assert data.objects.phrases == ["rules", "types"]
    assert data.objects.detector.options == options
    assert len(data.objects.version) == 16


@pytest.mark.parametrize(
    ("request_", "error", "code", "fields"),
    [
        (
            DetectionRequest("salency"),
            ComponentError,
            "unknown-component",
            {"name": "salency", "hint": did_you_mean("salency", ["saliency"])},
        ),
        (
            DetectionRequest("saliency", {"size": 3}),
            ComponentError,
            "unknown-option",
            {"name": "saliency", "option": "size"},
        ),
        (
            DetectionRequest("owlv2", {"weights": 3}),
            ComponentError,
            "option-wrong-type",
            {"name": "owlv2", "option": "weights"},
        ),
        (
            DetectionRequest("saliency", phrases=("rules",)),
            InputError,
            "detector-ignores-phrases",
            {"detector": "saliency"},
        ),
        (DetectionRequest("owlv2", phrases=("mentions",)), InputError, "mentions-need-pairs", {}),
        (
            DetectionRequest(threshold=0.3),
            InputError,
            "detector-not-named",
            {"options": ["--threshold"], "detector": "saliency"},
        ),
    ],
)
def test_unusable_detector_is_refused_and_nothing_is_written(mine, request_, error, code, fields):
    with raises(error, code, **fields):
        prepared(mine, request_)
    assert sorted(path.name for path in mine.parent.iterdir()) == ["mine"]


def test_a_detector_without_its_weights_is_refused_and_nothing_is_left(mine):
    with raises(ModelFolderError, "pretrained-folder-missing", folder="./none"):
        prepared(mine, DetectionRequest("owlv2", {"weights": "./none"}))
    assert sorted(path.name for path in mine.parent.iterdir()) == ["mine"]


# ------------------------------------------------------------------------------------------------- into the recipe, and
# predict
def model_of(data, folder, *overrides):
    written = tiny.recipe(folder, data.folder, "mner", overrides=("vision.backbone=cnn-from-scratch", *overrides))
    return tiny.save_tiny_model(folder / "model", with_detection_settings(data, written), data)


def test_predict_detects_objects_as_for_training(mine, tmp_path):
    _, data = prepared(mine, DetectionRequest("saliency", threshold=0.3, max_objects=2))
    predictor = Predictor.open(model_of(data, tmp_path / "m"))
    assert predictor.folder.recipe.data.objects == data.objects
    example = data.examples("train")[3]
    assert predictor.predict(list(example.words), example.image).objects == example.objects[:2]
    assert predictor.predict(list(example.words), example.image, objects=[]).objects == ()
    assert Predictor(predictor.folder, detect_objects=False).predict(list(example.words), example.image).objects == ()
    [note] = predictor.predict("Ann", mine / "plain.png").notes
    assert (note.code, note.fields) == ("no-object-detected", {"detector": "saliency", "threshold": 0.3})
    missing = next(predictor.predict_many([{"text": "Ann", "image": mine / "none.png"}]))
    assert (type(missing), missing.code, missing.fields["file"]) == (
        MissingImageError,
        "image-missing",
        mine / "none.png",
    )


def test_image_of_several_pairs_is_detected_once(mine, tmp_path, monkeypatch):
    _, data = prepared(mine)
    predictor, looked, propose = Predictor.open(model_of(data, tmp_path / "m")), [], SaliencyDetector.detect

    def watched(self, queries):
        looked.extend(query.example.image.name for query in queries)
        return propose(self, queries)

    monkeypatch.setattr(SaliencyDetector, "detect", watched)
    asked = [
        {"text": text, "image": mine / name}
        for text, name in (("Ann", "a.png"), ("Ada", "plain.png"), ("Bob", "a.png"), ("Ida", "a.png"))
    ]
    ann, ada, bob, ida = predictor.predict_many(asked)
    assert sorted(looked) == ["a.png", "plain.png"]
    assert ann.objects == bob.objects == ida.objects != ada.objects
    assert [note.code for note in ada.notes] == ["no-object-detected"] and ann.objects


def test_shared_image_is_searched_for_the_phrases_of_each_text(mine, tmp_path, detector_folder):
    options = {"weights": str(detector_folder("owlv2"))}
    _, data = prepared(
        mine,
        DetectionRequest("owlv2", options, phrases=("rules",), threshold=0.0, nms_iou=1.0, min_size=1, max_objects=3),
    )
    predictor = Predictor.open(model_of(data, tmp_path / "m"))
    asked = [{"text": f"{name} sings", "image": mine / "a.png"} for name in ("Ann", "Bob")]
    found = [{thing.phrase for thing in one.objects} for one in predictor.predict_many(asked)]
    assert found == [{"Ann"}, {"Bob"}]


def test_other_version_of_the_detector_is_noted(mine, tmp_path, monkeypatch):
    _, data = prepared(mine)
    predictor = Predictor.open(model_of(data, tmp_path / "m"))
    monkeypatch.setattr(SaliencyDetector, "version", "later")
    [note] = predictor.predict("Ann", mine / "a.png").notes
    assert note.code == "detector-version-changed"
    assert note.fields == {"detector": "saliency", "found": "later", "expected": "1"}


def test_model_with_annotated_objects_is_noted(mine, tmp_path):
    write_lines(
        mine / "train.jsonl",
        [{"tokens": ["Ann"], "tags": ["B-PER"], "image": "a.png", "objects": [{"box": [1, 2, 30, 40]}]}],
    )
    _, data = prepared(mine, DetectionRequest("annotated"))
    found = Predictor.open(model_of(data, tmp_path / "m")).predict("Ann", mine / "a.png")
    assert found.objects == ()
    assert [note.code for note in found.notes] == ["objects-not-given"]


@pytest.mark.parametrize(("trained_with", "notes"), [(3, 1), (0, 0), (None, 1)])
def test_model_with_unknown_detection_is_noted_unless_it_had_no_objects(mner_model, mner_data, trained_with, notes):
    folder = open_model_folder(mner_model)
    assert folder.recipe.data.objects is None
    known = {"training": {} if trained_with is None else {"with_objects": trained_with}}
    example = next(example for example in mner_data.examples("train") if example.image)
    found = Predictor(replace(folder, metrics=folder.metrics | known)).predict(list(example.words), example.image)
    assert [note.code for note in found.notes] == ["objects-not-given"] * notes


def test_missing_detector_is_reported_with_advice(mine, tmp_path, detector_folder):
    _, data = prepared(mine, DetectionRequest("owlv2", {"weights": str(detector_folder("owlv2"))}, threshold=0.0))
    model = model_of(data, tmp_path / "m")
    text = (model / "recipe.yaml").read_text()
    (model / "recipe.yaml").write_text(text.replace(str(detector_folder("owlv2")), str(tmp_path / "gone")))
    with raises(ModelFolderError, "model-detector-unavailable", detector="owlv2"):
        Predictor(open_model_folder(model)).predict("Ann", mine / "a.png")


def test_recipe_with_other_detection_than_its_data_is_refused(mine, tmp_path):
    _, data = prepared(mine)
    file = tmp_path / "m" / "tiny.yaml"
    tiny.recipe(tmp_path / "m", data.folder, "mner")
    with raises(
        DataError,
        "objects-mismatch",
        data=data.folder,
        location="--set data.objects={detector: saliency, threshold: 0.9}",
    ):
        with_detection_settings(data, load_recipe(file, ["data.objects={detector: saliency, threshold: 0.9}"]))
    text_only = load_recipe(file, ["data.text_only=true"])
    assert with_detection_settings(data, text_only) == text_only


def test_pipeline_returns_the_error_of_an_image_at_its_position(mine):
    _, data = prepared(mine)
    examples = data.examples("train")[:3]
    write(mine / "b.png", "")
    finder = DetectionPipeline.open(data.objects, load_registry())
    found = list(finder.detect([(example, None) for example in examples]))
    assert (type(found[1]), found[1].code, found[1].fields["file"].name) == (ImageError, "image-empty", "b.png")
    assert (found[0], found[2]) == (examples[0].objects, examples[2].objects)
