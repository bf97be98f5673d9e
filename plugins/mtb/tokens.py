"""Replace entities by single wordpieces, and mask other wordpieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from hvpkit.errors import ComponentError
from hvpkit.interfaces import TextBatch, TextEncoder
from hvpkit.model.text.hugging_face import HuggingFaceEncoder

HEAD, TAIL = 1, 2  # codes of the positions of entities
NO_LABEL = -100  # of wordpieces that are not predicted


def require_markers(encoder: TextEncoder, fusion: str) -> list[int]:
    """Return the ids of the markers: start and end of the head, start and end of the tail.

    Raises:
        ComponentError: "mtb-without-markers" if the encoder has no wordpieces or no markers.
    """
    ids = encoder.marker_ids() if isinstance(encoder, HuggingFaceEncoder) else None
    if ids is None:
        raise ComponentError("mtb-without-markers", fusion=fusion)
    return ids


def special_id(encoder: TextEncoder, *names: str) -> int:
    """Return the id of the first of these wordpieces that the vocabulary has, or that of unknown."""
    tokenizer = cast(HuggingFaceEncoder, encoder).tokenizer
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    known = [vocabulary[name] for name in names if name in vocabulary]
    return known[0] if known else cast(int, tokenizer.unk_token_id)


def entity_positions(text: TextBatch, markers: Sequence[int], *, with_markers: bool) -> Tensor:
    """Mark the positions of both entities.

    Args:
        text: Texts with markers.
        markers: Ids of the markers: start and end of the head, start and end of the tail.
        with_markers: Whether the markers belong to the entities.

    Returns:
        HEAD, TAIL or 0 for each position, [B, T]. Of entities that overlap, the head has the common positions.
    """
    ids = text.features["input_ids"]
    positions = torch.arange(ids.shape[1], device=ids.device)
    codes = torch.zeros_like(ids)
    margin = 0 if with_markers else 1
    for code, start, marker in ((HEAD, text.head_position, markers[1]), (TAIL, text.tail_position, markers[3])):
        if start is None:
            raise ValueError("Entities can be replaced only in texts with positions of head and tail.")
        end = (ids == marker).long().argmax(1)
        inside = (positions >= start[:, None] + margin) & (positions <= end[:, None] - margin)
        codes = torch.where(inside & (codes == 0), code, codes)
    return codes


def replace_entities(text: TextBatch, codes: Tensor, tokens: Sequence[int]) -> TextBatch:
    """Replace each run of positions of an entity by one wordpiece.

    Args:
        text: The texts.
        codes: HEAD, TAIL or 0 for each position, [B, T].
        tokens: Ids of the wordpieces that replace head and tail.

    Returns:
        Shorter texts [B, T']; words, head and tail are at the positions that took their place.
    """
    before = torch.nn.functional.pad(codes[:, :-1], (1, 0))
    stays = (codes == 0) | (codes != before)  # [B, T]
    new_positions = stays.long().cumsum(1) - 1
    mask = stays & text.mask
    order = (~stays).long().argsort(dim=1, stable=True)[:, : int(mask.sum(1).max())]  # [B, T']
    replacements = torch.tensor([0, *tokens], device=codes.device)
    ids = torch.where(codes > 0, replacements[codes], text.features["input_ids"])

    def moved(positions: Tensor | None) -> Tensor | None:
        return None if positions is None else new_positions.gather(1, positions[:, None])[:, 0]

    return replace(
        text,
        features=text.features | {"input_ids": ids.gather(1, order)},
        mask=mask.gather(1, order),
        word_ids=text.word_ids.masked_fill(~mask, -1).gather(1, order),
        word_starts=new_positions.gather(1, text.word_starts),
        head_position=moved(text.head_position),
        tail_position=moved(text.tail_position),
    )


def mask_wordpieces(text: TextBatch, allowed: Tensor, fraction: float, mask_id: int) -> tuple[TextBatch, Tensor]:
    """Mask a fraction of the allowed wordpieces of each text, chosen at random.

    Args:
        text: The texts.
        allowed: Positions that may be masked, [B, T] bool.
        fraction: Fraction of the allowed positions, 0..1; their number is rounded.
        mask_id: Id of the mask token.

    Returns:
        The texts, and the id of each masked wordpiece [B, T], NO_LABEL elsewhere.
    """
    ids = text.features["input_ids"]
    draws = torch.rand(ids.shape, device=ids.device).masked_fill(~allowed, 2.0)
    ranks = draws.argsort(dim=1).argsort(dim=1)
    chosen = allowed & (ranks < (fraction * allowed.sum(1, keepdim=True)).round())
    masked = replace(text, features=text.features | {"input_ids": ids.masked_fill(chosen, mask_id)})
    return masked, ids.masked_fill(~chosen, NO_LABEL)
