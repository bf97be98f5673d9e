"""Encode examples, collate them into padded batches, and group texts of similar length."""

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

Size = Callable[[int], int]  # from the largest size in a batch to the padded size


def exact_length(largest: int) -> int:
    """Pad to the largest size in the batch and no further."""
    return largest


def round_up_to_8(max_size: int) -> Size:
    """Build a function that rounds sizes up to a multiple of 8, which tensor cores prefer.

    Args:
        max_size: Upper limit of the rounded size, such as the number of positions of the encoder.
    """
    return lambda largest: max(largest, min(-(-largest // 8) * 8, max_size))


@dataclass(frozen=True)
class EncodedExample:
    """One example, encoded for a batch.

    Attributes:
        example: The example.
        text: Its text as input of the encoder.
        targets: Targets of the head by name; empty without labels.
        extras: Inputs of the fusion by name.
        regions: V image regions; None for a missing one.
    """

    example: Example
    text: EncodedText
    targets: dict[str, Tensor]
    extras: dict[str, Tensor]
    regions: tuple[ImageRegion | None, ...]


class Batcher:
    """Encode examples for one model and collate them.

    Args:
        model: The model.
        recipe: Its recipe.
        features: Cache of image features; None to compute them from pixels.
        pixels: Cache of decoded images, used without `features`.
    """

    def __init__(
        self, model: Model, recipe: Recipe, features: FeatureCache | None = None, pixels: PixelCache | None = None
    ) -> None:
        self.model, self.recipe, self.features, self.pixels = model, recipe, features, pixels

    @property
    def cache(self) -> FeatureCache | PixelCache | None:
        """Return the cache of images; it also records which images cannot be read."""
        return self.features or self.pixels

    def encode(self, example: Example, *, labeled: bool) -> EncodedExample:
        """Encode one example.

        Args:
            example: The example.
            labeled: Whether to build targets from its labels.

        Raises:
            DataError: If the text does not fit into `data.max_length`.
            ImageError: If the image cannot be read.
        """
        encoded = self.model.text.encode(example, self.recipe.data.max_length)
        targets = self.model.head.build_targets(example, encoded) if labeled else {}
        return EncodedExample(
            example, encoded, targets, self.model.fusion.build_inputs(example, encoded), self.image_regions(example)
        )

    def image_regions(self, example: Example) -> tuple[ImageRegion | None, ...]:
        """Return the image regions of an example that the recipe selects.

        Raises:
            ImageError: If the image cannot be read.
        """
        vision = self.recipe.vision
        return image_regions(example, whole=vision.full_image, objects=vision.max_objects) if vision else ()

    def collate(self, items: Sequence[EncodedExample], size: Size = exact_length) -> Batch:
        """Collate encoded examples: pad and stack texts, decode images or look up their features.

        Args:
            items: Encoded examples.
            size: Padded size of positions and words. If it rounds up, features are padded as if no image were missing,
                so that batches have few distinct shapes. Ignored if the fusion has inputs, as their sizes may depend on
                those of the text.

        Raises:
            ImageError: If an image cannot be decoded.
        """
        size = exact_length if items[0].extras else size
        return Batch(
            text=pad_texts([item.text for item in items], self.model.text.pad_values(), size),
            images=self._images([item.regions for item in items], pad_missing=size is not exact_length),
            targets={
                name: pad([item.targets[name] for item in items], size=_size_of(name, items, size))
                for name in items[0].targets
            },
            extras=_stack([item.extras for item in items]),
        )

    def _images(self, rows: Sequence[tuple[ImageRegion | None, ...]], pad_missing: bool) -> ImageBatch | None:
        """Collate image regions; with `pad_missing`, pad features to V rows per example."""
        regions = [region for row in rows for region in row if region is not None]
        if not regions or self.model.vision is None:
            return None
        mask = torch.tensor([[region is not None for region in row] for row in rows])
        boxes = torch.tensor([[region.normalized_box if region else (0.0,) * 4 for region in row] for row in rows])
        if self.features is not None:
            if pad_missing:
                regions += regions[-1:] * (mask.numel() - len(regions))
            return ImageBatch(mask, boxes, features=self.features.batch(regions))
        load_pixels = self.pixels.get if self.pixels else self.model.vision.load_pixels
        return ImageBatch(mask, boxes, pixels=torch.stack([load_pixels(region) for region in regions]))


def pad_texts(texts: Sequence[EncodedText], pad_values: Mapping[str, int], size: Size = exact_length) -> TextBatch:
    """Pad and stack encoded texts.

    Args:
        texts: Encoded texts.
        pad_values: Padding values of the features that are not padded with 0.
        size: Padded size of positions and words.
    """
    lengths = [text.length for text in texts]
    words = [len(text.word_starts) for text in texts]
    has_pair = texts[0].head_position is not None
    return TextBatch(
        features={
            name: pad([text.features[name] for text in texts], pad_values.get(name, 0), size)
            for name in texts[0].features
        },
        mask=_mask(lengths, size),
        word_starts=pad([text.word_starts for text in texts], size=size),
        word_mask=_mask(words, size),
        word_ids=pad([text.word_ids for text in texts], -1, size),
        head_position=torch.tensor([text.head_position for text in texts]) if has_pair else None,
        tail_position=torch.tensor([text.tail_position for text in texts]) if has_pair else None,
    )


def pad(tensors: Sequence[Tensor], value: int = 0, size: Size = exact_length) -> Tensor:
    """Stack tensors of equal rank, padded to the largest size in every dimension.

    Args:
        tensors: Tensors of equal rank.
        value: Padding value.
        size: Padded size of the first dimension.
    """
    sizes = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
    full = tensors[0].new_full((len(tensors), *map(size, sizes[:1]), *sizes[1:]), value)
    for row, tensor in zip(full, tensors, strict=True):
        row[tuple(slice(0, length) for length in tensor.shape)] = tensor
    return full


def _mask(lengths: Sequence[int], size: Size) -> Tensor:
    return torch.arange(size(max(lengths)))[None, :] < torch.tensor(lengths)[:, None]


def _size_of(name: str, items: Sequence[EncodedExample], size: Size) -> Size:
    """Return the padded size of a target: that of the text if it has a value per position or word."""
    lengths = [item.targets[name].shape[:1] for item in items]
    is_sized_as_text = lengths in (
        [item.text.word_ids.shape for item in items],
        [item.text.word_starts.shape for item in items],
    )
    return size if is_sized_as_text else exact_length


def _stack(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: pad([row[name] for row in rows]) for name in rows[0]}


class EncodedDataset(Dataset[EncodedExample]):
    """Dataset of encoded examples in memory; images stay on disk.

    Args:
        items: Encoded examples.
    """

    def __init__(self, items: Sequence[EncodedExample]) -> None:
        self.items = items
        self.lengths = [item.text.length for item in items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> EncodedExample:
        return self.items[index]


class LengthSampler(Sampler[int]):
    """Shuffle examples in batches of texts with similar length.

    The order depends only on the seed and the epoch, so that a resumed run sees the same batches.

    Args:
        lengths: Length of each text in positions.
        batch_size: Size of a batch.
        seed: Random seed.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        num_full = (
            len(order) // self.batch_size
        )  # a smaller batch stays last, as it would shift the borders of the batches after it
        shuffled = [batches[i] for i in torch.randperm(num_full, generator=generator).tolist()] + batches[num_full:]
        return iter([index for batch in shuffled for index in batch])
