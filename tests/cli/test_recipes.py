from __future__ import annotations

import json

from hvpkit.config.loading import load_recipe, shipped_recipes
from hvpkit.messages import message_to_json


def test_every_shipped_recipe_is_listed(hvp):
    typed = hvp("recipes", "--json")
    assert (typed.code, typed.err) == (0, "")
    listed = {r["name"]: r for r in json.loads(typed.out)}
    assert list(listed) == list(shipped_recipes())
    mner = listed["hvpnet_mner"]
    assert (mner["task"], mner["file"]) == ("mner", str(shipped_recipes()["hvpnet_mner"]))
    assert mner["parts"] == ["resnet50", "per-level", "dynamic", "visual-prefix", "hugging-face", "crf"]
    assert shipped_recipes()["hvpnet_mner"].read_text(encoding="utf-8").startswith(f"# {mner['about']}\n")
    assert "Twitter-2017" in mner["about"]


def test_the_table_holds_the_same(hvp):
    typed = hvp("recipes")
    assert (typed.code, typed.err) == (0, "")
    for name in shipped_recipes():
        assert name in typed.out


def test_a_printed_recipe_is_the_file_and_loads(hvp, tmp_path):
    typed = hvp("recipes", "hvpnet_1t3_mre")
    assert typed.out == shipped_recipes()["hvpnet_1t3_mre"].read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(typed.out, encoding="utf-8")
    assert load_recipe(tmp_path / "mine.yaml") == load_recipe("hvpnet_1t3_mre")


def test_one_recipe_as_json(hvp):
    assert json.loads(hvp("recipes", "bert_mre", "--json").out)["parts"] == ["hugging-face", "entity-start"]


def test_an_unknown_recipe_is_refused_with_the_nearest(hvp):
    typed = hvp("recipes", "hvpnet_mrn")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["unknown-shipped-recipe"]
    fields = typed.fields("unknown-shipped-recipe")
    assert fields["name"] == "hvpnet_mrn"
    assert "hvpnet_m" in fields["hint"] and "bert_mre" not in fields["hint"]


def test_an_unknown_recipe_is_refused_as_json_too(hvp):
    typed = hvp("recipes", "hvpnet_mrn", "--json")
    assert (typed.code, typed.errors) == (2, ["unknown-shipped-recipe"])
    assert json.loads(typed.out) == {"error": message_to_json(typed.messages[-1])}
