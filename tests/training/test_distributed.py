import json

from training import runs

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
    assert f"trained in fp32 on cpu, {2 * each} examples a step among 2 processes" in (tmp_path / "run" / "README.md").read_text()
    assert f"batch_size: {each}" in (tmp_path / "run" / "recipe.yaml").read_text()
    assert runs.weights(tmp_path / "run")
