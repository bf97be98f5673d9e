from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from hvpkit.data.prepared import open_prepared, write_prepared
from hvpkit.labels.inventory import tag_labels
from hvpkit.messages import Message, message_to_json
from hvpkit.synthetic.generate import generate

SALIENCY = {
    "detector": "saliency",
    "version": "1",
    "phrases": [],
    "threshold": 0.0,
    "nms_iou": 0.5,
    "min_size": 16,
    "max_objects": 3,
}


def table_rows(out: str) -> list[list[str]]:
    """Return the cells of each row of the tables that were printed."""
    return [line.split("\t") for line in out.splitlines() if "\t" in line]


@pytest.fixture(scope="module")
def demo_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    generate(folder / "data", size=48)
    data = open_prepared(folder / "data")
    return tiny.save_tiny_model(folder / "model", tiny.recipe(folder, data.folder, "mner", images=False), data)


def test_upper_bounds_are_printed_with_scores(hvp, demo_model):
    typed = hvp("eval", str(demo_model))
    assert typed.code == 0
    groups = json.loads(hvp("eval", str(demo_model), "--json").out)["groups"]
    assert {"all", "none", "texture", "unambiguous"} <= set(groups)
    rows = table_rows(typed.out)[-len(groups) :]
    assert len({row[0] for row in rows}) == len(groups)
    for row, group in zip(rows, groups.values(), strict=True):
        assert row[1:] == [
            str(group["examples"]),
            *(f"{100 * group[name]:.2f}" for name in ("text_upper_bound", "f1", "image_upper_bound")),
        ]


def test_json_contains_scores_and_upper_bounds_by_group(hvp, demo_model):
    found = json.loads(hvp("eval", str(demo_model), "--json").out)
    assert set(found["groups"]["all"]) == {"examples", "gold", "text_upper_bound", "f1", "image_upper_bound"}
    assert found["groups"]["all"]["text_upper_bound"] < found["groups"]["all"]["image_upper_bound"]


def test_data_without_upper_bounds_has_no_groups(hvp, mner_text_model):
    typed = hvp("eval", str(mner_text_model))
    assert typed.code == 0
    assert [row[0] for row in table_rows(typed.out)] == ["", "LOC", "PER", "all"]
    scores = json.loads(hvp("eval", str(mner_text_model), "--json").out)["scores"]
    assert typed.fields("tag-accuracy") == {"accuracy": 100 * scores["accuracy"]}


def test_a_missing_model_folder_is_one_short_message(hvp, tmp_path):
    typed = hvp("eval", str(tmp_path / "none"))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["model-folder-missing"]
    assert typed.fields("model-folder-missing") == {"folder": tmp_path / "none"}


def test_scores_come_by_type_with_the_fingerprint_of_their_data(hvp, mner_text_model, mner_data):
    typed = hvp("eval", str(mner_text_model), "--split", "dev")
    first, *rest = typed.out.splitlines()
    assert (typed.code, typed.err) == (0, "")
    assert first.startswith(f"dev of tiny ({mner_data.manifest.fingerprint}): 6 examples, ")
    assert [row[0] for row in table_rows("\n".join(rest))] == ["", "LOC", "PER", "all"]


def test_other_objects_or_images_are_noted(hvp, mner_model, mner_data, tmp_path):
    for name, change in (("bare", {"text_only": True}), ("found", {"objects": SALIENCY})):
        shutil.copytree(mner_data.folder, tmp_path / name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest | change), encoding="utf-8")
    assert hvp("eval", str(mner_model), "--data", str(tmp_path / "bare")).notes == [
        "tag-accuracy",
        "data-without-images",
    ]
    typed = hvp("eval", str(mner_model), "--data", str(tmp_path / "found"))
    assert typed.notes == ["tag-accuracy", "trained-with-other-objects"]
    expected, found = (typed.fields("trained-with-other-objects")[name] for name in ("expected", "found"))
    assert (expected.code, found.code) == ("objects-of-data", "objects-detected")
    assert (found.fields["detector"], found.fields["version"]) == ("saliency", "1")
    assert hvp("eval", str(mner_model)).notes == ["tag-accuracy"]


def test_text_only_model_has_no_note_on_images(hvp, mner_text_model, mner_data, tmp_path):
    shutil.copytree(mner_data.folder, tmp_path / "bare")
    manifest = json.loads((tmp_path / "bare" / "manifest.json").read_text(encoding="utf-8"))
    changed = json.dumps(manifest | {"text_only": True, "objects": SALIENCY})
    (tmp_path / "bare" / "manifest.json").write_text(changed, encoding="utf-8")
    assert hvp("eval", str(mner_text_model), "--data", str(tmp_path / "bare")).notes == ["tag-accuracy"]


def test_control_is_noted_with_any_seed(hvp, mner_model):
    typed = hvp("eval", str(mner_model), "--shuffle-images", "0")
    assert typed.notes == ["tag-accuracy", "images-shuffled"]
    assert typed.fields("images-shuffled") == {"seed": 0}


def test_every_prediction_is_written_with_its_confidence(hvp, mner_text_model, mner_data, tmp_path):
    typed = hvp("eval", str(mner_text_model), "--predictions", str(tmp_path / "p.jsonl"), "--json")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert json.loads(typed.out)["fingerprint"] == mner_data.manifest.fingerprint
    assert [line["id"] for line in lines] == [example.id for example in mner_data.examples("test")]
    assert all(0 <= entity["confidence"] <= 1 for line in lines for entity in line["predicted"])
    assert any(line["predicted"] for line in lines)


@pytest.mark.parametrize("raw", [True, False])
def test_prepared_data_is_named_whatever_else_has_that_name(
    hvp, mner_text_model, mner_data, tmp_path, monkeypatch, raw
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(mner_data.folder, tmp_path / "data" / "mine")
    if raw:
        (tmp_path / "mine").mkdir()
    assert hvp("eval", str(mner_text_model), "--data", "mine").code == 0
    assert hvp("eval", str(mner_text_model), "--data", "data/mine").code == 0
    typed = hvp("eval", str(mner_text_model), "--data", "other")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["no-prepared-data"]
    assert typed.fields("no-prepared-data")["folder"] == Path("data/other")
    for path in ("data/none", "./none", "/nowhere/none"):
        assert hvp("eval", str(mner_text_model), "--data", path).fields("no-prepared-data")["folder"] == Path(path)


@pytest.mark.parametrize(
    "content", [b"precious\n", b'{"id": "1", "words": ["x"], "tags": ["O"]}\n', b"[1]\n", b"\xff\n"]
)
def test_predictions_replace_nothing_but_predictions(hvp, mner_text_model, tmp_path, content):
    file = tmp_path / "p.jsonl"
    file.write_bytes(content)
    typed = hvp("eval", str(mner_text_model), "--predictions", str(file))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["output-holds-no-predictions"]
    assert typed.fields("output-holds-no-predictions") == {"file": file}
    assert file.read_bytes() == content
    file.write_bytes(b"")
    for _ in range(2):
        assert hvp("eval", str(mner_text_model), "--predictions", str(file)).code == 0


def test_other_data_of_the_same_name_is_noted(hvp, mner_text_model, mner_data, tmp_path):
    other = dict(name="tiny", task="mner", labels=mner_data.labels, images_root=mner_data.images_root, source="a test")
    examples = mner_data.examples("test")
    write_prepared(tmp_path / "other", splits={"test": examples[1:]}, **other)
    typed = hvp("eval", str(mner_text_model), "--data", str(tmp_path / "other"))
    assert typed.notes == ["tag-accuracy", "trained-with-other-data"]
    assert typed.fields("trained-with-other-data") == {"name": "tiny", "fingerprint": mner_data.manifest.fingerprint}
    write_prepared(tmp_path / "named", splits={"test": examples[1:]}, **other | {"name": "elsewhere"})
    for data in (tmp_path / "named", mner_data.folder):
        assert hvp("eval", str(mner_text_model), "--data", str(data)).notes == ["tag-accuracy"]


def test_types_unknown_to_the_model_count_as_missed(hvp, mner_text_model, mner_data, tmp_path):
    labels = tag_labels(["PER", "LOC", "SHIP"])
    known = {"name": "wider", "task": "mner", "images_root": mner_data.images_root, "source": "a test"}
    renamed = [replace(e, tags=tuple(tag.replace("LOC", "SHIP") for tag in e.tags)) for e in mner_data.examples("test")]
    write_prepared(tmp_path / "wider", labels=labels, splits={"test": renamed}, **known)
    typed = hvp("eval", str(mner_text_model), "--data", str(tmp_path / "wider"), "--json")
    found = json.loads(typed.out)
    assert message_to_json(Message("labels-missed", names=["SHIP"])) in found["notes"]
    write_prepared(tmp_path / "declared", labels=labels, splits={"test": mner_data.examples("test")}, **known)
    assert hvp("eval", str(mner_text_model), "--data", str(tmp_path / "declared")).notes == ["tag-accuracy"]
    before = json.loads(hvp("eval", str(mner_text_model), "--json").out)["scores"]["by_label"]
    after = found["scores"]["by_label"]
    assert after["PER"] == before["PER"]
    assert (after["SHIP"]["recall"], after["SHIP"]["gold"]) == (0, before["LOC"]["gold"])
    ships = [replace(e, tags=tuple("O" if tag == "O" else f"{tag[0]}-SHIP" for tag in e.tags)) for e in renamed]
    write_prepared(tmp_path / "ships", labels=tag_labels(["SHIP"]), splits={"test": ships}, **known)
    typed = hvp("eval", str(mner_text_model), "--data", str(tmp_path / "ships"))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["labels-unknown"]
    assert typed.fields("labels-unknown") == {"data": tmp_path / "ships", "names": ["SHIP"], "known": ["LOC", "PER"]}


def test_data_of_which_nothing_can_be_read_has_no_score(hvp, mner_model, mner_data, tmp_path):
    gone = [replace(example, image=tmp_path / "gone" / "x.png", objects=()) for example in mner_data.examples("test")]
    known = {
        "name": "tiny",
        "task": "mner",
        "labels": mner_data.labels,
        "images_root": tmp_path / "gone",
        "source": "a test",
    }
    write_prepared(tmp_path / "moved", splits={"test": gone}, **known)
    typed = hvp("eval", str(mner_model), "--data", str(tmp_path / "moved"))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["no-example-readable"]
    fields = dict(typed.fields("no-example-readable"))
    reason = fields.pop("reason")
    assert fields == {"count": len(gone), "split": "test", "data": tmp_path / "moved"}
    assert (reason.code, reason.fields["reason"].code) == ("images-moved", "image-missing")
    assert reason.fields["reason"].fields == {"file": tmp_path / "gone" / "x.png"}


def test_there_is_nothing_to_shuffle_for_a_model_of_text_alone(hvp, mner_text_model):
    typed = hvp("eval", str(mner_text_model), "--shuffle-images", "3")
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["shuffle-without-images"]
    assert typed.fields("shuffle-without-images") == {"model": mner_text_model}


def test_predictions_need_a_file_not_a_folder(hvp, mner_text_model, tmp_path):
    typed = hvp("eval", str(mner_text_model), "--predictions", str(tmp_path))
    assert (typed.code, typed.out) == (2, "")
    assert typed.errors == ["output-file-is-folder"]
    assert typed.fields("output-file-is-folder") == {"file": tmp_path, "option": "--predictions"}
