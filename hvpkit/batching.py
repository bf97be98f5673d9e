"""From examples to batches: encoded once, padded to the longest of a batch, texts of like length together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from hvpkit.config.recipe import Recipe
from hvpkit.features.cache import FeatureCache, PixelCache
from hvpkit.images.regions import ImageRegion, image_regions
from hvpkit.interfaces import Batch, EncodedText, ImageBatch, TextBatch
from hvpkit.model.model import Model
from hvpkit.types import Example

Size = Callable[[int], int]  # of a dimension, from the largest one in a batch


def exact_length(largest: int) -> int:
    """Pad no further than the batch needs."""
    return largest


def round_up_to_8(most: int) -> Size:
    """Round up to a multiple of eight, as tensor cores work, but not beyond `most`, which an encoder may have no positions for."""
    return lambda largest: max(largest, min(-(-largest // 8) * 8, most))


@dataclass(frozen=True)
class EncodedExample:
    """One example ready for a batch: its text as the encoder reads it, targets (empty without labels), the fusion's inputs, V views."""

    example: Example
    text: EncodedText
    targets: dict[str, Tensor]
    extras: dict[str, Tensor]
    views: tuple[ImageRegion | None, ...]


class Batcher:
    """Encodes examples for one model and collates them."""

    def __init__(self, model: Model, recipe: Recipe, features: FeatureCache | None = None, pixels: PixelCache | None = None) -> None:
        self.model, self.recipe, self.features, self.pixels = model, recipe, features, pixels

    @property
    def cache(self) -> FeatureCache | PixelCache | None:
        """Give what remembers images, and which of them cannot be read."""
        return self.features or self.pixels

    def encode(self, example: Example, *, labelled: bool) -> EncodedExample:
        """Encode one example; raises DataError when it does not fit, ImageError when its image cannot be read."""
        encoded = self.model.text.encode(example, self.recipe.data.max_length)
        targets = self.model.head.build_targets(example, encoded) if labelled else {}
        return EncodedExample(example, encoded, targets, self.model.fusion.build_inputs(example, encoded), self.image_regions(example))

    def image_regions(self, example: Example) -> tuple[ImageRegion | None, ...]:
        """List the views that the recipe asks for; raises ImageError."""
        vision = self.recipe.vision
        return image_regions(example, whole=vision.full_image, objects=vision.max_objects) if vision else ()

    def collate(self, items: Sequence[EncodedExample], size: Size = exact_length) -> Batch:
        """Pad and stack; images are decoded here, or their features looked up; raises ImageError.

        With a `size` that rounds up, positions and words are padded to it, and features as if no image were missing, so that batches come
        in few shapes; not so where a fusion has inputs of its own, whose sizes may hang on those of the text.
        """
        size = exact_length if items[0].extras else size
        return Batch(
            text=pad_texts([item.text for item in items], self.model.text.pad_values(), size),
            images=self._images([item.views for item in items], filled=size is not exact_length),
            targets={name: pad([item.targets[name] for item in items], size=_size_of(name, items, size)) for name in items[0].targets},
            extras=_stack([item.extras for item in items]),
        )

    def _images(self, rows: Sequence[tuple[ImageRegion | None, ...]], filled: bool) -> ImageBatch | None:
        seen = [view for row in rows for view in row if view is not None]
        if not seen or self.model.vision is None:
            return None
        mask = torch.tensor([[view is not None for view in row] for row in rows])
        boxes = torch.tensor([[view.normalized_box if view else (0.0, 0.0, 0.0, 0.0) for view in row] for row in rows])
        if self.features is not None:
            seen += seen[-1:] * (mask.numel() - len(seen)) if filled else []
            return ImageBatch(mask, boxes, features=self.features.batch(seen))
        look = self.pixels.get if self.pixels else self.model.vision.load_pixels
        return ImageBatch(mask, boxes, pixels=torch.stack([look(view) for view in seen]))


def pad_texts(texts: Sequence[EncodedText], pad_values: Mapping[str, int], size: Size = exact_length) -> TextBatch:
    """Pad each feature [T, ...] to the longest, or what `size` makes of that: [B, T, ...]."""
    lengths = [text.length for text in texts]
    words = [len(text.word_starts) for text in texts]
    paired = texts[0].head_position is not None
    return TextBatch(
        features={name: pad([text.features[name] for text in texts], pad_values.get(name, 0), size) for name in texts[0].features},
        mask=_mask(lengths, size),
        word_starts=pad([text.word_starts for text in texts], size=size),
        word_mask=_mask(words, size),
        word_of=pad([text.word_of for text in texts], -1, size),
        head_position=torch.tensor([text.head_position for text in texts]) if paired else None,
        tail_position=torch.tensor([text.tail_position for text in texts]) if paired else None,
    )


def pad(tensors: Sequence[Tensor], value: int = 0, size: Size = exact_length) -> Tensor:
    """Stack tensors of like rank, padded with `value` to the largest size in every dimension, in the first one to `size` of it."""
    sizes = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
    full = tensors[0].new_full((len(tensors), *map(size, sizes[:1]), *sizes[1:]), value)
    for row, tensor in zip(full, tensors, strict=True):
        row[tuple(slice(0, length) for length in tensor.shape)] = tensor
    return full


def _mask(lengths: Sequence[int], size: Size) -> Tensor:
    return torch.arange(size(max(lengths)))[None, :] < torch.tensor(lengths)[:, None]


def _size_of(name: str, items: Sequence[EncodedExample], size: Size) -> Size:
    """Let a target be padded as the text is if it has a row for each of a text's positions, or words."""
    lengths = [item.targets[name].shape[:1] for item in items]
    of_text = lengths in ([item.text.word_of.shape for item in items], [item.text.word_starts.shape for item in items])
    return size if of_text else exact_length


def _stack(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: pad([row[name] for row in rows]) for name in rows[0]}


class EncodedDataset(Dataset[EncodedExample]):
    """Encoded examples, in memory: texts are short, images stay on disk."""

    def __init__(self, items: Sequence[EncodedExample]) -> None:
        self.items = items
        self.lengths = [item.text.length for item in items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> EncodedExample:
        return self.items[index]


class LengthSampler(Sampler[int]):
    """Shuffles, texts of like length side by side, from the seed and the epoch alone, so that a resumed run sees the same batches."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        whole = len(order) // self.batch_size  # a last, smaller batch stays last, or it would shift all that follow
        shuffled = [batches[i] for i in torch.randperm(whole, generator=generator).tolist()] + batches[whole:]
        return iter([index for batch in shuffled for index in batch])
