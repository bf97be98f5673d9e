import json
import logging
import re
from dataclasses import replace
from unittest.mock import Mock

import pytest
import tiny
from raising import raises
from training import runs

from hvpkit.data.prepared import write_prepared
from hvpkit.errors import DataError, HvpkitError, InputError, ModelFolderError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.messages import Message, messages_to_json
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.run_directory import RunDirectory
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.train import train
from hvpkit.training.trainer import MultimodalTrainer


def _train(tmp_path, data, task="mner", *overrides, name="run", **options):
    recipe = tiny.recipe(tmp_path, data, task, overrides=(*runs.LEARNS[:1], "train.epochs=2", *overrides))
    return train(recipe, load_registry(), tmp_path / name, **options)


def _codes(notes):
    return [note.code for note in notes if isinstance(note, Message)]


def _split(tmp_path, data, **splits):
    """Prepare the data again with some splits replaced."""
    folder = tmp_path / "changed"
    kept = {split: splits.get(split, data.examples(split)) for split in ("train", "dev", "test")}
    root = data.images_root
    write_prepared(
        folder, name="tiny", task=data.manifest.task, labels=data.labels, splits=kept, images_root=root, source="test"
    )
    return folder


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_training_writes_a_model_that_scores_as_it_says(tmp_path, task, mner_data, mre_data):
    finished = _train(tmp_path, (mner_data if task == "mner" else mre_data).folder, task)
    again = evaluate(open_model_folder(finished.folder), "test")
    assert again.scores == finished.test
    assert evaluate(open_model_folder(finished.folder), "dev").scores == finished.dev


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, mner_data):
    first, second = (_train(tmp_path, mner_data.folder, name=name).folder for name in ("a", "b"))
    other = _train(tmp_path, mner_data.folder, "mner", "train.seed=8", name="c").folder
    assert runs.weights(first) == runs.weights(second)
    assert runs.weights(first) != runs.weights(other)


def test_the_epoch_best_on_dev_is_kept_and_test_is_scored_once(tmp_path, mner_data, monkeypatch):
    lines, scored = [], []
    original = SplitScorer.score
    monkeypatch.setattr(SplitScorer, "score", lambda self, split: scored.append(split) or original(self, split))
    finished = _train(
        tmp_path,
        mner_data.folder,
        "mner",
        "train.epochs=6",
        "train.lr=5e-3",
        callbacks=TrainingCallbacks(on_epoch=lines.append),
    )
    best = max(lines, key=lambda line: (line.dev.overall.f1, -line.epoch))
    assert (finished.best_epoch, finished.dev) == (best.epoch, best.dev)
    assert scored.count("test") == 1


def test_dev_is_not_scored_before_the_epoch_asked_for(tmp_path, mner_data):
    lines = []
    overrides = ("train.epochs=3", "train.first_eval_epoch=2")
    _train(tmp_path, mner_data.folder, "mner", *overrides, callbacks=TrainingCallbacks(on_epoch=lines.append))
    assert [line.dev is not None for line in lines] == [False, True, True]


def test_without_dev_the_last_epoch_is_kept(tmp_path, mner_data, logged):
    folder = _split(tmp_path, mner_data, dev=[])
    finished = _train(tmp_path, folder)
    assert (finished.best_epoch, finished.dev) == (2, None)
    assert Message("no-dev-examples", data=folder) in logged(logging.WARNING)
    card = (finished.folder / "README.md").read_text(encoding="utf-8")
    assert "2 of 2" in card
    assert re.findall(r"^\| (\w+) \|", card, re.MULTILINE) == ["split", "test"]


def test_a_model_of_images_that_saw_none_says_so(tmp_path, mner_data, logged):
    splits = ("train", "dev", "test")
    bare = _split(
        tmp_path, mner_data, **{s: [replace(e, image=None, objects=()) for e in mner_data.examples(s)] for s in splits}
    )
    finished = _train(tmp_path, bare)
    code = "no-training-images"
    assert code in _codes(logged(logging.WARNING)) and code in _codes(finished.metrics["notes"])
    for settings in (["data.text_only=true"], ["vision=null", "fusion=none"]):
        assert code not in _codes(_train(tmp_path, bare, "mner", *settings, name=settings[0]).metrics["notes"])
    assert code not in _codes(_train(tmp_path, mner_data.folder, name="seen").metrics["notes"])


def test_text_only_leaves_the_images_out(tmp_path, mner_data):
    finished = _train(tmp_path, mner_data.folder, "mner", "data.text_only=true")
    assert set(finished.metrics["data"]["with_image"].values()) == {0}


def test_cut_words_and_unusable_examples_are_reported_and_the_rest_goes_on(tmp_path, mner_data, logged):
    gone = replace(mner_data.examples("train")[0], image=tmp_path / "gone.png")
    long = replace(mner_data.examples("train")[1], words=("word",) * 60, tags=("O",) * 60)
    changed = tmp_path / "changed"
    examples = [gone, long, *mner_data.examples("train")[2:]]
    splits = {"train": examples, "dev": [], "test": []}
    write_prepared(
        changed,
        name="tiny",
        task="mner",
        labels=mner_data.labels,
        splits=splits,
        images_root=tmp_path.parent.parent,
        source="t",
    )
    finished = _train(tmp_path, changed, "mner", "train.epochs=1")
    assert finished.folder.is_dir()
    [left_out] = [warning for warning in logged(logging.WARNING) if warning.code == "training-examples-left-out"]
    assert left_out.fields["count"] == 1 and "gone.png" in left_out.fields["reason"]
    [cut] = [warning for warning in logged(logging.WARNING) if warning.code == "training-words-cut"]
    assert cut.fields["examples"] == 1 and 0 < cut.fields["words"] < 60 and cut.fields["max_length"] < 60


@pytest.mark.parametrize("frozen", ["true", "false"])
def test_what_cannot_be_read_is_counted_in_every_split_however_images_are_seen(tmp_path, mner_data, frozen, logged):
    torn = tiny.draw(tmp_path / "torn.png")
    torn.write_bytes(torn.read_bytes()[:60])
    splits = {}
    for split, bad in (("train", 3), ("dev", 2), ("test", 6)):
        examples = mner_data.examples(split)
        splits[split] = [*(replace(example, image=torn, objects=()) for example in examples[:bad]), *examples[bad:]]
    write_prepared(
        tmp_path / "bad",
        name="tiny",
        task="mner",
        labels=mner_data.labels,
        splits=splits,
        images_root=tmp_path.parent.parent,
        source="t",
    )
    finished = _train(tmp_path, tmp_path / "bad", "mner", f"vision.frozen={frozen}")
    assert finished.metrics["unread"] == {"train": 3, "dev": 2, "test": 6}
    assert finished.metrics["data"]["examples"]["train"] == 9
    assert finished.test.overall.f1 == 0
    [note] = [
        note for note in finished.metrics["notes"] if isinstance(note, Message) and note.code == "examples-unreadable"
    ]
    assert [(each.fields["split"], each.fields["count"]) for each in note.fields["counts"]] == [
        ("train", 3),
        ("dev", 2),
        ("test", 6),
    ]
    for code, count, split in (
        ("unreadable-regions", 1, None),
        ("training-examples-left-out", 3, None),
        ("scored-examples-unreadable", 2, "dev"),
    ):
        [warning] = [
            each for each in logged(logging.WARNING) if each.code == code and each.fields.get("split") == split
        ]
        assert warning.fields["count"] == count and "torn.png" in warning.fields["reason"]
    assert evaluate(open_model_folder(finished.folder), "dev").scores == finished.dev


def test_few_shot_of_data_without_entities_is_reported(tmp_path, mner_data):
    nothing = [replace(example, tags=("O",) * len(example.words)) for example in mner_data.examples("train")]
    folder = _split(tmp_path, mner_data, train=nothing)
    with raises(DataError, "no-entity-to-sample", data=folder, location="--set train.shots=2"):
        _train(tmp_path, folder, "mner", "train.shots=2")


def test_each_epoch_has_its_own_batches_and_the_best_is_marked(tmp_path, mner_data, monkeypatch):
    seen, lines = [], []
    original = MultimodalTrainer.compute_loss

    def watched(self, model, inputs, *others, **named):
        seen.append(inputs["batch"].text.features["input_ids"].tolist())
        return original(self, model, inputs, *others, **named)

    monkeypatch.setattr(MultimodalTrainer, "compute_loss", watched)
    _train(tmp_path, mner_data.folder, "mner", "train.epochs=4", callbacks=TrainingCallbacks(on_epoch=lines.append))
    epochs = [seen[i : i + 3] for i in range(0, 12, 3)]
    assert all(one != other for one, other in zip(epochs, epochs[1:], strict=False))
    dev = [line.dev.overall.f1 for line in lines]
    assert [line.best for line in lines] == [f1 > max(dev[:number], default=-1) for number, f1 in enumerate(dev)]


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_a_frozen_backbone_sees_each_image_once_a_run_wherever_features_are_kept(
    tmp_path, mner_data, monkeypatch, cache
):
    monkeypatch.setenv("HVPKIT_CACHE", "none" if cache == "none" else str(tmp_path / "cache"))
    seen, pyramid = [], VisualTower.pyramid
    monkeypatch.setattr(VisualTower, "pyramid", lambda self, pixels: seen.append(len(pixels)) or pyramid(self, pixels))
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=("train.epochs=3",))
    train(recipe, load_registry(), tmp_path / "run")
    examples = [example for split in ("train", "dev", "test") for example in mner_data.examples(split)]
    views = {(e.image, thing.box) if thing.box else thing.image for e in examples for thing in e.objects} | {
        e.image for e in examples
    }
    assert sum(seen) == len(views - {None})


def test_data_of_the_other_task_is_refused(tmp_path, mre_data):
    with raises(DataError, "task-mismatch", data=mre_data.folder, found="mre", expected="mner"):
        _train(tmp_path, mre_data.folder)


def test_missing_data_is_refused_before_anything_is_written(tmp_path):
    with raises(DataError, "no-prepared-data", folder=tmp_path / "nowhere"):
        _train(tmp_path, tmp_path / "nowhere")
    assert not list(tmp_path.glob("run*"))


def test_a_part_that_cannot_be_had_leaves_nothing_in_the_way(tmp_path, mner_data):
    with raises(ModelFolderError, "pretrained-folder-missing", folder="/nowhere/bert", option="text.name"):
        _train(tmp_path, mner_data.folder, "mner", "text={encoder: hugging-face, name: /nowhere/bert}")
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_ends_before_its_first_epoch_is_not_in_the_way_of_another(tmp_path, mner_data, monkeypatch, end):
    with monkeypatch.context() as patched, pytest.raises(end):
        patched.setattr(MultimodalTrainer, "compute_loss", Mock(side_effect=end))
        _train(tmp_path, mner_data.folder)
    assert not list(tmp_path.glob("run*"))
    assert _train(tmp_path, mner_data.folder, "mner", "train.seed=9").folder.is_dir()


@pytest.mark.parametrize(
    "writer", ["hvpkit.training.train.save_model", "hvpkit.training.trainer.MultimodalTrainer.train"]
)
def test_full_disk_is_reported_at_any_time_of_training(tmp_path, mner_data, monkeypatch, writer):
    monkeypatch.setattr(writer, Mock(side_effect=OSError(28, "No space left on device")))
    with raises(HvpkitError, "disk-full-in-training", folder=tmp_path / "run.training"):
        _train(tmp_path, mner_data.folder)


def test_a_run_that_cannot_be_set_up_leaves_nothing(tmp_path, mner_data, monkeypatch):
    monkeypatch.setattr("hvpkit.training.fit.logging_callbacks", Mock(side_effect=InputError("no tensorboard")))
    with raises(InputError, "custom", text="no tensorboard"):
        _train(tmp_path, mner_data.folder)
    assert not list(tmp_path.glob("run*"))


def test_an_existing_model_is_not_overwritten(tmp_path, mner_data):
    _train(tmp_path, mner_data.folder)
    with raises(InputError, "output-exists", output=tmp_path / "run"):
        _train(tmp_path, mner_data.folder)


def test_bf16_trains_and_scores_as_the_saved_model_does(tmp_path, mner_data):
    finished = _train(tmp_path, mner_data.folder, "mner", "train.precision=bf16")
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test
    assert runs.weights(finished.folder) != runs.weights(_train(tmp_path, mner_data.folder, name="fp32").folder)


def test_tensorboard_logs_are_kept_beside_the_model(tmp_path, mner_data):
    finished = _train(tmp_path, mner_data.folder, "mner", "train.report_to=tensorboard")
    assert list((finished.folder / "logs").glob("events*"))


def test_a_model_names_data_seed_encoder_and_random_parts(tmp_path, mner_data):
    finished = _train(tmp_path, mner_data.folder)
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert metrics["data"]["fingerprint"] == mner_data.manifest.fingerprint
    assert (metrics["seed"], metrics["encoder"]) == (7, "bert-from-scratch")
    assert "backbone-random" in _codes(finished.metrics["notes"])
    assert metrics["notes"] == messages_to_json(finished.metrics["notes"])
    assert mner_data.manifest.fingerprint in (finished.folder / "README.md").read_text()


def test_run_directory_in_use_is_refused(tmp_path, mner_data):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False)
    with RunDirectory(tmp_path / "run").open(), raises(InputError, "output-locked", output=tmp_path / "run"):
        train(recipe, load_registry(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
