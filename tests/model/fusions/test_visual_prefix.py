from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from raising import raises
from torch import Tensor, nn

from hvpkit.config.recipe import ComponentSpec
from hvpkit.errors import ComponentError, did_you_mean
from hvpkit.interfaces import EncodedText, FusionContext, Gate, Prefix, PrefixConfig, Projector, Trace, Visual
from hvpkit.model.fusions.visual_prefix import release_head_layout
from hvpkit.registry import load_registry
from hvpkit.testing.fusions import AveragePoolBackbone
from hvpkit.testing.inputs import (
    EXAMPLES,
    LABELS,
    encode,
    random_visual,
    select_row,
    small_bert,
    text_batch,
    without_images,
)
from hvpkit.types import Example

REGISTRY = load_registry()
WIDTH, LAYERS, CELLS = 16, 3, 4


@pytest.fixture
def encoder():
    torch.manual_seed(4)
    return small_bert("mner")


@pytest.fixture
def text(encoder):
    return text_batch(encoder, encode(encoder, EXAMPLES["mner"]))


@pytest.fixture
def visual():
    torch.manual_seed(5)
    return random_visual([level.channels for level in AveragePoolBackbone.levels], CELLS)


def context_of(encoder, build=REGISTRY.build) -> FusionContext:
    def make(kind: str, part: ComponentSpec, inner: object) -> object:
        return build(kind, part.name, inner, part.options)

    return FusionContext(LABELS["mner"], encoder, AveragePoolBackbone(), CELLS, True, 2, make)


def fusion_of(encoder, name: str = "visual-prefix", **options: object) -> nn.Module:
    return REGISTRY.build("fusion", name, context_of(encoder), options).eval()


def written_out(fusion, visual: Visual) -> list[tuple[Tensor, Tensor]]:
    """Eq. 2 and 5-7 in plain loops: each layer's keys and values [B, S, d]."""
    levels = fusion.projector(visual)
    weights = fusion.gate(levels)
    found = []
    for layer, linear in enumerate(fusion.key_value):
        keys = torch.zeros(len(levels), 3 * CELLS, WIDTH)
        values = torch.zeros_like(keys)
        for b in range(len(levels)):
            for v in range(3):
                for p in range(CELLS):
                    mixed = sum(
                        weights[b, v, layer, c] * levels[b, v, c, p] for c in range(len(AveragePoolBackbone.levels))
                    )
                    both = linear.weight @ mixed + linear.bias
                    keys[b, v * CELLS + p], values[b, v * CELLS + p] = both[:WIDTH], both[WIDTH:]
        found.append((keys, values))
    return found


@pytest.mark.parametrize("gate", ["dynamic", "flat", "1t3"])
@torch.no_grad()
def test_the_prefix_is_that_of_equations_5_to_7(encoder, visual, gate):
    fusion = fusion_of(encoder, gate=ComponentSpec(name=gate))
    levels = fusion.projector(visual)
    prefix = fusion.build_prefix(levels, fusion.gate(levels), visual.mask)
    expected = written_out(fusion, visual)
    assert len(prefix.keys) == len(prefix.values) == len(expected) == LAYERS
    for layer, (keys, values) in enumerate(expected):
        torch.testing.assert_close(prefix.keys[layer], keys)
        torch.testing.assert_close(prefix.values[layer], values)
    assert prefix.mask.tolist() == [[exists for exists in row for _ in range(CELLS)] for row in visual.mask.tolist()]


@torch.no_grad()
def test_the_text_encoder_reads_the_text_with_that_prefix(encoder, text, visual):
    fusion = fusion_of(encoder)
    fused = fusion(encoder, text, visual, {})
    keys, values = zip(*written_out(fusion, visual), strict=True)
    expected = encoder(text, prefix=Prefix(keys, values, visual.mask.repeat_interleave(CELLS, 1)))
    torch.testing.assert_close(fused.states, expected.states)
    torch.testing.assert_close(fused.pooled, expected.pooled)
    assert fusion.width == WIDTH


@torch.no_grad()
def test_without_images_it_is_the_text_encoder_bit_for_bit(encoder, text):
    alone, prefixed = (fusion_of(encoder, name)(encoder, text, None, {}) for name in ("none", "visual-prefix"))
    plain = encoder(text)
    for fused in (alone, prefixed):
        assert torch.equal(fused.states, plain.states)
        assert torch.equal(fused.pooled, plain.pooled)
        assert not fused.losses


@torch.no_grad()
def test_with_every_image_masked_it_is_the_text_encoder(encoder, text, visual):
    fused = fusion_of(encoder)(encoder, text, without_images(visual), {})
    torch.testing.assert_close(fused.states, encoder(text).states, atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_missing_image_changes_nothing_whatever_its_features_are(encoder, text, visual):
    fusion = fusion_of(encoder)
    missing = ~visual.mask[..., None, None]
    assert missing.any()
    noisy = tuple(torch.where(missing, 100 * torch.randn_like(level), level) for level in visual.levels)
    clean, noise = (fusion(encoder, text, seen, {}) for seen in (visual, Visual(noisy, visual.images)))
    assert torch.equal(clean.states, noise.states)


@torch.no_grad()
def test_every_image_that_exists_counts(encoder, text, visual):
    fusion = fusion_of(encoder)
    whole = fusion(encoder, text, visual, {}).states
    for row, image in visual.mask.nonzero().tolist():
        changed = tuple(level.clone() for level in visual.levels)
        for level in changed:
            level[row, image] += 1
        moved = (fusion(encoder, text, Visual(changed, visual.images), {}).states - whole).abs().amax((1, 2))
        assert [float(value) > 0 for value in moved] == [other == row for other in range(3)]


@torch.no_grad()
def test_an_example_without_images_in_a_batch_with_images_is_read_as_text_alone(encoder, text, visual):
    fused = fusion_of(encoder)(encoder, text, visual, {})
    torch.testing.assert_close(fused.states[2], encoder(text).states[2], atol=1e-6, rtol=0)


@torch.no_grad()
def test_a_trace_shows_gates_and_attention_and_changes_nothing(encoder, text, visual):
    fusion, trace = fusion_of(encoder), Trace()
    assert torch.equal(fusion(encoder, text, visual, {}, trace).states, fusion(encoder, text, visual, {}).states)
    torch.testing.assert_close(trace.gates, fusion.gate(fusion.projector(visual)))
    assert len(trace.attention) == LAYERS
    for attention in trace.attention:
        assert attention.shape == (3, 2, text.mask.shape[1], 3 * CELLS + text.mask.shape[1])
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
        hidden = torch.cat([visual.mask.repeat_interleave(CELLS, 1), text.mask], dim=1)
        assert not attention.masked_select(~hidden[:, None, None, :]).any()


def test_levels_that_are_keys_and_values_already_are_taken_as_they_are(encoder, text, visual):
    class KeysAndValues(Projector):
        def __init__(self, shape: PrefixConfig) -> None:
            super().__init__()
            self.width = 2 * shape.width
            self.maps = nn.ModuleList(nn.Linear(channels, self.width) for channels in shape.channels)

        def forward(self, visual: Visual) -> Tensor:
            return torch.stack(
                [linear(level.transpose(-1, -2)) for linear, level in zip(self.maps, visual.levels, strict=True)], dim=2
            )

    seen: list[PrefixConfig] = []

    def build(kind: str, name: str, inner: PrefixConfig, options: dict) -> object:
        if kind == "projector":
            return KeysAndValues(inner)
        seen.append(inner)
        return REGISTRY.build(kind, name, inner, options)

    fusion = REGISTRY.build("fusion", "visual-prefix", context_of(encoder, build), {})
    assert seen == [PrefixConfig((3, 3), CELLS, 2 * WIDTH, LAYERS)]
    assert not list(fusion.key_value.parameters())
    levels = fusion.projector(visual)
    weights = torch.zeros(3, 3, LAYERS, 2)
    weights[..., 1] = 1
    prefix = fusion.build_prefix(levels, weights, visual.mask)
    assert torch.equal(prefix.keys[0], levels[:, :, 1, :, :WIDTH].flatten(1, 2))
    assert torch.equal(prefix.values[2], levels[:, :, 1, :, WIDTH:].flatten(1, 2))
    assert fusion(encoder, text, visual, {}).states.shape == (*text.mask.shape, WIDTH)


def test_a_gate_s_penalty_becomes_a_loss(encoder, text, visual):
    class Penalised(Gate):
        def __init__(self, shape: PrefixConfig) -> None:
            super().__init__()
            self.shape = shape

        def forward(self, levels: Tensor) -> Tensor:
            return torch.full((*levels.shape[:2], self.shape.layers, 2), 0.5)

        def penalty(self, weights: Tensor, mask: Tensor) -> Tensor:
            return weights.sum() + mask.sum()

    def build(kind: str, name: str, inner: PrefixConfig, options: dict) -> object:
        return Penalised(inner) if kind == "gate" else REGISTRY.build(kind, name, inner, options)

    fusion = REGISTRY.build("fusion", "visual-prefix", context_of(encoder, build), {})
    assert {name: float(loss) for name, loss in fusion(encoder, text, visual, {}).losses.items()} == {
        "gate": 3 * 3 * LAYERS + 5
    }
    assert not fusion_of(encoder)(encoder, text, visual, {}).losses


def test_single_example_uses_its_own_images(encoder, visual):
    fusion = fusion_of(encoder)
    encoded: list[EncodedText] = encode(encoder, EXAMPLES["mner"])
    together = fusion(encoder, text_batch(encoder, encoded), visual, {}).states
    for row, one in enumerate(encoded):
        alone = fusion(encoder, text_batch(encoder, [one]), select_row(visual, row), {}).states[0]
        torch.testing.assert_close(alone, together[row, : len(one.word_ids)], atol=1e-5, rtol=0)


def test_an_encoder_that_takes_no_prefix_is_refused(encoder):
    class Deaf(type(encoder)):
        def enable_prefix(self) -> None:
            raise ComponentError("prefix-unsupported", encoder="deaf")

    encoder.__class__ = Deaf
    with raises(ComponentError, "prefix-unsupported", encoder="deaf"):
        fusion_of(encoder)


def test_gate_and_projector_take_their_options(encoder):
    assert fusion_of(encoder, gate=ComponentSpec(name="dynamic", options={"slope": 0.25})).gate.slope == 0.25
    with raises(
        ComponentError,
        "unknown-option",
        kind="gate",
        name="dynamic",
        option="slop",
        hint=did_you_mean("slop", ["slope"]),
    ):
        fusion_of(encoder, gate=ComponentSpec(name="dynamic", options={"slop": 0.25}))


def test_it_keeps_neither_encoder_nor_backbone(encoder):
    names = set(fusion_of(encoder).state_dict())
    assert {name.partition(".")[0] for name in names} == {"projector", "gate", "key_value"}


def test_gradients_reach_fusion_and_text_but_not_the_missing_images(encoder, text, visual):
    fusion = fusion_of(encoder)
    levels = tuple(level.clone().requires_grad_() for level in visual.levels)
    states = fusion(encoder, text, replace(visual, levels=levels), {}).states
    (states * torch.rand_like(states)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in fusion.parameters())
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    for level in levels:
        assert level.grad[visual.mask].any()
        assert not level.grad[~visual.mask].any()


def test_texts_of_any_length_take_the_same_prefix(encoder, visual):
    fusion = fusion_of(encoder)
    one = encoder.encode(Example("1", ("a",) * 40), 64)
    assert fusion(encoder, text_batch(encoder, [one]), select_row(visual, 0), {}).states.shape == (
        1,
        len(one.word_ids),
        WIDTH,
    )


def test_trace_maps_prefix_positions_to_image_cells(encoder, text, visual):
    trace = Trace()
    fusion_of(encoder, projector=ComponentSpec(name="per-level"))(encoder, text, visual, {}, trace)
    assert trace.cells.tolist() == [list(range(3 * CELLS))] * encoder.num_attention_heads
    assert (trace.level_name, trace.cells_are_spatial) == ("level", True)


def test_heads_that_are_cut_by_rows_are_traced_to_the_cells_that_they_read(encoder):
    """Each cell's keys are its own number; the encoder's split shows which number stands in which head's position."""
    fusion = fusion_of(encoder, head_layout="release")
    length = 3 * CELLS
    numbers = torch.arange(length).float()[None, :, None].expand(1, length, WIDTH)
    split = (
        release_head_layout(numbers, encoder.num_attention_heads)
        .view(1, length, encoder.num_attention_heads, WIDTH // encoder.num_attention_heads)
        .transpose(1, 2)
    )  # [1, H, S, d/H]
    cells = fusion.cells(length, encoder.num_attention_heads)
    torch.testing.assert_close(split[0], cells[..., None].expand_as(split[0]).float())
    assert sorted(cells.flatten().tolist()) == sorted(list(range(length)) * encoder.num_attention_heads)


def test_slices_of_the_joint_projector_are_not_spatial(encoder, text, visual):
    trace = Trace()
    fusion_of(encoder, projector=ComponentSpec(name="joint", options={"hidden": 8}))(encoder, text, visual, {}, trace)
    assert (trace.level_name, trace.cells_are_spatial) == ("slice", False)
