"""`hvp explain` as a person types it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import tiny

from hvpkit.explain.counterfactuals import replacement_image
from hvpkit.messages import Message

TEXT = "Ada visits Oslo"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.draw(tmp_path / "x.png", 3, (60, 40))
    tiny.draw(tmp_path / "crop.png", 4)
    return tmp_path


def test_one_text_with_its_image(hvp, here, mner_model):
    typed = hvp(
        "explain",
        "--model",
        str(mner_model),
        "--text",
        TEXT,
        "--image",
        "x.png",
        "--crop",
        "crop.png",
        "--crop",
        "5,5,40,30",
    )
    assert typed.code == 0
    lines = typed.out.splitlines()
    assert lines[0].startswith("[Ada")
    for change in (
        Message("counterfactual-no-images"),
        Message("counterfactual-no-object", number=2, phrase=""),
        Message("counterfactual-no-full-image"),
        Message("counterfactual-other-image", name=Message("image-generated", seed=0)),
    ):
        assert sum(line.startswith(f"{change}\t") for line in lines) == 1
    assert "layer 2" in typed.out
    [gates] = [line for line in lines if line.startswith("2\t")]
    assert len(re.findall(r"\d+", gates)) == 1 + 3 * 4  # the layer; 3 images on 4 levels
    assert [message.fields["file"] for message in typed.printed if message.code == "image-explained"] == [
        "x.png",
        "crop.png",
        "x.png",
    ]
    assert typed.notes[-1] == "attention-caution"
    assert typed.err == ""


def test_json_has_it_all_and_the_page_and_figures_are_written(hvp, here, mre_model):
    words = (
        "--text",
        TEXT,
        "--head",
        "Ada",
        "--tail",
        "Oslo",
        "--image",
        "x.png",
        "--html",
        "out/page.html",
        "--figure",
        "gates.png",
    )
    typed = hvp("explain", "--model", str(mre_model), *words, "--json")
    assert (typed.code, typed.err) == (0, "")
    said = json.loads(typed.out)
    assert said["prediction"]["relation"]["label"] == said["decisions"][0]["label"]
    assert {
        "mentions",
        "counterfactuals",
        "attention",
        "gates",
        "images",
        "groups",
        "caution",
        "extra_tensors",
        "notes",
        "model",
    } <= set(said)
    assert said["written"] == ["out/page.html", "gates.png"]
    assert [mention["role"] for mention in said["mentions"]] == ["head", "tail"]
    for attention in said["attention"]:
        assert all(
            sum(map(sum, cells)) + text == pytest.approx(1, abs=1e-5)
            for cells, text in zip(attention["cells"], attention["text"], strict=True)
        )
    assert f"{TEXT}</title>" in (here / "out" / "page.html").read_text(encoding="utf-8")
    assert (here / "gates.png").stat().st_size > 1000


def test_a_page_replaces_nothing_but_a_page(hvp, here, mner_text_model):
    ask = ("explain", "--model", str(mner_text_model), "--text", TEXT, "--html", "page.html")
    (here / "page.html").write_text("<title>thesis</title>", encoding="utf-8")
    typed = hvp(*ask)
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["page-is-foreign"]
    assert typed.fields("page-is-foreign") == {"file": Path("page.html")}
    (here / "page.html").unlink()
    for _ in range(2):
        assert hvp(*ask).code == 0


def test_examples_of_the_model_s_own_data_and_a_summary(hvp, here, mner_model, mner_data):
    typed = hvp("explain", "--model", str(mner_model), "--example", "test-1", "--example", "test-0")
    assert typed.code == 0
    assert typed.out.count(Message("counterfactual-no-images")) == 2
    assert "answers-of-data" in typed.notes
    examples = mner_data.examples("test")
    for example in examples[:2]:
        other = replacement_image(examples, example, 0, "test of tiny")
        assert other is not None
        assert Message("counterfactual-other-image", name=other.name) in typed.out
    typed = hvp(
        "explain", "--model", str(mner_model), "--data", str(mner_data.folder), "--split", "dev", "--summary", "--json"
    )
    said = json.loads(typed.out)
    assert (said["explanations"], said["summary"]["where"]) == ([], "dev of tiny")
    typed = hvp("explain", "--model", str(mner_model), "--summary")
    assert typed.notes == ["rank-correlation", "rank-correlation-read"]
    assert typed.fields("rank-correlation")["unit"] == "level"
    assert "PER" in typed.out


def test_figures_of_the_first_examples_that_have_images(hvp, here, mner_model):
    typed = hvp(
        "explain", "--model", str(mner_model), "--count", "3", "--figure", "gates.svg", "--figure", "attention.png"
    )
    assert (typed.code, typed.notes) == (0, ["file-written", "file-written"])
    assert [message.fields["file"] for message in typed.printed] == [Path("gates.svg"), Path("attention.png")]
    assert typed.out.splitlines() == list(typed.printed)


def test_one_bad_image_among_many_is_reported_and_skipped(hvp, here, mner_model, mner_data):
    shutil.copytree(mner_data.folder, here / "data")
    lines = (here / "data" / "test.jsonl").read_text(encoding="utf-8")
    (here / "data" / "test.jsonl").write_text(lines.replace("test1.png", "gone.png"), encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--count", "3")
    assert typed.code == 0
    assert typed.warnings == ["example-left-out"]
    left_out = typed.fields("example-left-out")
    assert (left_out["example"], left_out["reason"].code) == ("test-1", "image-missing")
    assert left_out["reason"].fields["file"].name == "gone.png"
    assert typed.out.count(Message("counterfactual-no-images")) == 2
    (here / "data" / "test.jsonl").write_text(
        lines.replace("test1.png", "gone.png").replace("test0.png", "lost.png"), encoding="utf-8"
    )
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--example", "test-0", "--example", "test-1")
    assert (typed.code, typed.out, typed.errors) == (1, "", ["no-example-explained"])
    assert [message.fields.get("example") for message in typed.messages] == ["test-0", "test-1", None]
    assert typed.fields("no-example-explained") == {"count": 2}
    (here / "data" / "test.jsonl").write_text(lines.replace("test1.png", "gone.png"), encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--example", "test-1")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["image-missing"]
    assert typed.fields("image-missing")["file"].name == "gone.png"


def test_data_without_images_is_reported(hvp, here, mner_model, mner_data):
    shutil.copytree(mner_data.folder, here / "data")
    records = [json.loads(line) for line in (here / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    bare = "".join(
        json.dumps({key: value for key, value in record.items() if key not in ("image", "objects")}) + "\n"
        for record in records
    )
    (here / "data" / "test.jsonl").write_text(bare, encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--count", "1", "--html", "page.html")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["no-example-with-image"]
    assert typed.fields("no-example-with-image") == {"split": "test of tiny"}


def test_text_alone_says_that_there_is_nothing_to_take_away(hvp, here, mner_text_model):
    typed = hvp("explain", "--model", str(mner_text_model), "--text", TEXT, "--image", "x.png")
    assert typed.code == 0
    assert typed.notes == ["model-without-images"]
    said = json.loads(hvp("explain", "--model", str(mner_text_model), "--text", TEXT, "--image", "x.png", "--json").out)
    assert said["counterfactuals"] == []
    assert sum("\t" in line for line in typed.out.splitlines()[:2]) == bool(
        said["prediction"]["entities"]
    )  # no table but that of the entities


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        ([], "nothing-to-explain", {}),
        (["--image", "x.png", "--head", "Ada"], "options-need-text", {"options": ["--image", "--head"]}),
        (["--text", "Ada", "--count", "2"], "text-with-examples", {"options": ["--count"]}),
        (["--example", "a", "--count", "2"], "example-with-count", {}),
        (["--count", "2", "--html", "a.html"], "page-needs-one-text", {}),
    ],
)
def test_options_that_do_not_go_together_are_refused(hvp, here, mner_model, words, code, fields):
    typed = hvp("explain", "--model", str(mner_model), *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    assert typed.fields(code) == fields


@pytest.mark.parametrize(
    ("words", "code", "fields"),
    [
        (["--text", "Ada", "--html", "."], "page-is-folder", {"file": Path()}),
        (["--text", "Ada", "--figure", "x.pdf"], "figure-name", {"file": Path("x.pdf")}),
        (["--text", "Ada", "--image", "no.png"], "image-missing", {"file": Path("no.png")}),
        (["--text", "Ada", "--crop", "1,2,3,x"], "crop-malformed", {"given": "1,2,3,x"}),
        (["--example", "test-9"], "example-unknown", {"data": "test of tiny", "example": "test-9"}),
        (["--text", " "], "text-without-words", {"text": " "}),
    ],
)
def test_what_cannot_be_explained_is_refused(hvp, here, mner_model, words, code, fields):
    typed = hvp("explain", "--model", str(mner_model), *words)
    assert (typed.code, typed.out, typed.errors) == (2, "", [code])
    told = typed.fields(code)
    assert told | fields == told


def test_unknown_example_is_reported_with_nearest_id(hvp, here, mner_model):
    typed = hvp("explain", "--model", str(mner_model), "--example", "test-9")
    assert "test-5" in typed.fields("example-unknown")["hint"]


def test_data_of_the_other_task_is_refused(hvp, here, mner_model, mre_data):
    typed = hvp("explain", "--model", str(mner_model), "--data", str(mre_data.folder), "--count", "1")
    assert (typed.code, typed.errors) == (2, ["task-mismatch"])
    assert typed.fields("task-mismatch") == {"data": mre_data.folder, "found": "mre", "expected": "mner"}


def test_objects_of_a_new_image_are_found_as_in_training(hvp, here, mner_data):
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (120, 90), "white")
    ImageDraw.Draw(image).ellipse((20, 20, 70, 70), fill="navy")
    image.save("disc.png")
    recipe = tiny.recipe(here, mner_data.folder, "mner", overrides=("data.objects={detector: saliency}",))
    model = tiny.save_tiny_model(here / "model", recipe, mner_data)
    asked = ("explain", "--model", str(model), "--text", TEXT, "--image", "disc.png")
    [_, found] = json.loads(hvp(*asked, "--json").out)["images"]
    assert found["kind"] == "object"
    assert list(found["box"].values()) == pytest.approx([20, 20, 71, 71], abs=4)
    without = Message("counterfactual-no-object", number=1, phrase="")
    assert without in hvp(*asked).out
    assert without not in hvp(*asked, "--no-detect").out
    [_, named] = json.loads(hvp(*asked, "--crop", "5,5,40,30", "--json").out)["images"]
    assert list(named["box"].values()) == [5, 5, 40, 30]
