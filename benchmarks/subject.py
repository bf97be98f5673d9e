"""Data and models of the speed benchmarks: the shipped recipes at the sizes of bert-base.

On tweets with photographs, offline.

Texts are those of Twitter-2017 or MNRE if their folder is given, otherwise synthetic ones of the same lengths. The
vocabulary is trained on the texts. Weights are random, which takes the same time as trained ones. Photographs are crops
of the two of scikit-learn.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from PIL import Image

from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData, open_prepared, write_prepared
from hvpkit.data.readers.base import DatasetReader, DatasetSplits, ReaderContext
from hvpkit.registry import load_registry
from hvpkit.types import Example, Task, VisualObject

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VOCAB_SIZE = 8000  # 20 wordpieces per tweet on average, as with the vocabulary of bert-base-uncased
WORDS = (10, 12, 13, 14, 15, 17, 18, 20, 23)  # deciles of the number of words per tweet in Twitter-2017
DATASETS: dict[Task, str] = {"mner": "twitter2017", "mre": "mnre"}


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: arguments of its BertConfig, visual backbone, image side in pixels."""

    text: dict[str, int]
    backbone: str = "resnet50"
    side: int = 224


SHAPES = {
    "base": Shape({"vocab_size": 30522}),
    "large": Shape(
        {
            "vocab_size": 30522,
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        }
    ),
    "tiny": Shape(
        {
            "vocab_size": 8100,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        },
        "resnet18",
        32,
    ),
}


@dataclass(frozen=True)
class Subject:
    """A recipe and its prepared data."""

    recipe: Recipe
    data: PreparedData


def make_subject(
    folder: Path,
    task: Task,
    shape: Shape,
    *,
    texts: Path | None = None,
    size: int = 3373,
    images: int = 64,
    settings: Sequence[str] = (),
) -> Subject:
    """Write data of `size` training examples and an encoder below `folder`.

    And load the shipped recipe of HVPNeT for them.

    Every example has an image and three objects, out of `images` files of each kind.
    """
    dataset = _texts(task, texts, size)
    examples = list(dataset.splits["train"])[:size]
    whole = list(photographs(folder / "images", images, (640, 480)))
    crops = list(photographs(folder / "objects", images, (200, 160)))
    seen = [_imaged(example, number, whole, crops) for number, example in enumerate(examples)]
    splits = {"train": seen, "dev": [], "test": []}
    name = DATASETS[task]
    write_prepared(
        folder / name,
        name=name,
        task=task,
        labels=dataset.labels,
        splits=splits,
        images_root=folder,
        source=dataset.source,
    )
    write_encoder(folder / "encoder", shape, [" ".join(example.words) for example in examples])
    changed = [f"data.folder={folder / name}", f"text.name={folder / 'encoder'}", "text.weights=random"]
    changed += [
        f"vision.backbone={shape.backbone}",
        "vision.weights=random",
        f"vision.image_size={shape.side}",
        *settings,
    ]
    return Subject(load_recipe(f"hvpnet_{task}", changed), open_prepared(folder / name))


def _texts(task: Task, texts: Path | None, size: int) -> DatasetSplits:
    if texts is not None:
        context = ReaderContext(texts, texts, text_only=True)
        reader: DatasetReader = load_registry().build("reader", DATASETS[task], context, {})
        return reader.read()
    from hvpkit.synthetic.generate import generate_demo
    from hvpkit.synthetic.scenarios import SyntheticSettings

    drawn = generate_demo(SyntheticSettings(task, 2000), Path(), text_only=True)
    return replace(
        drawn,
        splits={"train": list(_lengthened(list(drawn.splits["train"]), size))},
        source="synthetic texts of a tweet's lengths",
    )


def _lengthened(drawn: Sequence[Example], count: int) -> Iterator[Example]:
    """Join synthetic sentences to texts of a tweet's length, with the head and tail of the first sentence."""
    chance = Random(0)
    for number in range(count):
        length, first = chance.choice(WORDS), chance.choice(drawn)
        words, tags = first.words, first.tags
        while len(words) < length:
            further = chance.choice(drawn)
            words, tags = words + further.words, tags and tags + (further.tags or ())
        kept = max(length, len(first.words))
        yield replace(first, id=str(number), words=words[:kept], tags=tags and tags[:kept], metadata={})


def _imaged(example: Example, number: int, whole: Sequence[Path], crops: Sequence[Path]) -> Example:
    objects = tuple(VisualObject(crops[(3 * number + i) % len(crops)]) for i in range(3))
    return replace(example, image=whole[number % len(whole)], objects=objects)


def photographs(folder: Path, count: int, size: tuple[int, int]) -> Iterator[Path]:
    """Write parts of scikit-learn's photographs as JPEG files of `size`, width and height, all different."""
    from sklearn.datasets import load_sample_images

    folder.mkdir(parents=True, exist_ok=True)
    originals, chance = [Image.fromarray(image) for image in load_sample_images().images], Random(0)
    for number in range(count):
        original = originals[number % len(originals)]
        width = chance.randint(original.width // 3, original.width)
        height = width * original.height // original.width
        left, top = chance.randint(0, original.width - width), chance.randint(0, original.height - height)
        file = folder / f"{number}.jpg"
        original.crop((left, top, left + width, top + height)).resize(size).save(file, quality=85)
        yield file


def write_encoder(folder: Path, shape: Shape, sentences: Sequence[str]) -> None:
    """Write a BertConfig and a tokenizer, which is all that `text.weights: random` needs."""
    from transformers import BertConfig

    tokenizer = _tokenizer(sentences)
    tokenizer.save_pretrained(folder)
    BertConfig(**shape.text, pad_token_id=tokenizer.pad_token_id).save_pretrained(folder)


def without_dropout(subject: Subject, folder: Path) -> Subject:
    """Return the subject without dropout in encoder and head; write the encoder to `folder`."""
    from transformers import BertConfig

    recipe = subject.recipe
    shutil.copytree(str(recipe.text.name), folder)
    BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).save_pretrained(
        folder
    )
    text = recipe.text.model_copy(update={"name": str(folder)})
    head = recipe.head.model_copy(update={"options": {"dropout": 0.0}})
    return replace(subject, recipe=recipe.model_copy(update={"text": text, "head": head}))


def _tokenizer(sentences: Sequence[str]) -> PreTrainedTokenizerBase:
    from transformers import BertTokenizer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    blank = BertTokenizer(vocab={token: i for i, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))})
    trained: Any = blank.train_new_from_iterator(sentences, vocab_size=VOCAB_SIZE, show_progress=False)
    return trained
