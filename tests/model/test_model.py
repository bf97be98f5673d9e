from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises

from hvpkit.batching import Batcher
from hvpkit.errors import ComponentError, did_you_mean
from hvpkit.interfaces import Batch, Trace
from hvpkit.model.model import ComponentFolders, Model, build_model
from hvpkit.registry import load_registry

GATES = ("dynamic", "flat", "1t3")


@pytest.fixture(params=["mner", "mre"])
def task(request):
    return request.param


@pytest.fixture
def data(task, mner_data, mre_data):
    return {"mner": mner_data, "mre": mre_data}[task]


def built(data, folder, task, *, images: bool = True, overrides: tuple[str, ...] = ()) -> tuple[Model, Batcher]:
    recipe = tiny.recipe(folder, data.folder, task, images=images, overrides=overrides)
    torch.manual_seed(3)
    model = build_model(recipe, load_registry(), data.labels, data.examples("train")).eval()
    return model, Batcher(model, recipe)


def batch_of(batcher: Batcher, data, labeled: bool = True) -> Batch:
    return batcher.collate([batcher.encode(example, labeled=labeled) for example in list(data.examples("train"))[:4]])


def with_noise(batch: Batch, seed: int) -> Batch:
    """Other images in the same places."""
    pixels = torch.randn(batch.images.pixels.shape, generator=torch.Generator().manual_seed(seed))
    return replace(batch, images=replace(batch.images, pixels=pixels))


@torch.no_grad()
def test_the_flow_is_images_to_pyramid_to_fusion_to_head(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task)
    batch = batch_of(batcher, data)
    fused = model.fusion(model.text, batch.text, model.vision(batch.images), batch.extras)
    scores = model.head(fused, batch.text)
    output = model(batch)
    assert torch.equal(output.scores, scores)
    assert torch.equal(output.loss, model.head.loss(scores, batch.text, batch.targets))
    assert model(batch_of(batcher, data, labeled=False)).loss is None


@torch.no_grad()
def test_without_images_it_is_the_text_model_bit_for_bit(task, data, tmp_path):
    """The same weights, once with a visual prefix and no images, once without fusion."""
    imaged, batcher = built(data, tmp_path / "images", task)
    text_only, text_batcher = built(data, tmp_path / "text", task, images=False)
    for part in ("text", "head"):
        getattr(text_only, part).load_state_dict(getattr(imaged, part).state_dict())
    batch, plain = batch_of(batcher, data), batch_of(text_batcher, data)
    assert batch.images is not None and plain.images is None
    bare, expected = imaged(replace(batch, images=None)), text_only(plain)
    assert torch.equal(bare.scores, expected.scores)
    assert torch.equal(bare.loss, expected.loss)
    assert not torch.equal(imaged(batch).scores, expected.scores)
    assert imaged.head.decode(bare.scores, batch.text) == text_only.head.decode(expected.scores, plain.text)


@pytest.mark.parametrize("gate", GATES)
@torch.no_grad()
def test_images_move_the_scores_of_their_own_example_alone(task, data, tmp_path, gate):
    model, batcher = built(data, tmp_path, task, overrides=(f"fusion.gate={gate}",))
    batch = batch_of(batcher, data)
    seen = batch.images.mask.any(1).tolist()
    assert seen == [True, True, True, False]
    moved = (model(batch).scores - model(with_noise(batch, 1)).scores).flatten(1).abs().amax(1)
    assert [float(value) > 1e-6 for value in moved] == seen
    blind = model(replace(batch, images=None)).scores
    torch.testing.assert_close(model(batch).scores[3], blind[3], atol=1e-6, rtol=0)


@torch.no_grad()
def test_masked_image_equals_missing_image(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task)
    batch = batch_of(batcher, data)
    gone = batch.images.mask.clone()
    gone[0, 1:] = False
    kept = gone[batch.images.mask]
    masked = replace(batch, images=replace(batch.images, mask=gone, pixels=batch.images.pixels[kept]))
    examples = list(data.examples("train"))[:4]
    assert examples[0].objects
    items = [batcher.encode(replace(e, objects=()) if i == 0 else e, labeled=True) for i, e in enumerate(examples)]
    assert torch.equal(model(masked).scores, model(batcher.collate(items)).scores)
    assert not torch.equal(model(masked).scores[0], model(batch).scores[0])


@torch.no_grad()
def test_asking_for_a_trace_changes_no_score(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task)
    batch, trace = batch_of(batcher, data), Trace()
    assert torch.equal(model(batch, trace).scores, model(batch).scores)
    assert trace.gates.shape == (4, 3, 2, 4)
    torch.testing.assert_close(trace.gates.sum(-1), torch.ones(4, 3, 2))
    cells, positions = 3 * 4, batch.text.mask.shape[1]
    assert [tuple(attention.shape) for attention in trace.attention] == [(4, 2, positions, cells + positions)] * 2
    for attention in trace.attention:
        torch.testing.assert_close(attention.sum(-1), torch.ones(4, 2, positions))


def test_gradients_reach_all_but_a_frozen_backbone(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task)
    model.train()
    model(batch_of(batcher, data)).loss.backward()
    without = {name.partition(".")[0] for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"vision"}
    assert not any(parameter.requires_grad for parameter in model.vision.parameters())


def test_a_backbone_that_is_not_frozen_learns(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task, overrides=("vision.frozen=false",))
    model.train()
    model(batch_of(batcher, data)).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_same_seed_builds_the_same_model(task, data, tmp_path):
    first, second = (built(data, tmp_path, task)[0].state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_weights_are_kept_once(task, data, tmp_path):
    model, _ = built(data, tmp_path, task)
    assert {name.partition(".")[0] for name in model.state_dict()} == {"text", "vision", "fusion", "head"}
    pointers = [tensor.data_ptr() for tensor in model.state_dict().values()]
    assert len(set(pointers)) == len(pointers)


@torch.no_grad()
def test_model_can_read_objects_without_the_full_image(task, data, tmp_path):
    model, batcher = built(data, tmp_path, task, overrides=("vision.full_image=false", "vision.max_objects=1"))
    batch = batch_of(batcher, data)
    assert batch.images.mask.tolist() == [[True], [False], [False], [False]]
    assert model(batch).loss.isfinite()


def test_the_recipe_s_options_reach_their_components(task, data, tmp_path):
    model, _ = built(
        data,
        tmp_path,
        task,
        overrides=("fusion.gate={name: dynamic, slope: 0.2}", "vision.grid=3", "vision.image_size=48"),
    )
    assert model.fusion.gate.slope == 0.2
    assert (model.vision.grid, model.vision.backbone.side) == (3, 48)
    with raises(
        ComponentError,
        "unknown-option",
        kind="gate",
        name="dynamic",
        option="slop",
        hint=did_you_mean("slop", ["slope"]),
    ):
        built(data, tmp_path, task, overrides=("fusion.gate={name: dynamic, slop: 0.2}",))


def test_each_part_of_a_saved_model_has_its_folder(tmp_path):
    assert ComponentFolders(tmp_path).component_dir("text") == tmp_path / "text"
    assert ComponentFolders().component_dir("text") is None


def test_a_training_step_asks_for_no_value(task, data, tmp_path, monkeypatch):
    """On the meta device there are none, and whatever asks for one fails; a GPU would have to be waited for."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())  # it knows no meta device
    model, batcher = built(data, tmp_path, task)
    batch = batch_of(batcher, data)
    model.text.restrict_vocabulary([batcher.encode(example, labeled=False).text for example in data.examples("train")])
    loss = model.to("meta").train()(batch.to("meta")).loss
    loss.backward()
    assert loss.is_meta and all(p.grad is not None for p in model.parameters() if p.requires_grad)
