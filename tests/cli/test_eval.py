from __future__ import annotations

import json

import pytest
import tiny

from hvpkit.data.demo.generate import generate
from hvpkit.data.prepared import open_prepared


@pytest.fixture(scope="module")
def demo_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    generate(folder / "data", size=48)
    data = open_prepared(folder / "data")
    return tiny.save_tiny_model(folder / "model", tiny.recipe(folder, data.folder, "mner", pictures=False), data)


def test_the_ceilings_stand_beside_the_score(hvp, demo_model):
    typed = hvp("eval", str(demo_model))
    assert typed.code == 0
    for said in ("text alone, at most", "with pictures, at most", "clue: texture", "no clue", "settled"):
        assert said in typed.out


def test_json_holds_scores_and_ceilings_by_group(hvp, demo_model):
    found = json.loads(hvp("eval", str(demo_model), "--json").out)
    assert set(found["groups"]["all"]) == {"examples", "gold", "text_ceiling", "f1", "picture_ceiling"}
    assert found["groups"]["all"]["text_ceiling"] < found["groups"]["all"]["picture_ceiling"]


def test_data_without_ceilings_is_scored_as_it_is(hvp, mner_text_model):
    typed = hvp("eval", str(mner_text_model))
    assert typed.code == 0
    assert "accuracy" in typed.out and "at most" not in typed.out


def test_a_missing_model_folder_is_one_short_message(hvp, tmp_path):
    typed = hvp("eval", str(tmp_path / "none"))
    assert (typed.code, typed.out) == (2, "")
    assert "there is no model folder" in typed.err
