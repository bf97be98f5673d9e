"""Published scores of Chen et al. 2022, and the conditions under which they were obtained."""

from __future__ import annotations

from dataclasses import dataclass

from hvpkit.experiments.results import Result
from hvpkit.messages import Message

DATASETS = ("twitter2015", "twitter2017", "mnre")
SIZES = {"twitter2015": (4000, 1000, 3257), "twitter2017": (3373, 723, 723), "mnre": (12247, 1624, 1614)}
FINGERPRINTS = {
    "twitter2017": "edcc8b36a454ba25"
}  # of the public text files; the paper prints other sizes, 4290/1432/1459
BERT, CASED, VISUALBERT = "bert-base-uncased", "bert-base-cased", "visualbert-nlvr2-coco-pre"
NO_WEIGHTS = "none"  # of a backbone without any
UNKNOWN = "unknown"  # stated neither in the paper nor in public code


@dataclass(frozen=True)
class _Printed:
    """P/R/F1 by dataset, text encoder (None: word vectors) and source of image features (None: no images)."""

    scores: tuple[str, str, str]
    encoder: str | None
    images: str | None


# Table 1, digits as printed (F1 is a mean over seeds and need not equal 2PR/(P+R)).
# Encoder and images: from the papers and code of the systems.
TABLE_1 = {
    "CNN-BiLSTM-CRF": _Printed(("66.24/68.09/67.15", "80.00/78.76/79.37", "-"), None, None),
    "HBiLSTM-CRF": _Printed(("70.32/68.05/69.17", "82.69/78.16/80.37", "-"), None, None),
    "BERT-CRF": _Printed(("69.22/74.59/71.81", "83.32/83.57/83.44", "-"), CASED, None),
    "PCNN": _Printed(("-", "-", "62.85/49.69/55.49"), None, None),
    "MTB": _Printed(("-", "-", "64.46/57.81/60.86"), UNKNOWN, None),
    "AdapCoAtt-BERT-CRF": _Printed(("69.87/74.59/72.15", "85.13/83.20/84.10", "-"), UNKNOWN, UNKNOWN),
    "OCSGA": _Printed(("74.71/71.21/72.92", "-", "-"), None, "object-labels"),
    "UMT": _Printed(("71.67/75.23/73.41", "85.28/85.34/85.31", "62.93/63.88/63.46"), CASED, "resnet152"),
    "UMGF": _Printed(("74.49/75.21/74.85", "86.54/84.50/85.51", "64.38/66.23/65.29"), CASED, "resnet152"),
    "BERT+SG": _Printed(("-", "-", "62.95/62.65/62.80"), UNKNOWN, "objects and their scene graph"),
    "MEGA": _Printed(
        ("70.35/74.58/72.35", "84.03/84.75/84.39", "64.51/68.44/66.41"), BERT, "objects and their scene graph"
    ),
    "VisualBERT": _Printed(
        ("68.84/71.39/70.09", "84.06/85.39/84.72", "57.15/59.48/58.30"), VISUALBERT, "regions of a Mask R-CNN"
    ),
    "HVPNeT-Flat": _Printed(("73.76/75.32/74.54", "84.43/86.42/85.41", "79.32/78.20/78.75"), BERT, "resnet50"),
    "HVPNeT-1T3": _Printed(("74.25/75.45/74.85", "85.43/85.85/85.75", "81.18/78.46/79.25"), BERT, "resnet50"),
    "HVPNeT-OnlyObj": _Printed(("74.07/76.23/75.13", "85.58/87.52/86.55", "81.57/80.94/81.25"), BERT, "resnet50"),
    "HVPNeT": _Printed(("73.87/76.82/75.32", "85.84/87.93/86.87", "83.64/80.78/81.85"), BERT, "resnet50"),
}

# Table 3: (system, from, to) -> F1 before, F1 after, difference as printed
TABLE_3 = {
    ("HVPNeT", "twitter2017", "mnre"): ("81.85", "82.50", "+0.75"),  # as printed, though 82.50 - 81.85 is 0.65
    ("HVPNeT", "mnre", "twitter2017"): ("86.87", "87.13", "+0.26"),
    ("UMGF", "twitter2017", "mnre"): ("63.85", "62.90", "-0.95"),
    ("UMGF", "mnre", "twitter2017"): ("85.51", "84.35", "-1.16"),
}


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
    if system not in TABLE_1 or dataset not in DATASETS:
        return None
    printed = TABLE_1[system].scores[DATASETS.index(dataset)]
    return None if printed == "-" else Published(*printed.split("/"))


def compare_conditions(system: str, result: Result) -> tuple[Message, Message, Message]:
    """Compare data, encoder and images of a run with those of the published score.

    Args:
        system: Name of the system in Table 1.
        result: Result of the run.

    Returns:
        One message each about the data, the encoder and the images.
    """
    published = TABLE_1[system]
    return _data(result), _encoder(published.encoder, result.encoder), _images(published.images, result)


def _data(result: Result) -> Message:
    data, name = result.data, result.run.dataset
    sizes = SIZES[name]
    if data.fingerprint == FINGERPRINTS.get(name):
        return Message("published-data-same", fingerprint=data.fingerprint)
    if tuple(data.examples[split] for split in ("dev", "test")) == sizes[1:]:
        return Message("published-data-of-size", fingerprint=data.fingerprint)
    return Message("published-data-other", sizes="/".join(map(str, sizes)), fingerprint=data.fingerprint)


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
