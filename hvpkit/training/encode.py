"""Encoding of the training set; unusable examples are logged, counted and skipped."""

from __future__ import annotations

import logging
import time
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
    """Fill the image cache of a batcher and log image regions that cannot be read.

    For a frozen backbone, missing features are computed; for a trained one, images are decoded on trial.

    Args:
        batcher: Batcher whose cache is filled.
        examples: Examples whose image regions are read.
    """
    if batcher.cache is None:
        return
    started = time.perf_counter()
    regions = list(dict.fromkeys(region for example in examples for region in _regions(batcher, example)))
    with batcher.features or nullcontext():  # ends the decoding processes
        stats = batcher.cache.populate(regions)
    if stats.damaged:
        log.warning(Message("damaged-features-recomputed", count=stats.damaged))
    if stats.unreadable:
        log.warning(Message("unreadable-regions", count=stats.unreadable, reason=stats.first_error))
    counts = {"regions": len(regions), "computed": stats.computed, "kept": stats.kept}
    log.debug(Message("image-features-ready", **counts, seconds=time.perf_counter() - started))


def _regions(batcher: Batcher, example: Example) -> list[ImageRegion]:
    try:
        return [region for region in batcher.image_regions(example) if region is not None]
    except ImageError:  # reported when the example is encoded or scored
        return []


def encode_training_set(batcher: Batcher, examples: Sequence[Example]) -> list[EncodedExample]:
    """Encode the usable training examples. Call `extract_features` before.

    Args:
        batcher: Batcher of the model.
        examples: Training examples.

    Raises:
        DataError: "no-usable-training-examples" if all examples are skipped.
    """
    started = time.perf_counter()
    items: list[EncodedExample] = []
    errors: list[HvpkitError] = []
    for example in examples:
        encoded = _encode(batcher, example)
        items += [encoded] if isinstance(encoded, EncodedExample) else []
        errors += [] if isinstance(encoded, EncodedExample) else [encoded]
    truncated = [item.text.num_truncated_words for item in items if item.text.num_truncated_words]
    if errors:
        log.warning(Message("training-examples-left-out", count=len(errors), reason=errors[0].message))
    if truncated:
        max_length = batcher.recipe.data.max_length
        log.warning(Message("training-words-cut", words=sum(truncated), examples=len(truncated), max_length=max_length))
    if not items:
        raise DataError("no-usable-training-examples", reason=with_advice(errors[0]))
    seconds = time.perf_counter() - started
    log.debug(Message("training-set-encoded", encoded=len(items), examples=len(examples), seconds=seconds))
    return items


def _encode(batcher: Batcher, example: Example) -> EncodedExample | HvpkitError:
    try:
        item = batcher.encode(example, labeled=True)
    except HvpkitError as error:
        return error
    error_of_images = batcher.cache.error_for(item.regions) if batcher.cache else None
    return item if error_of_images is None else error_of_images
