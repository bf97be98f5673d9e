"""Small datasets on disk, in the layouts that people have."""

from __future__ import annotations

import json

import torch
from PIL import Image

from hvpkit.data.readers.base import ReaderContext
from hvpkit.records.issues import IssueLog

TWEETS = {
    "train": [("10", [("Ann", "B-PER"), ("sings", "O")]), ("11", [("Rome", "B-LOC"), ("rocks", "O")])],
    "valid": [("20", [("Oslo", "B-LOC"), (".", "O")])],
    "test": [("30", [("#", "O"), ("NBA", "B-ORG")])],
}
PAIR = {"token": ["Ann", "of", "Rome"], "h": {"name": "Ann", "pos": [0, 1]}, "t": {"name": "Rome", "pos": [2, 3]}}
RESIDENCE = "/per/loc/place_of_residence"


def tweets_text(tweets):
    return "".join(
        f"IMGID:{name}\n" + "".join(f"{word}\t{tag}\n" for word, tag in words) + "\n" for name, words in tweets
    )


def pair(image="a.jpg", relation=RESIDENCE, **changes):
    return {**PAIR, "img_id": image, "relation": relation, **changes}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text, encoding="utf-8", newline="")
    return path


def draw(path, size=(8, 6), colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_tweets(folder, tweets=TWEETS):
    for split, found in tweets.items():
        write(folder / f"{split}.txt", tweets_text(found))


def write_pairs(file, records, as_json=False):
    return write(file, "".join((json.dumps(record) if as_json else repr(record)) + "\n" for record in records))


def write_lines(file, records):
    return write(file, "".join(json.dumps(record) + "\n" for record in records))


def write_crop_list(file, table):
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(table, file)


def context(root, tmp_path, **options):
    return ReaderContext(root, tmp_path / "stage", issues=IssueLog(), **options)


def some(message, fields):
    """Return those of a message's fields that are named in `fields`."""
    return {name: message.fields.get(name) for name in fields}


def kinds(problems, split="train"):
    return {problem.code: problem.count for problem in problems.issues() if problem.split == split}
