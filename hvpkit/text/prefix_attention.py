"""Attention with a visual prefix, inside any Hugging Face encoder (Chen et al. 2022, eq. 7-9).

transformers lets a model look its attention function up by name and hands extra keyword arguments of the model call through to
it; so one function, registered once, serves every encoder without a change to its code or weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from hvpkit.contracts import Prefix, Trace
from hvpkit.dropout import drop

NAME = "hvp_prefix"
MASKED = -65504.0  # the lowest float16: what torch itself gives to cuDNN, which is not sure of -inf


def prefix_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    hvp_prefix: Prefix | None = None,
    hvp_trace: Trace | None = None,
    hvp_probe: list[nn.Module] | None = None,
    **kwargs: Any,  # noqa: ANN401 - whatever the encoder passes on to its attention
) -> tuple[Tensor, None]:
    """Attend from text [B, H, T, d/H] to `softmax(Q [phi_k; K]^T / sqrt(d/H)) [phi_v; V]`, giving [B, T, H, d/H].

    Without a prefix this is transformers' own fused attention. A probe collects the attention modules in the order of their calls.
    """
    if hvp_probe is not None:
        hvp_probe.append(module)
    if hvp_prefix is not None:
        keys, values = hvp_prefix.at(module.hvp_layer, key, value)  # type: ignore[arg-type]
        key = torch.cat([split_heads(keys, key), key], dim=2)  # [B, H, S+T, d/H]
        value = torch.cat([split_heads(values, value), value], dim=2)
        attention_mask = extend_mask(hvp_prefix, attention_mask, query)
    if hvp_trace is not None:
        hvp_trace.attention.append(attention_weights(query, key, attention_mask, scaling))
    if hvp_prefix is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
        return output, None
    return attend(query, key, value, attention_mask, dropout, scaling).transpose(1, 2).contiguous(), None


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float | None) -> Tensor:
    """Attend from [B, H, T, d/H] under a mask [B, 1, T, S+T] (None: nothing is masked) to [B, H, T, d/H].

    On a CPU torch's function with dropout keeps copies of queries and keys for the backward pass, masks of four bytes a number, and all of
    it in float32; so this is written out there (our own).
    """
    if not dropout or query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, mask, dropout_p=dropout, scale=scale)
    scores = query * (scale or query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)  # not -inf: padding may look at nothing, and must not be NaN
    return drop(scores.softmax(-1), dropout) @ value


def split_heads(prefix: Tensor, like: Tensor) -> Tensor:
    """Split [B, S, d] into heads [B, H, S, d/H], exactly as the encoder splits its own keys `like` [B, H, T, d/H]."""
    batch, length, _ = prefix.shape
    return prefix.to(like.dtype).view(batch, length, like.shape[1], like.shape[3]).transpose(1, 2)


def extend_mask(prefix: Prefix, text: Tensor | None, query: Tensor) -> Tensor:
    """Put the prefix mask before the text's bool [B, 1, T, T] (None: nothing is masked), once for all layers that see the same text mask.

    Gives [B, 1, T, S+T]: bool on a CPU; elsewhere numbers to add to scores, which torch would make of it in every layer.
    """
    if id(text) not in prefix.extended:
        batch, _, queries, _ = query.shape
        own = query.new_ones(batch, 1, queries, queries, dtype=torch.bool) if text is None else text.expand(batch, 1, queries, -1)
        mask = torch.cat([prefix.mask[:, None, None, :].expand(-1, 1, queries, -1), own], dim=-1)
        made = mask if mask.device.type == "cpu" else added_to_scores(mask, query.dtype)
        prefix.extended[id(text)] = text, made  # the text's mask too, so that no other one gets its id
    extended: Tensor
    _, extended = prefix.extended[id(text)]
    return extended


def added_to_scores(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the numbers that hide what a mask hides, of any shape."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, MASKED)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Compute the attention map [B, H, T, S+T] that the fused kernel does not hand out, under a mask as `extend_mask` gives it.

    Rows sum to 1, but for padding that may look at nothing: those are 0.
    """
    scores = query.float() @ key.float().transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores.masked_fill(~mask if mask.dtype == torch.bool else mask < 0, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0).detach()


def padding_mask(*, allow_is_bidirectional_skip: bool = False, **wanted: Any) -> Tensor | None:  # noqa: ANN401 - the library's signature
    """Give transformers' mask [B, 1, T, T], None where a batch has no padding: which a GPU is not asked, one would have to wait for it."""
    padding: Tensor | None = wanted.get("attention_mask")
    looks = allow_is_bidirectional_skip and (padding is None or padding.device.type == "cpu")
    mask: Tensor | None = sdpa_mask(allow_is_bidirectional_skip=looks, **wanted)
    return mask


AttentionInterface.register(NAME, prefix_attention)
AttentionMaskInterface.register(NAME, padding_mask)
