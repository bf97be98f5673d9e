from __future__ import annotations

import copy

import pytest
import tiny
import torch
from safetensors.torch import load_file
from small_models import save_encoder
from torch import nn

from hvpkit.model.text.hugging_face import HuggingFaceEncoder
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.registry import load_registry
from hvpkit.training.session import setup
from hvpkit.training.train import train

ROWS = torch.tensor([0, 2, 3, 7])
TEXTS = torch.tensor([[2, 3, 0], [7, 2, 2]])  # 0 is padding


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 1)

    def forward(self, ids):
        return self.linear(self.table(ids)).tanh().sum()


def narrowed(model):
    other = copy.deepcopy(model)
    other.table = PartialEmbedding(other.table, ROWS)
    return other


def step(model, optimizer, ids):
    optimizer.zero_grad()
    loss = model(ids)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    return float(loss.detach()), float(norm)


def trained(model, steps=6):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1 / (1 + done))
    seen = []
    for number in range(steps):
        seen.extend(step(model, optimizer, TEXTS[number % 2 :]))
        schedule.step()
    return seen


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small()


def test_losses_norms_and_every_weight_are_those_of_training_the_whole_table(model):
    few = narrowed(model)
    assert trained(few) == pytest.approx(trained(model), rel=1e-5)
    state, expected = few.state_dict(), model.state_dict()
    assert set(state) == set(expected)
    for name, tensor in expected.items():
        assert torch.allclose(state[name], tensor, atol=1e-6), name


def test_in_evaluation_every_row_is_read_as_it_is_by_now(model):
    few = narrowed(model)
    trained(few), trained(model)
    few.eval(), model.eval()
    everything = torch.arange(10)[None]
    assert torch.allclose(few.table(everything), model.table(everything), atol=1e-6)


def test_in_training_a_row_that_is_not_trained_is_refused(model):
    with pytest.raises(IndexError):
        narrowed(model)(torch.tensor([[5]]))


def test_training_continues_from_a_loaded_state(model, tmp_path):
    few, begun = narrowed(model), narrowed(model)
    trained(few)
    begun.load_state_dict(few.state_dict())
    assert trained(begun) == pytest.approx(trained(few), rel=1e-5)
    assert torch.allclose(begun.state_dict()["table.weight"], few.state_dict()["table.weight"], atol=1e-6)


@pytest.mark.parametrize("optimizer", [("train.optimizer=adamw",), ("train.optimizer=sgd", "train.momentum=0.9")])
def test_a_whole_training_ends_with_the_table_that_training_all_rows_ends_with(
    tmp_path, mner_data, monkeypatch, optimizer
):
    bert = save_encoder(tmp_path / "bert", "bert")
    wished = (
        f"text={{encoder: hugging-face, name: {bert}}}",
        *optimizer,
        "train.epochs=3",
        "train.lr=1e-2",
        "train.weight_decay=0.5",
    )
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=wished)

    def table(name):
        train(recipe, load_registry(), tmp_path / name)
        return load_file(tmp_path / name / "weights.safetensors")["text.model.embeddings.word_embeddings.weight"]

    few = table("few")
    monkeypatch.setattr(HuggingFaceEncoder, "restrict_vocabulary", lambda self, texts: None)
    assert torch.allclose(few, table("every"), atol=1e-6)


def test_all_rows_are_trained_where_weight_decay_applies_to_all(tmp_path, mner_data):
    bert = save_encoder(tmp_path / "bert", "bert")
    wished = (f"text={{encoder: hugging-face, name: {bert}}}", "train.decay_all=true")
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", images=False, overrides=wished)
    session = setup(recipe, load_registry(), mner_data)
    assert type(session.model.text.model.get_input_embeddings()) is nn.Embedding
