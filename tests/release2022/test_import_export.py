from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises
from release2022.released import (
    SIDE,
    inputs,
    plain_crf_loss,
    plain_emissions,
    plain_logits,
    plain_paths,
    plain_relation_loss,
    plain_states,
    put_markers,
    save_tokenizer,
    small_checkpoint,
    tags,
)
from safetensors.torch import load_file

from hvpkit import load, release2022
from hvpkit.cli import main
from hvpkit.errors import DataError, InputError, ModelFolderError

SMALL = ("vision.backbone=resnet18", "data.max_length=32", "vision.image_size=64")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def num_wordpieces(tmp_path_factory) -> int:
    return save_tokenizer(tmp_path_factory.mktemp("pieces"))


@pytest.fixture
def relations(tmp_path) -> Path:
    file = tmp_path / "ours_rel2id.json"
    file.write_text(json.dumps({"/per/per/peer": 2, "None": 0, "/loc/loc/contain": 1}), encoding="utf-8")
    return file


def save(tensors: object, file: Path) -> Path:
    torch.save(tensors, file)
    return file


@pytest.mark.parametrize("seed", [1, 49])
@torch.no_grad()
def test_entities_are_scored_as_the_written_out_forward_pass_does(tmp_path, tokenizer, num_wordpieces, seed):
    tensors = small_checkpoint("mner", seed, num_wordpieces)
    release2022.import_release(
        save(tensors, tmp_path / "old.pth"), "mner", str(tokenizer), tmp_path / "model", settings=SMALL
    )
    ids, mask, whole, crops = inputs(seed, SIDE, (5, num_wordpieces), (2, 3))
    gold = tags(ids, mask, seed)
    found = release2022.forward(load(tmp_path / "model", device="cpu").model, ids, mask, whole, crops, gold)
    emissions = plain_emissions(tensors, plain_states(tensors, ids, mask, whole, crops))
    torch.testing.assert_close(found.scores[mask], emissions[mask], atol=2e-5, rtol=0)
    assert float(found.loss) == pytest.approx(plain_crf_loss(tensors, emissions, gold, mask), abs=1e-4)
    assert found.paths == plain_paths(tensors, emissions, mask)


@torch.no_grad()
def test_relations_are_scored_as_the_written_out_forward_pass_does(tmp_path, tokenizer, num_wordpieces, relations):
    tensors = small_checkpoint("mre", 5, num_wordpieces, classes=3)
    release2022.import_release(
        save(tensors, tmp_path / "old.pth"), "mre", str(tokenizer), tmp_path / "model", relations, SMALL
    )
    model = load(tmp_path / "model", device="cpu").model
    assert model.head.labels.names == ("None", "/loc/loc/contain", "/per/per/peer")
    ids, mask, whole, crops = inputs(5, SIDE, (5, num_wordpieces), (2, 3))
    put_markers(ids, num_wordpieces)
    found = release2022.forward(model, ids, mask, whole, crops, torch.tensor([2, 0]))
    logits = plain_logits(tensors, plain_states(tensors, ids, mask, whole, crops), ids, num_wordpieces)
    torch.testing.assert_close(found.scores, logits, atol=2e-5, rtol=0)
    assert float(found.loss) == pytest.approx(plain_relation_loss(logits, torch.tensor([2, 0])), abs=1e-5)
    ids[1, 5] = 7
    with raises(DataError, "no-start-marker", row=1, role="head", id=num_wordpieces):
        release2022.forward(model, ids, mask, whole, crops)


@pytest.mark.parametrize(
    "wrap",
    [lambda t: t, lambda t: {"epoch": 3, "model_state_dict": t}, lambda t: {f"module.{k}": v for k, v in t.items()}],
)
def test_what_is_imported_comes_out_tensor_for_tensor(tmp_path, tokenizer, num_wordpieces, wrap, monkeypatch, capsys):
    tensors = small_checkpoint("mner", 3, num_wordpieces)
    file, folder, again = save(wrap(tensors), tmp_path / "old.pth"), tmp_path / "model", tmp_path / "again.pth"
    for words in (
        [
            "import-release",
            str(file),
            "--task",
            "mner",
            "--text",
            str(tokenizer),
            "--output",
            str(folder),
            *(f"--set={s}" for s in SMALL),
        ],
        ["export-release", str(folder), "--output", str(again)],
    ):
        monkeypatch.setattr("sys.argv", ["hvp", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{len(tensors)} tensors: ")
    assert printed.err == ""
    back = torch.load(again, weights_only=True)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in tensors.items())
    kept = [load_file(folder / name) for name in ("weights.safetensors", "release.safetensors")]
    assert sum(map(len, kept)) == len(tensors)  # nothing twice, nothing lost


def test_every_tensor_that_does_not_fit_is_named(tmp_path, tokenizer, num_wordpieces):
    tensors = small_checkpoint("mner", 3, num_wordpieces)
    del tensors["gates.1.bias"]
    tensors["gates.2.bias"] = torch.zeros(4)
    tensors["fc.weight"] = torch.zeros(12, 128)
    tensors["bert.pooler.dense.bias"] = torch.zeros(128, dtype=torch.float16)
    with raises(ModelFolderError, "checkpoint-mismatch", checkpoint=tmp_path / "old.pth") as caught:
        release2022.import_release(
            save(tensors, tmp_path / "old.pth"), "mner", str(tokenizer), tmp_path / "model", settings=SMALL
        )
    missing, unknown, other = caught.value.fields["faults"]
    assert (missing.code, missing.fields) == ("tensors-missing", {"count": 1, "names": ["gates.1.bias"], "more": ""})
    assert (unknown.code, unknown.fields) == ("tensors-unknown", {"count": 1, "names": ["gates.2.bias"], "more": ""})
    assert (other.code, other.fields["count"]) == ("tensors-of-other-form", 2)
    assert sorted(tuple(tensor.fields.values()) for tensor in other.fields["tensors"]) == [
        ("bert.pooler.dense.bias", "[128] float16", "[128] float32"),
        ("fc.weight", "[12, 128] float32", "[13, 128] float32"),
    ]
    assert not (tmp_path / "model").exists()


class Bomb:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"fc.weight": Bomb()}, "weights-unsafe"),
        (b"", "weights-unreadable"),
    ],
)
def test_file_that_is_no_weights_file_is_reported_and_never_run(tmp_path, tokenizer, content, code, capsys):
    file = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with raises(ModelFolderError, code, file=file):
        release2022.import_release(file, "mner", str(tokenizer), tmp_path / "model")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "code", "fields"),
    [
        ({"epoch": 3, "lr": 0.1}, "no-state-dict", {"found": ["epoch", "lr"]}),
        ([1, 2], "not-a-state-dict", {"found": "list"}),
        (
            {"fc.weight": torch.zeros(1)},
            "not-a-release-checkpoint",
            {
                "names": [
                    "bert.embeddings.word_embeddings.weight",
                    "bert.embeddings.position_embeddings.weight",
                    "bert.embeddings.token_type_embeddings.weight",
                    "bert.encoder.layer.0.intermediate.dense.weight",
                ]
            },
        ),
    ],
)
def test_file_that_is_no_checkpoint_is_reported(tmp_path, tokenizer, content, code, fields):
    file = save(content, tmp_path / "bad.pth")
    with raises(ModelFolderError, code, **fields) as caught:
        release2022.import_release(file, "mner", str(tokenizer), tmp_path / "model")
    assert file in caught.value.fields.values()


def test_another_tokenizer_is_refused(tmp_path, tokenizer, num_wordpieces):
    file = save(small_checkpoint("mner", 3, num_wordpieces + 7), tmp_path / "old.pth")
    with raises(
        ModelFolderError,
        "tokenizer-mismatch",
        text=str(tokenizer),
        checkpoint=file,
        found=num_wordpieces,
        expected=num_wordpieces + 7,
    ):
        release2022.import_release(file, "mner", str(tokenizer), tmp_path / "model", settings=SMALL)


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ("[]", "relation-ids-invalid", {}),
        ('{"None": 0, "a": 2}', "relation-ids-invalid", {}),
        ('{"None": 1, "a": 0}', "relation-ids-first", {"found": "a"}),
        ("{", "relation-ids-not-json", {}),
    ],
)
def test_class_ids_are_checked(tmp_path, tokenizer, num_wordpieces, text, code, fields):
    file, checkpoint = tmp_path / "rel2id.json", save({"a": torch.zeros(1)}, tmp_path / "old.pth")
    file.write_text(text, encoding="utf-8")
    with raises(DataError, code, file=file, **fields):
        release2022.import_release(checkpoint, "mre", str(tokenizer), tmp_path / "model", file)
    with raises(InputError, "no-relation-ids"):
        release2022.import_release(checkpoint, "mre", str(tokenizer), tmp_path / "model")


def test_an_imported_folder_is_evaluated_and_predicts_like_any_other(
    tmp_path, tokenizer, num_wordpieces, mner_data, monkeypatch, capsys
):
    file = save(small_checkpoint("mner", 3, num_wordpieces), tmp_path / "old.pth")
    release2022.import_release(file, "mner", str(tokenizer), tmp_path / "model", settings=SMALL)
    monkeypatch.setattr("sys.argv", ["hvp", "eval", str(tmp_path / "model"), "--data", str(mner_data.folder), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    result = json.loads(capsys.readouterr().out)
    assert result["scores"]["examples"] == len(mner_data.examples("test"))
    assert result["unread"] == 0
    found = load(tmp_path / "model", device="cpu").predict(
        "Ada Lovelace visits New York", image=tiny.draw(tmp_path / "x.png")
    )
    assert found.image_used
    assert all(found.text[entity.start : entity.end] == entity.text for entity in found.entities)


def test_an_imported_folder_is_explained_in_slices(tmp_path, tokenizer, num_wordpieces, relations, monkeypatch, capsys):
    image, page = tiny.draw(tmp_path / "x.png"), tmp_path / "page.html"
    text = ["--text", "Ada Lovelace visits New York", "--image", str(image), "--crop", "4,4,20,20"]
    for task, more in (("mner", []), ("mre", ["--head", "Ada Lovelace", "--tail", "New York"])):
        file = save(small_checkpoint(task, 3, num_wordpieces, classes=3), tmp_path / f"{task}.pth")
        release2022.import_release(
            file, task, str(tokenizer), tmp_path / task, relations=relations if task == "mre" else None, settings=SMALL
        )
        monkeypatch.setattr(
            "sys.argv", ["hvp", "explain", "--model", str(tmp_path / task), *text, *more, "--json", "--html", str(page)]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        kinds = {change["kind"] for change in json.loads(capsys.readouterr().out)["counterfactuals"]}
        assert {"no images", "no object"} <= kinds
        written = page.read_text(encoding="utf-8")
        assert "slice" in written and "level" not in written.lower()


def test_a_model_of_the_paper_s_kind_has_no_released_form(tmp_path, mner_data):
    recipe = tiny.recipe(tmp_path / "recipe", mner_data.folder, "mner")
    folder = tiny.save_tiny_model(tmp_path / "model", recipe, mner_data)
    with raises(ModelFolderError, "tensors-without-place", model=folder, task="mner") as caught:
        release2022.export_release(folder, tmp_path / "x.pth")
    assert caught.value.fields["count"] >= len(caught.value.fields["names"]) > 0
    assert not (tmp_path / "x.pth").exists()


def test_nothing_is_overwritten(tmp_path, tokenizer, num_wordpieces):
    (tmp_path / "model").mkdir()
    with raises(InputError, "output-exists", output=tmp_path / "model"):
        release2022.import_release(tmp_path / "old.pth", "mner", str(tokenizer), tmp_path / "model")
