from __future__ import annotations

import torch
from torch import Tensor

from hvpkit.interfaces import Batch, ImageBatch, TextBatch


def batch() -> Batch:
    ones, yes = torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool)
    text = TextBatch({"input_ids": ones, "shapes": ones.clone()}, yes, ones.clone(), yes.clone(), ones.clone())
    images = ImageBatch(yes.clone(), torch.zeros(2, 3, 4), features=(torch.zeros(6, 5, 4), torch.zeros(6, 7, 4)))
    return Batch(text, images, {"tags": ones.clone()}, {"edges": ones.clone()})


def tensors(thing: object) -> list[Tensor]:
    if isinstance(thing, Tensor):
        return [thing]
    if isinstance(thing, (tuple, list)):
        return [tensor for item in thing for tensor in tensors(item)]
    return (
        tensors(list((thing if isinstance(thing, dict) else getattr(thing, "__dict__", {})).values()))
        if thing is not None
        else []
    )


def test_batch_is_moved_to_a_device_with_all_tensors():
    moved = batch().to("meta")
    assert len(tensors(moved)) == 12
    assert all(tensor.is_meta for tensor in tensors(moved))
    assert moved.text.head_position is None


def test_a_batch_is_pinned_with_all_that_it_holds(monkeypatch):
    # only machines with a GPU can pin
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.to("meta"))
    assert all(tensor.is_meta for tensor in tensors(batch().pin_memory()))


def test_tensors_are_listed_in_the_order_of_fields():
    listed = batch().tensors()
    assert len(listed) == 12
    assert [tensor.shape for tensor in listed] == [tensor.shape for tensor in tensors(batch())]
