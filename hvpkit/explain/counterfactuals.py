"""Counterfactuals: the same text without images, without each image in turn, or with a replacement image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from hvpkit.batching import Batcher
from hvpkit.errors import ImageError, InputError
from hvpkit.explain.explanation import CounterfactualKind
from hvpkit.images.decode import check_image
from hvpkit.images.regions import ImageRegion
from hvpkit.inference.engine import EncodedWindow, encode_windows
from hvpkit.messages import Message
from hvpkit.types import Example, VisualObject


@dataclass(frozen=True)
class ReplacementImage:
    """Image of another text.

    Attributes:
        name: Description of the image.
        image: File of the image.
        objects: Its objects.
    """

    name: str
    image: Path
    objects: tuple[VisualObject, ...] = ()


@dataclass(frozen=True)
class Counterfactual:
    """An example with other images.

    Attributes:
        kind: Kind of the counterfactual.
        name: Its description.
        example: The example with other images, for the inputs that a fusion builds.
        regions: Image regions [V], for the visual tower; None: no image.
        image: Index of the removed region; None if not one region was removed.
    """

    kind: CounterfactualKind
    name: str
    example: Example
    regions: tuple[ImageRegion | None, ...]
    image: int | None = None

    def encode(self, batcher: Batcher) -> list[EncodedWindow] | InputError:
        """Encode the example in windows, with the image regions of the counterfactual.

        Args:
            batcher: Batcher of the model.

        Returns:
            The encoded windows, or the error of an example that cannot be encoded.
        """
        windows = encode_windows(batcher, self.example)
        if isinstance(windows, InputError):
            return windows
        return [(window, replace(item, regions=self.regions)) for window, item in windows]


def counterfactuals(example: Example, batcher: Batcher, other: ReplacementImage | None) -> Iterator[Counterfactual]:
    """List the counterfactuals of an example; a removed object leaves its position empty, the others keep theirs.

    Args:
        example: The example.
        batcher: Batcher of the model.
        other: Replacement image; None: no counterfactual of that kind.
    """
    vision, regions = batcher.recipe.vision, batcher.image_regions(example)
    if vision is None or not any(regions):
        return
    objects = example.objects[: vision.max_objects]
    yield Counterfactual(
        "no images",
        Message("counterfactual-no-images"),
        replace(example, image=None, objects=()),
        (None,) * len(regions),
    )
    first = int(vision.full_image)
    for number in range(len(objects)):
        if regions[first + number] is not None:
            others = (*objects[:number], *objects[number + 1 :])
            name = Message("counterfactual-no-object", number=number + 1, phrase=_phrase(objects[number]))
            yield Counterfactual(
                "no object", name, replace(example, objects=others), _without(regions, first + number), first + number
            )
    if vision.full_image and regions[0] is not None:
        yield Counterfactual(
            "no full image",
            Message("counterfactual-no-full-image"),
            replace(example, image=None),
            _without(regions, 0),
            0,
        )
    if other is not None:
        swapped = replace(example, image=other.image, objects=other.objects)
        yield Counterfactual(
            "other image",
            Message("counterfactual-other-image", name=other.name),
            swapped,
            batcher.image_regions(swapped),
        )


def _without(regions: Sequence[ImageRegion | None], index: int) -> tuple[ImageRegion | None, ...]:
    return (*regions[:index], None, *regions[index + 1 :])


def _phrase(visual_object: VisualObject) -> str:
    return f" ({visual_object.phrase})" if visual_object.phrase else ""


def replacement_image(examples: Sequence[Example], example: Example, seed: int, where: str) -> ReplacementImage | None:
    """Choose the image of another example at random; depends only on the seed and the example.

    Args:
        examples: Examples to choose from.
        example: The example that is explained.
        seed: Seed of the choice.
        where: Name of the data, for the description.

    Returns:
        The image; None if no other example has a readable one.
    """
    others = [other for other in examples if other.image != example.image]
    by_image = {other.image: other for other in others if isinstance(other.image, Path)}
    images, rng = sorted(by_image), Random(f"{seed} {example.id}")
    while images:
        image = rng.choice(images)
        if _is_readable(by_image[image]):
            name = Message("image-of-another", image=image.name, example=by_image[image].id, data=where, seed=seed)
            return ReplacementImage(name, image, by_image[image].objects)
        images.remove(image)
    return None


def _is_readable(example: Example) -> bool:
    try:
        for file in (example.image, *(item.image for item in example.objects)):
            if file is not None:
                check_image(file)
    except ImageError:  # reported where the image is used
        return False
    return True


def generated_image(folder: Path, seed: int) -> ReplacementImage:
    """Generate an uninformative image with two or three objects.

    Args:
        folder: Folder for the file.
        seed: Seed of the generator.
    """
    from hvpkit.synthetic.images import render_image

    generated = render_image(Random(seed))
    image = folder / f"generated-{seed}.png"
    generated.image.save(image)
    objects = tuple(VisualObject(None, item.box, item.phrase, item.score) for item in generated.objects)
    return ReplacementImage(Message("image-generated", seed=seed), image, objects)
