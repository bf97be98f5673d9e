from __future__ import annotations

import json
import logging
from pathlib import Path

import tiny
import torch
from raising import raises

from hvpkit.errors import ModelFolderError
from hvpkit.messages import messages_to_json
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.training.init_from import load_matching
from hvpkit.training.train import train

TABLE = "text.model.embeddings.tok_embeddings.weight"


def _model(tmp_path, data, *overrides, seed=0, **options):
    recipe = tiny.recipe(tmp_path, data.folder, data.manifest.task, overrides=overrides, **options)
    torch.manual_seed(seed)
    return build_model(recipe, load_registry(), data.labels, data.examples("train"))


def _rows(model) -> dict[str, torch.Tensor]:
    """Look each wordpiece's embedding up by its name."""
    table = model.state_dict()[TABLE]
    return {piece: table[row] for piece, row in model.text.tokenizer.get_vocab().items()}


def test_every_tensor_but_the_heads_is_the_other_models(tmp_path, mner_data):
    one, other = (_model(tmp_path, mner_data, seed=seed) for seed in (1, 2))
    before = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    found = load_matching(one, other)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("head.") else other.state_dict()[name]), name
    assert sum(found.loaded.values()) + len(found.initialized) == len(before)
    assert {name.partition(".")[0] for name in found.initialized} == {"head"}
    assert (found.partial, found.unused) == ({}, {})


def test_weights_load_despite_other_labels_wordpieces_and_markers(tmp_path, mner_data, mre_data):
    here, there = _model(tmp_path, mre_data, seed=1), _model(tmp_path, mner_data, "text.vocab_size=90", seed=2)
    before = {piece: row.clone() for piece, row in _rows(here).items()}
    found = load_matching(here, there)
    after, source = _rows(here), _rows(there)
    shared = set(after) & set(source)
    assert "<head>" in set(after) - shared
    assert here.text.tokenizer.get_vocab() != there.text.tokenizer.get_vocab()
    assert all(torch.equal(after[piece], source[piece]) for piece in shared)
    assert all(torch.equal(after[piece], before[piece]) for piece in set(after) - shared)
    assert found.partial[TABLE] == (len(shared), len(here.state_dict()[TABLE]))
    [rows] = [
        line.fields for line in found.lines(tmp_path) if line.code == "rows-loaded" and line.fields["tensor"] == TABLE
    ]
    assert (rows["loaded"], rows["rows"]) == (len(shared), len(here.state_dict()[TABLE]))


def test_what_has_another_shape_or_is_not_there_is_listed_with_the_reason(tmp_path, mner_data):
    full = _model(tmp_path, mner_data)
    text = _model(tmp_path, mner_data, images=False)
    narrow = _model(tmp_path, mner_data, "text.width=16", images=False)
    assert {
        reason.code for name, reason in load_matching(full, text).initialized.items() if not name.startswith("head")
    } == {"tensor-not-there"}
    assert load_matching(text, full).unused["fusion"] > 0
    shaped = load_matching(text, narrow)
    reason = shaped.initialized["text.model.final_norm.weight"]
    assert (reason.code, reason.fields) == ("tensor-shapes-differ", {"expected": "32", "found": "16"})


def test_training_starts_from_a_model_of_the_other_task_and_remembers_it(tmp_path, mner_model, mre_data, logged):
    recipe = tiny.recipe(
        tmp_path,
        mre_data.folder,
        "mre",
        overrides=(f"train.init_from={mner_model}", "train.lr=1e-9", "train.head_lr=1e-3"),
    )
    finished = train(recipe, load_registry(), tmp_path / "run")
    start = json.loads((finished.folder / "metrics.json").read_text())["init_from"]
    assert (start["model"], start["seed"]) == (str(mner_model), 7)
    left = [
        reason.code for name, reason in finished.metrics["init_from"]["initialized"].items() if name.startswith("head.")
    ]
    assert left and set(left) == {"head-not-loaded"}
    assert start["initialized"] == messages_to_json(finished.metrics["init_from"]["initialized"])
    lines = {line.code: line.fields for line in logged(logging.INFO)}
    assert lines["tensors-loaded"]["model"] == mner_model and lines["tensors-loaded"]["parts"]
    assert lines["tensors-initialized"]["reason"].code == "head-not-loaded"
    assert str(mner_model) in (finished.folder / "README.md").read_text()


def test_a_start_that_is_not_there_is_refused_before_anything_is_written(tmp_path, mner_data):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("train.init_from=nowhere",))
    with raises(ModelFolderError, "model-folder-missing", folder=Path("nowhere")):
        train(recipe, load_registry(), tmp_path / "run")
    assert not list(tmp_path.glob("run*"))


def test_the_drawn_examples_are_kept_by_id(tmp_path, mner_data):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=("train.fraction=0.5",))
    finished = train(recipe, load_registry(), tmp_path / "run", test=False)
    sample = json.loads((finished.folder / "sample.json").read_text())
    known = [example.id for example in mner_data.examples("train")]
    assert len(sample["ids"]) == 6 and set(sample["ids"]) < set(known)
    assert (sample["fraction"], sample["shots"], sample["seed"]) == (0.5, None, 7)
    assert finished.test is None and finished.metrics["data"]["examples"]["test"] == 0
