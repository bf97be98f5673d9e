from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises

import hvpkit_plugins
from hvpkit.batching import Batcher
from hvpkit.errors import ComponentError
from hvpkit.interfaces import PrefixConfig
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.testing import check_gate

FILE = Path(hvpkit_plugins.__path__[0]) / "entropy_gate.py"
SHAPE = PrefixConfig((8, 8, 8), 4, 16, 5)


def gate_of(**options: float):
    torch.manual_seed(0)
    return load_registry().build("gate", "entropy", SHAPE, options)


def written_out(weights: torch.Tensor, mask: torch.Tensor) -> float:
    """The mean entropy over layers and existing images."""
    entropies = []
    for image, exists in zip(weights.flatten(0, 1).tolist(), mask.flatten().tolist(), strict=True):
        if exists:
            entropies += [-sum(w * math.log(w) for w in layer if w > 0) for layer in image]
    return sum(entropies) / len(entropies)


@pytest.mark.parametrize("weight", [0.01, 1.0, -0.5])
def test_the_penalty_is_the_weighted_mean_entropy_over_existing_images(weight):
    gate = gate_of(entropy_weight=weight)
    weights = gate(3 * torch.randn(2, 3, 3, 4, 16))
    mask = torch.tensor([[True, False, True], [False, True, False]])
    penalty = gate.penalty(weights, mask)
    assert float(penalty.detach()) == pytest.approx(weight * written_out(weights, mask), rel=1e-5)


def test_converged_gate_has_zero_loss_and_a_finite_gradient():
    gate = gate_of(entropy_weight=1.0)
    weights = torch.eye(3)[[0, 1, 2, 0, 1]].expand(2, 2, 5, 3).clone().requires_grad_()
    penalty = gate.penalty(weights, torch.ones(2, 2, dtype=torch.bool))
    assert penalty.item() == pytest.approx(0.0, abs=1e-6)
    penalty.backward()
    assert weights.grad.isfinite().all()
    assert gate.penalty(weights, torch.zeros(2, 2, dtype=torch.bool)).item() == 0.0


def test_it_weighs_levels_as_the_dynamic_gate_does():
    torch.manual_seed(0)
    dynamic = load_registry().build("gate", "dynamic", SHAPE, {"slope": 0.2})
    entropy = gate_of(slope=0.2)
    entropy.load_state_dict(dynamic.state_dict())
    levels = torch.randn(2, 3, 3, 4, 16)
    assert torch.equal(entropy(levels), dynamic(levels))


def test_it_keeps_the_contract():
    factory = load_registry().get("gate", "entropy").factory
    check_gate(factory)
    check_gate(factory, entropy_weight=-1.0)


# --------------------------------------------------------------------------------------------------------------- as a
# plugin
def test_it_is_registered_by_its_entry_point():
    component = load_registry().get("gate", "entropy")
    assert component.source == f"hvpkit {version('hvpkit')}"
    assert component.factory.__module__ == "hvpkit_plugins.entropy_gate"
    assert list(component.options) == ["entropy_weight", "slope"]


def test_it_comes_without_torch():
    program = f"import runpy, sys; runpy.run_path({str(FILE)!r}); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_copy_with_the_same_name_is_refused_and_both_are_named(tmp_path):
    copy = shutil.copy(FILE, tmp_path / "copied.py")
    with raises(ComponentError, "component-registered-twice", kind="gate", name="entropy") as refused:
        load_registry([copy])
    named = {re.sub(r", sha256 [0-9a-f]{12}", "", refused.value.fields[each]) for each in ("first", "second")}
    assert named == {f"hvpkit {version('hvpkit')}", "copied.py (file)"}


def test_a_copy_of_another_name_works_as_a_plugin_file(tmp_path):
    copy = tmp_path / "mine.py"
    copy.write_text(
        FILE.read_text(encoding="utf-8").replace('register("entropy"', 'register("my-entropy"'), encoding="utf-8"
    )
    component = load_registry([copy]).get("gate", "my-entropy")
    assert component.source.startswith("mine.py (file, sha256 ")
    check_gate(component.factory)


# --------------------------------------------------------------------------------------------------------------- in
# training
def trained(mner_data, folder: Path, weight: float, steps: int) -> list[tuple[float, float]]:
    """Train a tiny model a few steps; give each step's loss and the mean entropy of its gates."""
    recipe = tiny.recipe(
        folder, mner_data.folder, "mner", overrides=(f"fusion.gate={{name: entropy, entropy_weight: {weight}}}",)
    )
    torch.manual_seed(3)
    model = build_model(
        recipe, load_registry(), mner_data.labels, mner_data.examples("train")
    ).eval()  # without dropout
    batcher = Batcher(model, recipe)
    batch = batcher.collate(
        [batcher.encode(example, labeled=True) for example in list(mner_data.examples("train"))[:4]]
    )
    optimizer = torch.optim.AdamW(model.fusion.gate.parameters(), lr=0.05)
    calls = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        weights = model.fusion.gate(model.fusion.projector(model.vision(batch.images)))
        calls.append((float(loss.detach()), written_out(weights, batch.images.mask)))
        optimizer.step()
    return calls


def test_the_loss_of_training_holds_the_penalty(mner_data, tmp_path):
    ((plain, entropy), _), ((penalised, same), _) = (trained(mner_data, tmp_path, weight, 2) for weight in (0.0, 2.0))
    assert same == pytest.approx(entropy)
    assert penalised == pytest.approx(plain + 2.0 * entropy, rel=1e-5)


def test_above_zero_gates_settle_and_below_zero_they_spread(mner_data, tmp_path):
    falls, rises = (trained(mner_data, tmp_path, weight, 6) for weight in (100.0, -100.0))
    assert falls[-1][1] < falls[0][1]
    assert rises[-1][1] > rises[0][1]
