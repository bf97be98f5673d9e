"""`hvp explain` as a person types it."""

from __future__ import annotations

import json
import shutil

import pytest
import tiny

TEXT = "Ada visits Oslo"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.draw(tmp_path / "x.png", 3, (60, 40))
    tiny.draw(tmp_path / "crop.png", 4)
    return tmp_path


def test_one_text_with_its_picture(hvp, here, mner_model):
    typed = hvp("explain", "--model", str(mner_model), "--text", TEXT, "--image", "x.png", "--object", "crop.png", "--object", "5,5,40,30")
    assert typed.code == 0
    lines = typed.out.splitlines()
    assert lines[0].startswith("[Ada")
    for said in ("what would change", "without pictures", "without object 2", "without the whole picture", "one that hvpkit drew (seed 0)"):
        assert said in typed.out
    assert "Gates: percent on levels 1 to 4 (fine to coarse)" in lines
    assert "layer 2" in typed.out
    assert "Whole picture: x.png" in lines
    assert any("need not be why it decided" in line for line in lines)
    assert typed.err == ""


def test_json_has_it_all_and_the_page_and_figures_are_written(hvp, here, mre_model):
    words = ("--text", TEXT, "--head", "Ada", "--tail", "Oslo", "--image", "x.png", "--html", "out/page.html", "--figure", "gates.png")
    typed = hvp("explain", "--model", str(mre_model), *words, "--json")
    assert (typed.code, typed.err) == (0, "")
    said = json.loads(typed.out)
    assert said["prediction"]["relation"]["label"] == said["decisions"][0]["label"]
    assert {"mentions", "changes", "looks", "gates", "pictures", "groups", "caution", "named", "remarks", "model"} <= set(said)
    assert said["written"] == ["out/page.html", "gates.png"]
    assert [mention["role"] for mention in said["mentions"]] == ["head", "tail"]
    for looks in said["looks"]:
        assert all(
            sum(map(sum, cells)) + text == pytest.approx(1, abs=1e-5) for cells, text in zip(looks["cells"], looks["text"], strict=True)
        )
    assert "<title>What the pictures did: Ada visits Oslo</title>" in (here / "out" / "page.html").read_text(encoding="utf-8")
    assert (here / "gates.png").stat().st_size > 1000


def test_a_page_replaces_nothing_but_a_page(hvp, here, mner_text_model):
    ask = ("explain", "--model", str(mner_text_model), "--text", TEXT, "--html", "page.html")
    (here / "page.html").write_text("<title>thesis</title>", encoding="utf-8")
    typed = hvp(*ask)
    assert (typed.code, typed.out) == (2, "")
    assert "page.html is there already and no page of `hvp explain`; name another file for --html" in typed.err
    (here / "page.html").unlink()
    for _ in range(2):
        assert hvp(*ask).code == 0


def test_examples_of_the_model_s_own_data_and_a_summary(hvp, here, mner_model, mner_data):
    typed = hvp("explain", "--model", str(mner_model), "--example", "test-1", "--example", "test-0")
    assert typed.code == 0
    assert typed.out.count("without pictures") == 2
    assert "The data says: " in typed.out
    assert "in test of tiny (seed 0)" in typed.out
    typed = hvp("explain", "--model", str(mner_model), "--data", str(mner_data.folder), "--split", "dev", "--summary", "--json")
    said = json.loads(typed.out)
    assert (said["explanations"], said["summary"]["where"]) == ([], "dev of tiny")
    typed = hvp("explain", "--model", str(mner_model), "--summary")
    assert "Rank correlation of layer depth and mean level" in typed.out
    assert "PER" in typed.out


def test_figures_of_the_first_examples_that_have_pictures(hvp, here, mner_model):
    typed = hvp("explain", "--model", str(mner_model), "--count", "3", "--figure", "gates.svg", "--figure", "attention.png")
    assert (typed.code, typed.out) == (0, "Written: gates.svg\nWritten: attention.png\n")


def test_one_bad_picture_among_many_is_told_and_left_out(hvp, here, mner_model, mner_data):
    shutil.copytree(mner_data.folder, here / "data")
    lines = (here / "data" / "test.jsonl").read_text(encoding="utf-8")
    (here / "data" / "test.jsonl").write_text(lines.replace("test1.png", "gone.png"), encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--count", "3")
    assert typed.code == 0
    assert typed.warnings == ["example-left-out"]
    assert typed.fields("example-left-out")["example"] == "test-1"
    assert typed.out.count("without pictures") == 2
    (here / "data" / "test.jsonl").write_text(lines.replace("test1.png", "gone.png").replace("test0.png", "lost.png"), encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--example", "test-0", "--example", "test-1")
    assert (typed.code, typed.out, typed.errors) == (1, "", ["no-example-explained"])
    assert [message.fields.get("example") for message in typed.said] == ["test-0", "test-1", None]
    assert typed.fields("no-example-explained") == {"count": 2}
    (here / "data" / "test.jsonl").write_text(lines.replace("test1.png", "gone.png"), encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--example", "test-1")
    assert (typed.code, typed.out) == (2, "")
    assert "gone.png is missing" in typed.err


def test_data_without_pictures_is_told(hvp, here, mner_model, mner_data):
    shutil.copytree(mner_data.folder, here / "data")
    records = [json.loads(line) for line in (here / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    bare = "".join(
        json.dumps({key: value for key, value in record.items() if key not in ("image", "objects")}) + "\n" for record in records
    )
    (here / "data" / "test.jsonl").write_text(bare, encoding="utf-8")
    typed = hvp("explain", "--model", str(mner_model), "--data", "data", "--count", "1", "--html", "page.html")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["no-example-with-image"]
    assert typed.fields("no-example-with-image") == {"split": "test of tiny"}


def test_text_alone_says_that_there_is_nothing_to_take_away(hvp, here, mner_text_model):
    typed = hvp("explain", "--model", str(mner_text_model), "--text", TEXT, "--image", "x.png")
    assert typed.code == 0
    assert "Note: this model uses no pictures." in typed.out
    assert "what would change" not in typed.out


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
    ("words", "message"),
    [
        (["--text", "Ada", "--html", "."], "is a folder; name a file for --html"),
        (["--text", "Ada", "--figure", "x.pdf"], "expected a file named gates... or attention..."),
        (["--text", "Ada", "--image", "no.png"], "no.png is missing"),
        (["--text", "Ada", "--object", "1,2,3,x"], "expected a crop's file"),
        (["--example", "test-9"], "has no example 'test-9'; did you mean test-"),
        (["--text", " "], "the text is blank"),
    ],
)
def test_what_cannot_be_explained_is_refused(hvp, here, mner_model, words, message):
    typed = hvp("explain", "--model", str(mner_model), *words)
    assert (typed.code, typed.out) == (2, "")
    assert message in typed.err


def test_data_of_the_other_task_is_refused(hvp, here, mner_model, mre_data):
    typed = hvp("explain", "--model", str(mner_model), "--data", str(mre_data.folder), "--count", "1")
    assert typed.code == 2
    assert "holds mre data, the model is for mner" in typed.err


def test_objects_of_a_new_picture_are_found_as_in_training(hvp, here, mner_data):
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (120, 90), "white")
    ImageDraw.Draw(picture).ellipse((20, 20, 70, 70), fill="navy")
    picture.save("disc.png")
    recipe = tiny.recipe(here, mner_data.folder, "mner", overrides=("data.objects={proposer: saliency}",))
    model = tiny.save_tiny_model(here / "model", recipe, mner_data)
    asked = ("explain", "--model", str(model), "--text", TEXT, "--image", "disc.png")
    [_, found] = json.loads(hvp(*asked, "--json").out)["pictures"]
    assert found["kind"] == "object"
    assert list(found["box"].values()) == pytest.approx([20, 20, 71, 71], abs=4)
    assert "without object 1" in hvp(*asked).out
    assert "without object 1" not in hvp(*asked, "--no-objects").out
    [_, named] = json.loads(hvp(*asked, "--object", "5,5,40,30", "--json").out)["pictures"]
    assert list(named["box"].values()) == [5, 5, 40, 30]
