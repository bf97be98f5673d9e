"""Systems without gate, prefix, or a head that knows what it does not decode: they explain what they have."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import hvpkit
from hvpkit.config.loading import load_recipe
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example
from hvpkit.registry import load_registry

PLUGIN = '''
from hvpkit.hookspecs import hookimpl

@hookimpl
def register_fusions(register):
    register("late", late, needs={"images"})

@hookimpl
def register_heads(register):
    register("forgetful", forgetful, needs={"states"}, tasks=("mner",))

def late(context):
    """Adds the images' mean to every state, and counts phrases."""
    import torch
    from hvpkit.interfaces import Fused, Fusion

    class Late(Fusion):
        def __init__(self):
            super().__init__()
            self.width = context.text.width
            self.map = torch.nn.Linear(context.backbone.levels[-1].channels, self.width)

        def build_inputs(self, example, encoded):
            return {"phrases": torch.tensor([len(thing.phrase or "") for thing in example.objects] or [0])}

        def forward(self, encoder, text, visual, extras, trace=None):
            read = encoder(text, trace=trace)
            phrases = extras["phrases"].sum(1)
            states = read.states + phrases[:, None, None]
            if visual is not None:
                mix = self.map(visual.levels[-1].mean((1, 3)))
                states = states + mix[:, None]
                if trace is not None:
                    trace.extra_tensors["phrases"] = phrases
            return Fused(states, read.pooled)

    return Late()

def forgetful(context):
    """A CRF that can only tell what it decodes."""
    from hvpkit.interfaces import Head
    from hvpkit.model.heads.crf import CrfHead

    class Forgetful(CrfHead):
        confidences = Head.confidences

    return Forgetful(context, 0.1)
'''


@pytest.fixture(scope="module")
def plugged(tmp_path_factory, mner_data) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("plugged")
    plugin = folder / "late.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    tiny.recipe(folder, mner_data.folder, "mner", head="forgetful")
    settings = ["fusion=late"]
    recipe = load_recipe(folder / "tiny.yaml", settings, load_registry((plugin,)))
    return tiny.save_tiny_model(folder / "model", recipe, mner_data, (plugin,)), plugin


def test_a_fusion_without_gate_and_prefix_has_its_changes_and_what_it_named(plugged, mner_data):
    model, plugin = plugged
    predictor = hvpkit.load(model, [plugin], device="cpu")
    example = mner_data.examples("test")[0]
    found = explain_example(predictor, parse_example(example, predictor.folder.recipe))
    assert (found.gates, found.attention, found.groups) == (None, (), ())
    assert [(change.name.code, change.image) for change in found.counterfactuals] == [
        ("counterfactual-no-images", None),
        ("counterfactual-no-object", 1),
        ("counterfactual-no-object", 2),
        ("counterfactual-no-full-image", 0),
    ]
    assert found.extra_tensors == {"phrases": sum(len(thing.phrase) for thing in example.objects)}
    assert len(found.images) == 3
    before = {(e.start, e.end, e.type) for e in found.prediction.entities}
    assert before
    for change in found.counterfactuals:
        for effect in change.effects:
            assert (effect.after is None) == effect.flips  # this head has no confidence of what it does not decode


def test_what_a_fusion_reads_of_an_object_goes_with_it(plugged, mner_data):
    from hvpkit.batching import Batcher
    from hvpkit.explain.counterfactuals import counterfactuals

    model, plugin = plugged
    predictor = hvpkit.load(model, [plugin], device="cpu")
    example = mner_data.examples("test")[0]
    batcher = Batcher(predictor.model, predictor.folder.recipe)
    found = counterfactuals(example, batcher, None)
    without = {(variant.kind, variant.image): variant.encode(batcher)[0][1] for variant in found}
    first, second = (len(thing.phrase) for thing in example.objects)
    assert without["no images", None].extras["phrases"].tolist() == [0]
    assert without["no object", 1].extras["phrases"].tolist() == [second]
    assert without["no object", 2].extras["phrases"].tolist() == [first]
    assert [view is None for view in without["no object", 1].regions] == [False, True, False]
