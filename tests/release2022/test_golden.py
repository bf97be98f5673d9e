"""The numbers of the released code itself, at its own size.

Release_7.json holds what it gives for weights and inputs of seed 7.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from release2022.released import fill, inputs, put_markers, tags
from transformers import BertConfig, BertTokenizer

from hvpkit import release2022
from hvpkit.config.loading import load_recipe
from hvpkit.interfaces import ImageBatch, Prefix
from hvpkit.model.model import ComponentFolders, Model, build_model
from hvpkit.registry import load_registry
from hvpkit.release2022.names import TAGS, to_release_name
from hvpkit.types import Labels, Task

GOLDEN = json.loads((Path(__file__).parent / "release_7.json").read_text(encoding="utf-8"))
PIECES = 30522
LABELS: dict[Task, Labels] = {
    "mner": Labels("mner", TAGS),
    "mre": Labels("mre", ("None", *(f"r{i}" for i in range(1, 23)))),
}

ROUNDING = 5e-7  # the golden numbers have six decimals


def full_size(folder: Path, task: Task) -> Model:
    """Build a release recipe's model at its own size, with the weights of seed 7."""
    for part in ("text", "vision", "fusion"):
        (folder / part).mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(PIECES - 5))]
    BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder / "text")
    BertConfig(vocab_size=PIECES + 4 * (task == "mre")).save_pretrained(folder / "text")
    model = build_model(
        load_recipe(f"release_{task}"), load_registry(), LABELS[task], saved=ComponentFolders(folder)
    ).eval()
    model.load_state_dict(
        {name: fill(str(to_release_name(name, task)), tensor, 7) for name, tensor in model.state_dict().items()}
    )
    return model


@pytest.fixture(scope="module")
def entities(tmp_path_factory) -> Iterator[Model]:
    yield full_size(tmp_path_factory.mktemp("mner"), "mner")


@torch.no_grad()
def test_entities_have_the_released_emissions_loss_and_paths(entities):
    ids, mask, whole, crops = inputs(7)
    found = release2022.forward(entities, ids, mask, whole, crops, tags(ids, mask, 7))
    golden = GOLDEN["ner_7"]
    torch.testing.assert_close(found.scores, torch.tensor(golden["emissions"]), atol=1e-4, rtol=0)
    assert float(found.loss) == pytest.approx(golden["loss"], abs=1e-4)
    assert found.paths == golden["paths"]


@torch.no_grad()
def test_the_prefix_is_the_released_one(entities):
    _, _, whole, crops = inputs(7)
    pixels = torch.cat([whole[:, None], crops], 1).flatten(0, 1)
    visual = entities.vision(ImageBatch(torch.ones(2, 4, dtype=torch.bool), torch.zeros(2, 4, 4), pixels=pixels))
    levels = entities.fusion.projector(visual)
    prefix: Prefix = entities.fusion.build_prefix(levels, entities.fusion.gate(levels), visual.mask)
    key, value = (tensor.view(2, 16, 12, 64).transpose(1, 2) for tensor in (prefix.keys[0], prefix.values[11]))
    golden = GOLDEN["ner_7"]
    torch.testing.assert_close(key[0, 0, :2, :4], torch.tensor(golden["prefix_key_l0"]), atol=ROUNDING, rtol=1e-5)
    torch.testing.assert_close(value[1, 5, 3:5, :4], torch.tensor(golden["prefix_val_l11"]), atol=ROUNDING, rtol=1e-5)
    for tensors, norms in ((prefix.keys, golden["key_norms"]), (prefix.values, golden["val_norms"])):
        assert [float(tensor.norm()) for tensor in tensors] == pytest.approx(norms, rel=1e-5)


@torch.no_grad()
def test_relations_have_the_released_logits_and_loss(tmp_path):
    model = full_size(tmp_path, "mre")
    ids, mask, whole, crops = inputs(7)
    put_markers(ids, PIECES)
    found = release2022.forward(model, ids, mask, whole, crops, torch.tensor([3, 17]))
    torch.testing.assert_close(found.scores, torch.tensor(GOLDEN["re_7"]["logits"]), atol=1e-4, rtol=0)
    assert float(found.loss) == pytest.approx(GOLDEN["re_7"]["loss"], abs=1e-4)
    assert found.paths is None
