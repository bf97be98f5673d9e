"""The shipped trainer with captured steps; without a GPU, tests/training/recorder.py replaces CUDA graphs."""

from __future__ import annotations

import pytest
import tiny
import torch
from raising import raises
from training.recorder import replace_cuda_graphs
from transformers import TrainingArguments
from transformers.masking_utils import sdpa_mask

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import InputError
from hvpkit.model.heads import crf_likelihood
from hvpkit.model.text import prefix_attention
from hvpkit.model.text.word_masking import WordMasking
from hvpkit.registry import load_registry
from hvpkit.training import fit as training_fit
from hvpkit.training.acceleration.accelerated import accelerated, captures_steps, run_plainly
from hvpkit.training.acceleration.cuda_graphs import CapturedStep, CudaGraphRunner
from hvpkit.training.arguments import build_training_arguments
from hvpkit.training.fit import fit
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.session import setup

GPU = torch.cuda.is_available()
EPOCHS, STEPS = 8, 3


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """Make a step on a CPU do what it does on a GPU: read no value, draw no random number."""
    monkeypatch.setattr(WordMasking, "forward", lambda self, text: text)
    if not GPU:
        replace_cuda_graphs(monkeypatch)
        monkeypatch.setattr("hvpkit.model.heads.crf.log_likelihoods", parallel_log_likelihoods)
        monkeypatch.setattr(
            prefix_attention, "sdpa_mask", lambda **wanted: sdpa_mask(**wanted | {"allow_is_bidirectional_skip": False})
        )


def parallel_log_likelihoods(crf, emissions, tags, mask):
    return crf_likelihood.gold_scores(crf, emissions, tags, mask) - crf_likelihood.log_partition(crf, emissions, mask)


def trained(folder, data, captured, monkeypatch, *overrides):
    recipe = tiny.recipe(folder, data, "mner", overrides=(f"train.epochs={EPOCHS}", "train.precision=fp32", *overrides))
    session = setup(recipe, load_registry(), open_prepared(data))
    for module in session.model.modules():
        for name in ("p", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    runner = CudaGraphRunner(session.model) if captured else run_plainly
    monkeypatch.setattr(training_fit, "captures_steps", lambda model, train: captured)
    scorer = SplitScorer(session.model, session.batcher, session.examples)
    fit(session, scorer, folder / "training", runner)
    return session, scorer, runner


@pytest.fixture
def replays(monkeypatch):
    found, replay = [], CapturedStep.replay
    monkeypatch.setattr(
        CapturedStep, "replay", lambda self, batch: found.append(batch.text.mask.shape) or replay(self, batch)
    )
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captured_steps_train_the_same_model(tmp_path, mner_data, replays, precision, monkeypatch):
    wished = f"train.precision={precision}"
    plain, scorer, _ = trained(tmp_path / "plain", mner_data.folder, False, monkeypatch, wished)
    session, captured_scorer, runner = trained(tmp_path / "captured", mner_data.folder, True, monkeypatch, wished)
    assert 0 < len(runner.captured_steps) < len(replays) < EPOCHS * STEPS
    assert all(positions % 8 == 0 or positions == max(p for _, p in replays) for _, positions in replays)
    close = {"atol": 1e-5, "rtol": 1e-4} if precision == "fp32" else {"atol": 2e-2, "rtol": 2e-2}
    for own, expected in zip(session.model.state_dict().values(), plain.model.state_dict().values(), strict=True):
        torch.testing.assert_close(own, expected, **close)
    assert captured_scorer.score("dev") == scorer.score("dev")


@pytest.mark.parametrize(
    ("override", "is_captured"),
    [
        ("train.cuda_graphs=true", True),
        ("train.cuda_graphs=false", False),
        ("train.gradient_accumulation_steps=2", False),
    ],
)
def test_steps_are_captured_on_a_gpu_unless_the_recipe_excludes_it(
    tmp_path, mner_data, monkeypatch, override, is_captured
):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(override,))
    model = setup(recipe, load_registry(), mner_data).model
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert captures_steps(model, recipe.train) == is_captured
    with accelerated(model, recipe.train) as step:
        assert isinstance(step, CudaGraphRunner) == is_captured
    model.head.graph_safe = False
    assert not captures_steps(model, recipe.train)


@pytest.mark.parametrize(("captured", "code"), [(True, "out-of-gpu-memory-with-graphs"), (False, "out-of-gpu-memory")])
def test_out_of_memory_is_reported_with_advice(tmp_path, mner_data, monkeypatch, captured, code):
    def fail(*given, **named):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr("hvpkit.model.model.Model.forward", fail)
    with raises(InputError, code, reason="tried to allocate 2 GiB"):
        trained(tmp_path, mner_data.folder, captured, monkeypatch)


def test_of_several_gpus_one_is_used(tmp_path, mner_data, monkeypatch):
    def four(arguments):
        arguments._n_gpu = 4
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(four))
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner")
    assert build_training_arguments(recipe.train, tmp_path, evaluates=False, find_unused_parameters=False).n_gpu == 1
