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

from hvpkit.interfaces import Prefix, Trace
from hvpkit.utils.dropout import drop

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
        keys, values = hvp_prefix.for_layer(module.hvp_layer, key, value)  # type: ignore[arg-type]
        key = torch.cat([split_heads(keys, key), key], dim=2)  # [B, H, S+T, d/H]
        value = torch.cat([split_heads(values, value), value], dim=2)
        attention_mask = prepend_mask(hvp_prefix, attention_mask, query.shape[2])
    if hvp_trace is not None:
        hvp_trace.attention.append(attention_weights(query, key, attention_mask, scaling))
    if hvp_prefix is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
        return output, None
    return attend(query, key, value, attention_mask, dropout, scaling).transpose(1, 2).contiguous(), None


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float | None) -> Tensor:
    """Attend from [B, H, T, d/H] under a mask [B, 1, T, S+T], on a CPU of bool (None: nothing is masked), to [B, H, T, d/H].

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


def prepend_mask(prefix: Prefix, text: Tensor | None, queries: int) -> Tensor:
    """Put the prefix mask [B, S] before the text's [B, 1, T, T] (None: nothing is masked), once for all layers that see the same text mask.

    Gives [B, 1, T, S+T], of bool or numbers as the text's is.
    """
    key = id(text), queries
    if key not in prefix.mask_cache:
        ahead = prefix.mask[:, None, None, :].expand(-1, 1, queries, -1)
        own = ahead.new_ones(len(ahead), 1, queries, queries) if text is None else text.expand(len(ahead), 1, queries, -1)
        made = torch.cat([ahead if own.dtype == torch.bool else additive_mask(ahead, own.dtype), own], dim=-1)
        prefix.mask_cache[key] = text, made  # the text's mask too, so that no other one gets its id
    extended: Tensor
    _, extended = prefix.mask_cache[key]
    return extended


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the numbers that hide what a mask hides, of any shape."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, MASKED)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Compute the attention map [B, H, T, S+T] that the fused kernel does not hand out, under a mask of bool or numbers.

    Rows sum to 1, but for padding that may look at nothing: those are 0.
    """
    scores = query.float() @ key.float().transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores.masked_fill(~mask if mask.dtype == torch.bool else mask < 0, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0).detach()


def padding_mask(
    *,
    dtype: torch.dtype = torch.float32,
    allow_is_bidirectional_skip: bool = False,
    **wanted: Any,  # noqa: ANN401 - whatever transformers says of a mask
) -> Tensor | None:
    """Give transformers' mask [B, 1, T, T]: of bool on a CPU, None where a batch has no padding; on a GPU numbers to add to scores.

    A GPU is not asked whether there is padding: one would have to wait for it. Of a mask of bool torch would make numbers in every layer.
    Padding that may look at nothing looks at all there: of lower scores than -88 cuDNN makes NaN (pytorch issue 196678).
    """
    padding: Tensor | None = wanted.get("attention_mask")
    looks = allow_is_bidirectional_skip and (padding is None or padding.device.type == "cpu")
    mask: Tensor | None = sdpa_mask(dtype=dtype, allow_is_bidirectional_skip=looks, **wanted)
    if mask is None or mask.device.type == "cpu":
        return mask
    return additive_mask(mask | ~mask.any(-1, keepdim=True), _dtype_of_scores(mask.device.type, dtype))


def _dtype_of_scores(kind: str, usual: torch.dtype) -> torch.dtype:
    narrowed = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if narrowed else usual


AttentionInterface.register(NAME, prefix_attention)
AttentionMaskInterface.register(NAME, padding_mask)
