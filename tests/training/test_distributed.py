import json
import re
from dataclasses import replace

import pytest
import tiny
import torch
from training import runs

from hvpkit.data.prepared import write_prepared
from hvpkit.registry import load_registry
from hvpkit.training.acceleration.accelerated import run_plainly
from hvpkit.training.fit import build_trainer
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.session import setup

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_train_one_model(tmp_path, mner_data):
    recipe = runs.write_recipe(tmp_path, mner_data.folder)
    out, err = runs.finish(runs.start(recipe, tmp_path / "run", "--set", "train.epochs=2", launcher=TORCHRUN))
    assert out.count("Model:") == 1
    assert err.count("epoch 1/2") == 1
    assert sorted(path.name for path in tmp_path.glob("run*")) == ["run"]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["data"]["examples"]["train"] == 12
    each = metrics["training"].pop("examples_a_step") // 2
    assert metrics["training"] == {"precision": "fp32", "device": "cpu", "processes": 2, "with_objects": 3}
    card = (tmp_path / "run" / "README.md").read_text()
    assert re.search(rf"^- .*\bfp32\b.*\bcpu\b.*\b{2 * each}\b.*\b2 processes\b", card, re.MULTILINE)
    assert f"batch_size: {each}" in (tmp_path / "run" / "recipe.yaml").read_text()
    assert runs.weights(tmp_path / "run")


def test_processes_may_meet_batches_without_images(tmp_path, mner_data):
    splits = {split: mner_data.examples(split) for split in ("train", "dev", "test")}
    splits["train"] = [
        splits["train"][0],
        *(replace(example, image=None, objects=()) for example in splits["train"][1:]),
    ]
    known = {"name": "one image", "task": "mner", "labels": mner_data.labels, "source": "drawn for tests"}
    write_prepared(tmp_path / "data", splits=splits, images_root=mner_data.images_root, **known)
    recipe = runs.write_recipe(tmp_path, tmp_path / "data")
    runs.finish(runs.start(recipe, tmp_path / "run", "--set", "train.epochs=2", launcher=TORCHRUN))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["data"]["with_image"]["train"] == 1


@pytest.mark.parametrize("process", [0, 1])
def test_each_process_begins_with_random_numbers_of_its_own(tmp_path, mner_data, monkeypatch, process):
    monkeypatch.setattr("transformers.TrainingArguments.process_index", process)
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False)
    session = setup(recipe, load_registry(), mner_data)
    build_trainer(session, SplitScorer(session.model, session.batcher, {}), tmp_path / "run", run_plainly, [])
    assert torch.initial_seed() == recipe.train.seed + process
