from __future__ import annotations

from dataclasses import replace

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


def test_a_batch_is_pinned_with_all_that_it_holds_in_one_block(monkeypatch):
    empty = torch.empty

    def on_meta(*size, pin_memory=None, **named):  # only machines with a GPU can pin
        return empty(*size, **named | ({"device": "meta"} if pin_memory else {}))

    monkeypatch.setattr(torch, "empty", on_meta)
    pinned = batch().pin_memory()
    assert all(tensor.is_meta for tensor in tensors(pinned))
    assert pinned.storage() is not None and batch().storage() is None


def in_block(thing: Batch) -> Batch:
    return thing.consolidate(lambda size: torch.full((size,), 7, dtype=torch.uint8))


def test_a_batch_in_one_block_holds_the_same_and_moves_as_one():
    before = replace(batch(), targets={"tags": torch.randn(2, 3).double()[:, ::2], "last": torch.tensor(True)})
    packed = in_block(before)
    for moved in (packed, packed.to("cpu"), replace(packed, targets=packed.targets)):
        for one, other in zip(tensors(before), tensors(moved), strict=True):
            assert one.dtype == other.dtype and torch.equal(one, other)
    assert packed.storage().nbytes == sum(-(-tensor.nbytes // 64) * 64 for tensor in before.tensors())
    assert packed.to("meta").storage().is_meta and packed.to("meta").images.features[1].shape == (6, 7, 4)


def test_tensors_that_lie_otherwise_in_a_block_are_not_taken_for_it():
    packed = in_block(replace(batch(), targets={"tags": torch.arange(16).view(4, 4)}))
    turned = replace(packed, targets={"tags": packed.targets["tags"].T})
    assert turned.storage() is None
    assert turned.to("cpu").targets["tags"][0].tolist() == [0, 4, 8, 12]


def test_tensors_of_two_blocks_are_not_taken_for_one():
    one, other = in_block(batch()), in_block(batch())
    assert replace(one, text=other.text).storage() is None


def test_tensors_are_listed_in_the_order_of_fields():
    listed = batch().tensors()
    assert len(listed) == 12
    assert [tensor.shape for tensor in listed] == [tensor.shape for tensor in tensors(batch())]
