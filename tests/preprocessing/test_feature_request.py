from __future__ import annotations

import pytest
from raising import raises

from hvpkit.errors import InputError
from hvpkit.preprocessing.detection_request import parse_detector_options
from hvpkit.preprocessing.feature_request import FeatureRequest, split_settings
from hvpkit.preprocessing.preprocess import preprocess
from hvpkit.synthetic.reader import resolve_demo_name


def test_settings_of_the_recipe_are_separated_from_options_of_the_detector():
    settings = ["vision.weights=a", "weights=b", "train={lr: 1}", "batch=2", "visions.x=1"]
    assert split_settings(settings) == (
        ["vision.weights=a", "train={lr: 1}"],
        ["weights=b", "batch=2", "visions.x=1"],
    )


def test_detector_options_are_yaml_values():
    assert parse_detector_options(["weights=./owl", "size=3", "fast=true"]) == {
        "weights": "./owl",
        "size": 3,
        "fast": True,
    }
    with raises(InputError, "detector-options-invalid"):
        parse_detector_options(["size"])


@pytest.mark.parametrize(
    ("name", "task", "options", "resolved"),
    [
        ("demo", None, (), "demo"),
        ("demo", "mre", (), "demo-mre"),
        ("demo", "mner", ("size",), "demo"),
        ("demo-mre", None, ("seed",), "demo-mre"),
        ("twitter2017", None, (), "twitter2017"),
    ],
)
def test_demo_names_depend_on_the_task(name, task, options, resolved):
    assert resolve_demo_name(name, task, options) == resolved


def test_features_need_images(tmp_path):
    with raises(InputError, "features-with-text-only"):
        preprocess("demo", output=tmp_path / "out", text_only=True, features=FeatureRequest("hvpnet_mner"))
    with raises(InputError, "features-without-images"):
        preprocess("demo", output=tmp_path / "out", features=FeatureRequest("bert_crf_mner"))
    assert not (tmp_path / "out").exists()
