"""Published scores of Chen et al. 2022 and the conditions under which they were obtained, in published_scores.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hvpkit.config.packaged_data import PackagedData, load_packaged_data
from hvpkit.experiments.results import Result
from hvpkit.messages import Message

FILE = Path(__file__).with_name("published_scores.yaml")
NO_WEIGHTS = "none"  # of a backbone without any
UNKNOWN = "unknown"  # stated neither in the paper nor in public code


class PublishedDataset(PackagedData):
    """Data of the published scores.

    Attributes:
        sizes: Number of examples of train, dev and test.
        fingerprint: Fingerprint of the public text files; None if not known.
    """

    sizes: tuple[int, int, int]
    fingerprint: str | None = None


class PublishedSystem(PackagedData):
    """Row of Table 1.

    Attributes:
        scores: Precision, recall and F1 joined by `/`, by dataset.
        encoder: Text encoder; None for word vectors.
        images: Source of image features; None for a system that reads text only.
    """

    scores: dict[str, str]
    encoder: str | None
    images: str | None


class PublishedTransfer(PackagedData):
    """Row of Table 3, with the digits as printed.

    Attributes:
        system: Name of the system.
        source: Dataset of the model that the training starts from.
        target: Dataset of the training.
        before: F1 without this start, in percent.
        after: F1 with it.
        difference: Difference of both, which need not be exact.
    """

    system: str
    source: str
    target: str
    before: str
    after: str
    difference: str


class PublishedTables(PackagedData):
    """All published scores.

    Attributes:
        datasets: Data by name.
        table1: Scores by system.
        table3: Scores of transfers.
    """

    datasets: dict[str, PublishedDataset]
    table1: dict[str, PublishedSystem]
    table3: tuple[PublishedTransfer, ...]


@cache
def load_published() -> PublishedTables:
    """Load the published scores."""
    return load_packaged_data(FILE, PublishedTables)


@dataclass(frozen=True)
class Published:
    """Published scores of a system, with the digits as printed.

    Attributes:
        precision: Precision in percent.
        recall: Recall in percent.
        f1: F1 in percent.
    """

    precision: str
    recall: str
    f1: str


def find_published(system: str, dataset: str) -> Published | None:
    """Find the scores of a system on a dataset.

    Returns:
        The scores; None if they are not published.

    Source: Chen et al. 2022, Table 1.
    """
    printed = load_published().table1.get(system)
    scores = printed and printed.scores.get(dataset)
    return Published(*scores.split("/")) if scores else None


def find_published_transfer(system: str, source: str, target: str) -> PublishedTransfer | None:
    """Find the scores of a system that was initialized from a model of other data; None if they are not published.

    Source: Chen et al. 2022, Table 3.
    """
    wanted = (system, source, target)
    return next((row for row in load_published().table3 if (row.system, row.source, row.target) == wanted), None)


def compare_conditions(system: str, result: Result) -> tuple[Message, Message, Message]:
    """Compare data, encoder and images of a run with those of the published score.

    Args:
        system: Name of the system in Table 1.
        result: Result of the run.

    Returns:
        One message each about the data, the encoder and the images.
    """
    published = load_published().table1[system]
    return _data(result), _encoder(published.encoder, result.encoder), _images(published.images, result)


def _data(result: Result) -> Message:
    data, published = result.data, load_published().datasets[result.run.dataset]
    if data.fingerprint == published.fingerprint:
        return Message("published-data-same", fingerprint=data.fingerprint)
    if tuple(data.examples[split] for split in ("dev", "test")) == published.sizes[1:]:
        return Message("published-data-of-size", fingerprint=data.fingerprint)
    return Message("published-data-other", sizes="/".join(map(str, published.sizes)), fingerprint=data.fingerprint)


def _encoder(published: str | None, own: str) -> Message:
    if published is None:
        return Message("published-without-encoder", used=own)
    name = own.rstrip("/").rpartition("/")[2]
    if published == UNKNOWN:
        return Message("published-encoder-unknown", used=name)
    if name == published:
        return Message("published-encoder-same", published=published)
    return Message("published-encoder-other", used=name, published=published)


def _images(published: str | None, result: Result) -> Message:
    used, examples = result.data.with_image.get("test", 0), result.data.examples.get("test", 0)
    uses_images, own = bool(result.backbone and used), "none"
    if uses_images:
        own = Message("images-used", backbone=result.backbone, weights=result.weights, images=used, examples=examples)
    if published is None:
        return Message("published-without-images", used=own) if uses_images else Message("published-images-nowhere")
    if published == UNKNOWN:
        return Message("published-images-unknown", used=own)
    if result.backbone == published and result.weights in ("imagenet", NO_WEIGHTS) and used == examples:
        return Message("published-images-same", published=published)
    return Message("published-images-other", used=own, published=published)
