"""Equations 7-9 in plain loops, against the function that every encoder calls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from small_models import save_encoder
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention
from transformers.masking_utils import bidirectional_mask_function

from hvpkit.interfaces import Prefix, TextBatch, TextContext, Trace
from hvpkit.model.text.prefix_attention import (
    additive_mask,
    attention_weights,
    padding_mask,
    prefix_attention,
    prepend_mask,
    split_heads,
)
from hvpkit.registry import load_registry
from hvpkit.types import Example

B, H, T, W, S = 2, 2, 4, 3, 3  # W: width of a head
MASK = torch.tensor([[True, False, True], [False, False, False]])


def module_at(layer: int) -> nn.Module:
    module = nn.Module()
    module.hvp_layer = layer
    return module


def heads_of(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(B, H, T, W, generator=generator) for _ in range(3))
    return query, key, value


def prefix_of(layers: int, mask: Tensor = MASK) -> Prefix:
    generator = torch.Generator().manual_seed(9)
    keys, values = ([torch.randn(B, S, H * W, generator=generator) for _ in range(layers)] for _ in range(2))
    return Prefix(keys, values, mask)


def written_out(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, prefix: Prefix | None, layer: int
) -> Tensor:
    """softmax(Q [phi_k; K]^T / sqrt(d/H)) [phi_v; V] for each head and position; `allowed` [B, T.

    T] says who sees whom.
    """
    rows, heads, positions, width = query.shape
    found = torch.zeros(rows, positions, heads, width)
    for b in range(rows):
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            for t in range(positions):
                seen = [(key[b, h, s], value[b, h, s]) for s in range(positions) if allowed[b, t, s]]
                if prefix is not None:
                    own = zip(prefix.keys[layer][b], prefix.values[layer][b], prefix.mask[b], strict=True)
                    seen += [(k[part], v[part]) for k, v, exists in own if exists]
                exponents = [math.exp(float(query[b, h, t] @ k) / math.sqrt(width)) for k, _ in seen]
                for exponent, (_, v) in zip(exponents, seen, strict=True):
                    found[b, t, h] += exponent / sum(exponents) * v
    return found


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_text_attends_to_the_prefix_and_to_itself(layer, masked):
    query, key, value = heads_of(1)
    allowed = torch.ones(B, T, T, dtype=torch.bool)
    if masked:
        allowed[1, :, 3] = False  # padding
        allowed[0, 0, 2:] = False  # beyond a window
    prefix = prefix_of(3)
    output, _ = prefix_attention(
        module_at(layer), query, key, value, allowed[:, None] if masked else None, hvp_prefix=prefix
    )
    torch.testing.assert_close(output, written_out(query, key, value, allowed, prefix, layer))


def test_a_masked_prefix_is_as_none():
    query, key, value = heads_of(2)
    prefix = prefix_of(1, torch.zeros(B, S, dtype=torch.bool))
    output, _ = prefix_attention(module_at(0), query, key, value, None, hvp_prefix=prefix)
    plain, _ = prefix_attention(module_at(0), query, key, value, None, is_causal=False)
    torch.testing.assert_close(output, plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(plain, written_out(query, key, value, torch.ones(B, T, T, dtype=torch.bool), None, 0))


def test_the_scaling_is_the_encoder_s_own():
    query, key, value = heads_of(3)
    prefix = prefix_of(1)
    own, _ = prefix_attention(module_at(0), query, key, value, None, scaling=1.0, hvp_prefix=prefix)
    everyone = torch.ones(B, T, T, dtype=torch.bool)
    torch.testing.assert_close(own, written_out(query * math.sqrt(W), key, value, everyone, prefix, 0))


def test_a_trace_shows_the_attention_that_was_paid():
    query, key, value = heads_of(4)
    trace, prefix = Trace(), prefix_of(1)
    output, _ = prefix_attention(module_at(0), query, key, value, None, hvp_prefix=prefix, hvp_trace=trace)
    (attention,) = trace.attention
    assert attention.shape == (B, H, T, S + T)
    torch.testing.assert_close(attention.sum(-1), torch.ones(B, H, T))
    assert not attention[:, :, :, :S].masked_select(~MASK[:, None, None, :]).any()
    values = torch.cat([split_heads(prefix.values[0], value), value], dim=2)
    torch.testing.assert_close((attention @ values).transpose(1, 2), output)


def test_a_prefix_of_another_precision_follows_the_encoder():
    query, key, value = (tensor.bfloat16() for tensor in heads_of(5))
    output, _ = prefix_attention(module_at(0), query, key, value, None, hvp_prefix=prefix_of(1))
    assert output.dtype == torch.bfloat16


def test_heads_are_split_as_the_encoder_splits_its_own():
    whole = torch.arange(B * S * H * W, dtype=torch.float).view(B, S, H * W)
    parts = split_heads(whole, heads_of(6)[0])
    for h in range(H):
        assert torch.equal(parts[:, h], whole[:, :, h * W : (h + 1) * W])


def test_a_prefix_may_depend_on_the_text_s_own_keys():
    @dataclass(frozen=True)
    class Doubled(Prefix):
        def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
            together = [own.transpose(1, 2).flatten(2)[:, :S] for own in (text_keys, text_values)]
            return together[0], together[1]

    query, key, value = heads_of(7)
    everyone = torch.ones(B, T, T, dtype=torch.bool)
    output, _ = prefix_attention(
        module_at(0), query, key, value, None, hvp_prefix=Doubled([], [], torch.ones(B, S, dtype=torch.bool))
    )
    same = Prefix(
        [key.transpose(1, 2).flatten(2)[:, :S]],
        [value.transpose(1, 2).flatten(2)[:, :S]],
        torch.ones(B, S, dtype=torch.bool),
    )
    torch.testing.assert_close(output, written_out(query, key, value, everyone, same, 0))


@torch.no_grad()
def test_a_whole_bert_with_a_prefix_is_the_written_out_one(tmp_path):
    example, folder = Example("1", ("Ada", "visits", "Paris")), save_encoder(tmp_path, "bert")
    encoder = load_registry().build("text encoder", "hugging-face", TextContext("mner"), {"name": str(folder)}).eval()
    encoder.enable_prefix()
    ids = encoder.encode(example, 32).features["input_ids"][None]
    states = embedded(encoder.model, ids)
    count = ids.shape[1]
    generator = torch.Generator().manual_seed(3)
    keys, values = ([torch.randn(1, S, 32, generator=generator) for _ in range(3)] for _ in range(2))
    prefix = Prefix(keys, values, torch.tensor([[True, True, False]]))
    for layer, module in enumerate(encoder.model.encoder.layer):
        states = through_layer(module, states, prefix, layer)
    batch = TextBatch({"input_ids": ids}, torch.ones(1, count, dtype=torch.bool), ids, ids > -1, ids)
    torch.testing.assert_close(encoder(batch, prefix=prefix).states, states, atol=1e-5, rtol=1e-5)


def embedded(model: nn.Module, ids: Tensor) -> Tensor:
    """Word, position (from 0, as without a prefix) and segment embeddings, normalised."""
    tables = model.embeddings
    found = (
        tables.word_embeddings.weight[ids]
        + tables.position_embeddings.weight[: ids.shape[1]]
        + tables.token_type_embeddings.weight[0]
    )
    return normalised(found, tables.LayerNorm)


def through_layer(module: nn.Module, states: Tensor, prefix: Prefix, layer: int) -> Tensor:
    own, count = module.attention.self, states.shape[1]
    query, key, value = (
        linear(states).view(1, count, 2, 16).transpose(1, 2) for linear in (own.query, own.key, own.value)
    )
    attended = written_out(query, key, value, torch.ones(1, count, count, dtype=torch.bool), prefix, layer).flatten(2)
    states = normalised(states + module.attention.output.dense(attended), module.attention.output.LayerNorm)
    return normalised(states + module.output.dense(gelu(module.intermediate.dense(states))), module.output.LayerNorm)


def normalised(states: Tensor, norm: nn.LayerNorm) -> Tensor:
    return layer_norm(states, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def test_a_row_in_which_everything_is_masked_has_no_nan():
    query, key, value = (head.requires_grad_() for head in heads_of(5))
    text = torch.ones(B, 1, T, T, dtype=torch.bool)
    text[0, :, -1] = False
    prefix = prefix_of(1, torch.zeros_like(MASK))
    for dropout in (0.0, 0.4):
        output, _ = prefix_attention(module_at(0), query, key, value, text, dropout=dropout, hvp_prefix=prefix)
        gradients = torch.autograd.grad(output.square().sum(), (query, key, value))
        assert output.isfinite().all() and all(gradient.isfinite().all() for gradient in gradients)


def test_dropout_removes_attention_weights_and_scales_the_others():
    query, key = torch.zeros(1, H, 9, W), torch.zeros(1, H, 9, W)
    prefix = Prefix([torch.zeros(1, 1, H * W)], [torch.ones(1, 1, H * W)], torch.ones(1, 1, dtype=torch.bool))
    output, _ = prefix_attention(module_at(0), query, key, torch.ones(1, H, 9, W), None, dropout=0.4, hvp_prefix=prefix)
    assert float(output.min()) < float(output.max())
    kept = output * 6  # of 10 equal weights, each of 1 / (10 * 0.6)
    torch.testing.assert_close(kept.round(), kept, atol=1e-3, rtol=0)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_checking_for_padding_does_not_synchronize_a_gpu(device):
    sizes = {
        "batch_size": 2,
        "q_length": 3,
        "kv_length": 3,
        "mask_function": bidirectional_mask_function,
        "allow_is_causal_skip": False,
    }
    whole = torch.ones(2, 3, dtype=torch.bool, device=device)
    mask = padding_mask(**sizes, device=whole.device, attention_mask=whole, allow_is_bidirectional_skip=True)
    assert mask is None if device == "cpu" else mask.shape == (2, 1, 3, 3)


def test_early_versions_of_transformers_name_no_device_for_the_mask(monkeypatch):
    heard = []
    monkeypatch.setattr("hvpkit.model.text.prefix_attention.sdpa_mask", lambda **wanted: heard.append(wanted))
    padding_mask(
        batch_size=2, cache_position=torch.arange(3), attention_mask=torch.ones(2, 3), allow_is_bidirectional_skip=True
    )
    assert "device" not in heard[0] and heard[0]["allow_is_bidirectional_skip"]


def test_mask_of_prefix_and_text_is_built_once_for_all_layers():
    prefix = prefix_of(2)
    text, other = torch.rand(2, B, 1, T, T, generator=torch.Generator().manual_seed(1)) < 0.8
    made = prepend_mask(prefix, text, T)
    assert torch.equal(made, torch.cat([MASK[:, None, None].expand(B, 1, T, S), text], dim=-1))
    assert prepend_mask(prefix, text, T) is made
    assert torch.equal(
        prepend_mask(prefix, other, T)[..., S:], other
    )  # an encoder of two kinds of layers has two masks
    assert prepend_mask(prefix, None, T)[..., S:].all()


def test_a_mask_of_numbers_hides_what_one_of_bool_hides():
    query, key, value = heads_of(1)
    text = torch.ones(B, 1, T, T, dtype=torch.bool)
    text[0, :, :, 2:] = text[1, :, 1, 0] = False
    mask, numbers = (prepend_mask(prefix_of(1), given, T) for given in (text, additive_mask(text, torch.float)))
    assert numbers.dtype == torch.float
    key, value = (
        torch.cat([split_heads(part[0], key), own], dim=2)
        for part, own in ((prefix_of(1).keys, key), (prefix_of(1).values, value))
    )
    torch.testing.assert_close(*(scaled_dot_product_attention(query, key, value, given) for given in (numbers, mask)))
    assert torch.equal(attention_weights(query, key, numbers, None), attention_weights(query, key, mask, None))


def as_on_a_gpu(monkeypatch, mask):
    """Return the result of `padding_mask` for a mask of transformers that is not on a CPU."""

    class Elsewhere(Tensor):
        device = torch.device("meta")

    monkeypatch.setattr("hvpkit.model.text.prefix_attention.sdpa_mask", lambda **wanted: mask.as_subclass(Elsewhere))
    return padding_mask(attention_mask=mask.as_subclass(Elsewhere)).as_subclass(Tensor)


def test_on_a_gpu_padding_without_visible_keys_attends_to_all(monkeypatch):
    mask = torch.tensor([[True, False], [False, False]])[None, None]
    low = additive_mask(torch.tensor(False), torch.float)
    assert torch.equal(
        as_on_a_gpu(monkeypatch, mask), torch.stack([torch.stack([torch.zeros(()), low]), torch.zeros(2)])[None, None]
    )


@pytest.mark.parametrize("text", [None, torch.ones(B, 1, T, T, dtype=torch.bool).tril()])
def test_a_bias_is_added_to_the_scores_of_the_prefix(text):
    query, key, value = heads_of(2)
    plain, trace = prefix_of(1), Trace()
    biased = Prefix(plain.keys, plain.values, plain.mask, bias=0.7)
    output, _ = prefix_attention(module_at(0), query, key, value, text, hvp_prefix=biased, hvp_trace=trace)
    keys, values = (
        torch.cat([split_heads(part[0], key), own], 2) for part, own in ((plain.keys, key), (plain.values, value))
    )
    allowed = torch.cat(
        [MASK[:, None, None].expand(B, 1, T, S), torch.ones(B, 1, T, T).bool() if text is None else text], -1
    )
    scores = query @ keys.transpose(2, 3) / math.sqrt(W) + torch.tensor([0.7] * S + [0.0] * T)
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    torch.testing.assert_close(output, (weights @ values).transpose(1, 2))
    torch.testing.assert_close(trace.attention[0], weights)
