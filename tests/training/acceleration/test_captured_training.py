"""The shipped trainer with captured steps; without a GPU, tests/training/recorder.py replaces CUDA graphs."""

from __future__ import annotations

import pytest
import tiny
import torch
from raising import raises
from training.recorder import stand_for_cuda
from transformers import TrainingArguments
from transformers.masking_utils import sdpa_mask

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import InputError
from hvpkit.model.heads import crf_likelihood
from hvpkit.model.text import prefix_attention
from hvpkit.model.text.word_masking import WordMasking
from hvpkit.registry import load_registry
from hvpkit.training.acceleration.cuda_graphs import MAX_FAILED_CAPTURES, CapturedStep, CudaGraphRunner
from hvpkit.training.callbacks import TrainingCallbacks
from hvpkit.training.train import TrainingSession
from hvpkit.training.trainer import build_training_arguments

GPU = torch.cuda.is_available()
EPOCHS, STEPS = 8, 3


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """Let a step without dropout do on a CPU what it does on a GPU: ask for no value, draw no random number."""
    monkeypatch.setattr(WordMasking, "forward", lambda self, text: text)
    if not GPU:
        stand_for_cuda(monkeypatch)
        monkeypatch.setattr("hvpkit.model.heads.crf.log_likelihoods", joined)
        monkeypatch.setattr(
            prefix_attention, "sdpa_mask", lambda **wanted: sdpa_mask(**wanted | {"allow_is_bidirectional_skip": False})
        )


def joined(crf, emissions, tags, mask):
    return crf_likelihood.gold_scores(crf, emissions, tags, mask) - crf_likelihood.log_partition(crf, emissions, mask)


def trained(folder, data, recorded, *overrides):
    recipe = tiny.recipe(folder, data, "mner", overrides=(f"train.epochs={EPOCHS}", "train.precision=fp32", *overrides))
    run = TrainingSession(recipe, load_registry(), open_prepared(data), TrainingCallbacks())
    for module in run.model.modules():
        for name in ("p", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    trainer = run.trainer(folder / "training")
    trainer.graphs = CudaGraphRunner(trainer.model) if recorded else None
    graphs = trainer.graphs
    trainer.train()
    return run, graphs, trainer


@pytest.fixture
def replays(monkeypatch):
    found, replay = [], CapturedStep.replay
    monkeypatch.setattr(
        CapturedStep, "replay", lambda self, batch: found.append(batch.text.mask.shape) or replay(self, batch)
    )
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_steps_train_the_same_model(tmp_path, mner_data, replays, precision):
    wished = f"train.precision={precision}"
    plain, _, _ = trained(tmp_path / "plain", mner_data.folder, False, wished)
    run, graphs, trainer = trained(tmp_path / "recorded", mner_data.folder, True, wished)
    assert 0 < len(graphs.captured_steps) < len(replays) < EPOCHS * STEPS
    assert all(positions % 8 == 0 or positions == max(p for _, p in replays) for _, positions in replays)
    close = {"atol": 1e-5, "rtol": 1e-4} if precision == "fp32" else {"atol": 2e-2, "rtol": 2e-2}
    for own, expected in zip(run.model.state_dict().values(), plain.model.state_dict().values(), strict=True):
        torch.testing.assert_close(own, expected, **close)
    assert run.score("dev") == plain.score("dev")
    assert trainer.graphs is None and "zero_grad" not in vars(run.model)


def test_gradients_are_clipped_by_the_norm_that_comes_with_a_step(tmp_path, mner_data, monkeypatch):
    replay = CapturedStep.replay
    monkeypatch.setattr(
        CapturedStep, "replay", lambda self, batch: (replay(self, batch)[0], torch.tensor(float("inf")))
    )
    _, _, trainer = trained(tmp_path, mner_data.folder, True)
    assert torch.isinf(trainer.optimizer.optimizer.grad_scale)


def test_what_can_record_nothing_is_left(tmp_path, mner_data, monkeypatch):
    monkeypatch.setattr(
        "hvpkit.model.heads.crf.log_likelihoods", lambda *given: joined(*given) + 0 * joined(*given).sum().item()
    )
    steps, step = [], CudaGraphRunner.step
    monkeypatch.setattr(CudaGraphRunner, "step", lambda self, *given: steps.append(self) or step(self, *given))
    _, graphs, _ = trained(tmp_path, mner_data.folder, True)
    assert graphs.is_disabled and len(steps) == MAX_FAILED_CAPTURES < EPOCHS * STEPS


def test_a_recipe_may_want_no_recordings(tmp_path, mner_data):
    for wanted in ("true", "false"):
        recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(f"train.cuda_graphs={wanted}",))
        trainer = TrainingSession(
            recipe, load_registry(), open_prepared(mner_data.folder), TrainingCallbacks()
        ).trainer(tmp_path / wanted)
        assert (trainer.graphs is not None) == (GPU and wanted == "true")


@pytest.mark.parametrize(("recorded", "code"), [(True, "out-of-gpu-memory-with-graphs"), (False, "out-of-gpu-memory")])
def test_too_little_memory_says_what_to_do(tmp_path, mner_data, monkeypatch, recorded, code):
    def fail(*given, **named):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr("hvpkit.model.model.Model.forward", fail)
    with raises(InputError, code, reason="tried to allocate 2 GiB"):
        trained(tmp_path, mner_data.folder, recorded)


def test_of_several_gpus_one_is_used(tmp_path, mner_data, monkeypatch):
    def four(arguments):
        arguments._n_gpu = 4
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(four))
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner")
    assert build_training_arguments(recipe.train, tmp_path, evaluates=False, find_unused_parameters=False).n_gpu == 1
