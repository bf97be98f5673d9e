"""Attention with a visual prefix, for any Hugging Face encoder.

In transformers, a model looks up its attention function by name and passes extra keyword arguments on to it. One
registered function therefore works for every encoder, without changes to its code or weights.
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

PREFIX_ATTENTION = "hvp_prefix"
MASKED = -65504.0  # the lowest float16, which torch passes to cuDNN, since cuDNN does not support -inf reliably


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
    """Compute attention `softmax(Q [phi_k; K]^T / sqrt(d/H)) [phi_v; V]` from text to prefix and text.

    Without a prefix, this is the fused attention of transformers.

    Args:
        module: The attention module of the encoder.
        query: Queries of the text, [B, H, T, d/H].
        key: Keys of the text, [B, H, T, d/H].
        value: Values of the text, [B, H, T, d/H].
        attention_mask: Mask of the text, [B, 1, T, T], bool or additive; None if nothing is masked.
        dropout: Dropout probability of the attention weights.
        scaling: Factor of the scores; None for 1 / sqrt(d/H).
        hvp_prefix: The visual prefix.
        hvp_trace: Filled with attention weights.
        hvp_probe: Filled with the attention modules in the order of their calls.
        **kwargs: Further arguments of the encoder.

    Returns:
        The output [B, T, H, d/H], and None for the attention weights.

    Source: Chen et al. 2022, eq. 7-9.
    """
    if hvp_probe is not None:
        hvp_probe.append(module)
    if hvp_prefix is not None:
        keys, values = hvp_prefix.for_layer(module.hvp_layer, key, value)  # type: ignore[arg-type]
        key = torch.cat([split_heads(keys, key), key], dim=2)  # [B, H, S+T, d/H]
        value = torch.cat([split_heads(values, value), value], dim=2)
        attention_mask = prepend_mask(hvp_prefix, attention_mask, query.shape[2], query.dtype)
    if hvp_trace is not None:
        hvp_trace.attention.append(attention_weights(query, key, attention_mask, scaling))
    if hvp_prefix is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return output, None
    output = functional.scaled_dot_product_attention(
        query, key, value, attention_mask, dropout_p=dropout, scale=scaling
    )
    output = output.transpose(1, 2).contiguous()
    hvp_prefix.receive_context(module.hvp_layer, output.flatten(2))  # type: ignore[arg-type]
    return output, None


def prepend_image_attention(attention: Tensor) -> Tensor:
    """Concatenate attention to image cells and to the text, for the trace of a fusion above the text encoder.

    A position without attention to cells attends to itself.

    Args:
        attention: Attention weights of the text to cells, [B, H, T, S]; rows sum to 1, or to 0 without cells.

    Returns:
        Attention weights [B, H, T, S+T]; rows sum to 1.
    """
    return torch.cat([attention, torch.diag_embed(1 - attention.sum(-1).round())], dim=-1)


def split_heads(prefix: Tensor, like: Tensor) -> Tensor:
    """Split a prefix [B, S, d] into heads [B, H, S, d/H].

    Args:
        prefix: Keys or values of the prefix, [B, S, d].
        like: Keys of the encoder, [B, H, T, d/H], whose split and dtype are used.
    """
    batch, length, _ = prefix.shape
    return prefix.to(like.dtype).view(batch, length, like.shape[1], like.shape[3]).transpose(1, 2)


def merge_heads(heads: Tensor) -> Tensor:
    """Concatenate heads [B, H, S, d/H] to [B, S, d], the reverse of `split_heads`."""
    return heads.transpose(1, 2).flatten(2)


def prepend_mask(prefix: Prefix, text: Tensor | None, queries: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Concatenate the masks of prefix and text; the result is cached for layers with the same text mask.

    Args:
        prefix: The prefix with mask [B, S].
        text: Mask of the text, [B, 1, T, T], bool or additive; None if nothing is masked.
        queries: Number of queries T.
        dtype: Dtype of the mask if only that of the text is bool and the prefix has a bias.

    Returns:
        The mask [B, 1, T, S+T], bool or additive as that of the text; additive if the prefix has a bias.
    """
    key = id(text), queries
    if key not in prefix.mask_cache:
        prefix_mask = prefix.mask[:, None, None, :].expand(-1, 1, queries, -1)
        if text is None:
            text_mask = prefix_mask.new_ones(len(prefix_mask), 1, queries, queries)
        else:
            text_mask = text.expand(len(prefix_mask), 1, queries, -1)
        if prefix.bias and text_mask.dtype == torch.bool:
            text_mask = additive_mask(text_mask, dtype)
        if text_mask.dtype != torch.bool:
            prefix_mask = additive_mask(prefix_mask, text_mask.dtype) + prefix.bias
        combined = torch.cat([prefix_mask, text_mask], dim=-1)
        prefix.mask_cache[key] = text, combined  # keeps the text's mask alive, so that its id stays unique
    mask: Tensor
    _, mask = prefix.mask_cache[key]
    return mask


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a bool mask of any shape to numbers to be added to scores."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, MASKED)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scaling: float | None) -> Tensor:
    """Compute the attention weights, which fused kernels do not return, [B, H, T, S+T].

    Rows sum to 1; rows where everything is masked are 0.

    Args:
        query: Queries, [B, H, T, d/H].
        key: Keys, [B, H, S+T, d/H].
        mask: Mask [B, 1, T, S+T], bool or additive; None if nothing is masked.
        scaling: Factor of the scores; None for 1 / sqrt(d/H).
    """
    scores = query.float() @ key.float().transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    if mask is not None:
        is_masked = ~mask if mask.dtype == torch.bool else mask < MASKED / 2
        scores = (scores if mask.dtype == torch.bool else scores + mask).masked_fill(is_masked, float("-inf"))
    return scores.softmax(-1).nan_to_num(0.0).detach()


def padding_mask(
    *,
    dtype: torch.dtype = torch.float32,
    allow_is_bidirectional_skip: bool = False,
    **mask_arguments: Any,  # noqa: ANN401 - what transformers passes
) -> Tensor | None:
    """Build the attention mask of transformers, [B, 1, T, T].

    It is bool on a CPU and additive on a GPU, where torch would convert a bool mask in every layer. On a GPU, the check
    for padding is skipped, since it would synchronize. Rows where everything is masked attend to everything there:
    cuDNN returns NaN for scores below -88 (pytorch issue 196678).

    Args:
        dtype: Default dtype of an additive mask.
        allow_is_bidirectional_skip: Whether None may be returned for a batch without padding.
        **mask_arguments: Arguments of `sdpa_mask`.

    Returns:
        The mask; None for a batch without padding.
    """
    padding: Tensor | None = mask_arguments.get("attention_mask")
    may_skip = allow_is_bidirectional_skip and (padding is None or padding.device.type == "cpu")
    mask: Tensor | None = sdpa_mask(dtype=dtype, allow_is_bidirectional_skip=may_skip, **mask_arguments)
    if mask is None or mask.device.type == "cpu":
        return mask
    return additive_mask(mask | ~mask.any(-1, keepdim=True), _dtype_of_scores(mask.device.type, dtype))


def _dtype_of_scores(device_type: str, default: torch.dtype) -> torch.dtype:
    is_autocast = torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)
    return torch.get_autocast_dtype(device_type) if is_autocast else default


AttentionInterface.register(PREFIX_ATTENTION, prefix_attention)
AttentionMaskInterface.register(PREFIX_ATTENTION, padding_mask)
