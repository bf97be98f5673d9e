"""The same text with other images: without them, without each in turn, with another's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from hvpkit.batching import Batcher
from hvpkit.config.recipe import VisionSpec
from hvpkit.errors import ImageError, InputError
from hvpkit.explain.explanation import ChangeKind
from hvpkit.images.decode import check_image
from hvpkit.images.regions import ImageRegion
from hvpkit.inference.engine import Part, read_windows
from hvpkit.messages import Message
from hvpkit.types import Example, VisualObject


@dataclass(frozen=True)
class ReplacementImage:
    """An image that belongs to another text, with its objects; `name` says which it is."""

    name: str
    image: Path
    objects: tuple[VisualObject, ...] = ()


@dataclass(frozen=True)
class Counterfactual:
    """An example with other images: `example` for what a fusion prepares, `views` [V] for the visual tower."""

    kind: ChangeKind
    name: str
    example: Example
    views: tuple[ImageRegion | None, ...]
    image: int | None = None

    def parts(self, batcher: Batcher) -> list[Part]:
        """Encode it; raises InputError."""
        read = read_windows(batcher, self.example)
        if isinstance(read, InputError):
            raise read
        return [(window, replace(item, views=self.views)) for window, item in read]


def counterfactuals(example: Example, batcher: Batcher, vision: VisionSpec, other: ReplacementImage | None) -> Iterator[Counterfactual]:
    """List what can be changed about the images of an example; a removed object leaves its place empty, others stay in theirs."""
    views = batcher.image_regions(example)
    if not any(views):
        return
    objects = example.objects[: vision.max_objects]
    yield Counterfactual("no images", Message("change-no-images"), replace(example, image=None, objects=()), (None,) * len(views))
    first = int(vision.full_image)
    for number in range(len(objects)):
        if views[first + number] is not None:
            rest = (*objects[:number], *objects[number + 1 :])
            name = Message("change-no-object", number=number + 1, phrase=_phrase(objects[number]))
            yield Counterfactual("no object", name, replace(example, objects=rest), _without(views, first + number), first + number)
    if vision.full_image and views[0] is not None:
        yield Counterfactual("no whole image", Message("change-no-full-image"), replace(example, image=None), _without(views, 0), 0)
    if other is not None:
        swapped = replace(example, image=other.image, objects=other.objects)
        yield Counterfactual("other image", Message("change-other-image", name=other.name), swapped, batcher.image_regions(swapped))


def _without(views: Sequence[ImageRegion | None], place: int) -> tuple[ImageRegion | None, ...]:
    return (*views[:place], None, *views[place + 1 :])


def _phrase(thing: VisualObject) -> str:
    return f" ({thing.phrase})" if thing.phrase else ""


# ------------------------------------------------------------------------------------------------------------ other images
def replacement_image(examples: Sequence[Example], example: Example, seed: int, where: str) -> ReplacementImage | None:
    """Choose another text's image at random, by the seed and the example alone; None where there is none that can be read."""
    found = {other.image: other for other in examples if other.image is not None and other.image != example.image}
    images, chance = sorted(found), Random(f"{seed} {example.id}")
    while images:
        image = chance.choice(images)
        if _can_be_read(found[image]):
            name = Message("image-of-another", image=image.name, example=found[image].id, data=where, seed=seed)
            return ReplacementImage(name, image, found[image].objects)
        images.remove(image)
    return None


def _can_be_read(example: Example) -> bool:
    try:
        for file in (example.image, *(thing.image for thing in example.objects)):
            if file is not None:
                check_image(file)
    except ImageError:  # named wherever it is asked for
        return False
    return True


def generated_image(folder: Path, seed: int) -> ReplacementImage:
    """Draw an image that shows nothing, with two or three objects, into `folder`."""
    from hvpkit.synthetic.images import render_image

    drawn = render_image(Random(seed))
    image = folder / f"drawn-{seed}.png"
    drawn.image.save(image)
    objects = tuple(VisualObject(None, thing.box, thing.phrase, thing.score) for thing in drawn.objects)
    return ReplacementImage(Message("image-generated", seed=seed), image, objects)
