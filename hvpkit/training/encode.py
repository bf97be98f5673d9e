"""The training set, encoded once; what of it cannot be used is logged, counted and left out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

from hvpkit.batching import Batcher, EncodedExample
from hvpkit.data.prepared import with_advice
from hvpkit.errors import DataError, HvpkitError, ImageError
from hvpkit.images.regions import ImageRegion
from hvpkit.messages import Message
from hvpkit.types import Example

log = logging.getLogger(__name__)


def extract_features(batcher: Batcher, examples: Iterable[Example]) -> None:
    """Compute what features are missing, or try to decode what a backbone that learns will see, and remember what cannot be read."""
    if batcher.cache is None:
        return
    seen = list(dict.fromkeys(view for example in examples for view in _views(batcher, example)))
    with batcher.features or nullcontext():  # processes that decode end with it
        filled = batcher.cache.populate(seen)
    if filled.damaged:
        log.warning(Message("damaged-features-recomputed", count=filled.damaged))
    if filled.unreadable:
        log.warning(Message("unreadable-regions", count=filled.unreadable, reason=filled.first_error))


def _views(batcher: Batcher, example: Example) -> list[ImageRegion]:
    try:
        return [view for view in batcher.image_regions(example) if view is not None]
    except ImageError:  # told when the example is encoded or scored
        return []


def encode_training_set(batcher: Batcher, examples: Sequence[Example]) -> list[EncodedExample]:
    """Encode the examples that can be used; `extract_features` comes before. Raises DataError when there is none."""
    items: list[EncodedExample] = []
    faults: list[HvpkitError] = []
    for example in examples:
        found = _encoded(batcher, example)
        items += [found] if isinstance(found, EncodedExample) else []
        faults += [] if isinstance(found, EncodedExample) else [found]
    cut = [item.text.words_cut for item in items if item.text.words_cut]
    if faults:
        log.warning(Message("training-examples-left-out", count=len(faults), reason=faults[0].message))
    if cut:
        longest = batcher.recipe.data.max_length
        log.warning(Message("training-words-cut", words=sum(cut), examples=len(cut), max_length=longest))
    if not items:
        raise DataError("no-usable-training-examples", reason=with_advice(faults[0]))
    return items


def _encoded(batcher: Batcher, example: Example) -> EncodedExample | HvpkitError:
    try:
        item = batcher.encode(example, labelled=True)
    except HvpkitError as error:
        return error
    fault = batcher.cache.error_for(item.views) if batcher.cache else None
    return item if fault is None else fault
