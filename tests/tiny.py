"""Tiny data and models that tests share: a dozen sentences, drawn images of 32 px.

A BERT of 2 layers 32 wide (torch comes last).
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData, open_prepared, write_prepared
from hvpkit.labels.inventory import relation_labels, tag_labels
from hvpkit.registry import load_registry
from hvpkit.types import Box, Example, Labels, Span, Split, Task, VisualObject

COUNTS: dict[Split, int] = {"train": 12, "dev": 6, "test": 6}
PEOPLE = (("Ada", "Lovelace"), ("Bob",), ("Taylor", "Hill"), ("Jun",))
PLACES = (("Paris",), ("New", "York"), ("Oslo",))
VERBS = ("visits", "loves", "leaves")
RELATIONS = ("/per/loc/place_of_residence", "/per/loc/place_of_birth", "None")
MODEL = """
task: {task}
data: {{name: tiny, folder: {folder}, max_length: 32}}
text: {{encoder: bert-from-scratch, width: 32, num_layers: 2, num_attention_heads: 2}}
{vision}
head: {head}
train: {{epochs: 1, batch_size: 4, lr: 1e-3, seed: 7}}
"""
VISION = """vision: {backbone: resnet18, weights: random, max_objects: 2, image_size: 32}
fusion: {name: visual-prefix, projector: per-level, gate: dynamic}"""


def draw(file: Path, seed: int = 0, size: tuple[int, int] = (32, 32)) -> Path:
    """Draw an image: a disc on a plain ground, colors and place by the seed."""
    shift = seed + 1
    colours = [(shift * step % 256, (shift * 3 * step + 90) % 256, (200 - shift * step) % 256) for step in (37, 71)]
    image = Image.new("RGB", size, colours[0])
    left, top = seed * 5 % (size[0] // 2), seed * 3 % (size[1] // 2)
    ImageDraw.Draw(image).ellipse((left, top, left + size[0] // 2, top + size[1] // 2), fill=colours[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    return file


def prepare(folder: Path, task: Task, images: Path | None = None) -> PreparedData:
    """Write tiny prepared data: COUNTS examples; every fourth has no image.

    Every third objects (a crop file and a box).
    """
    root = images or folder.parent / f"{folder.name}-images"
    labels = tag_labels(("PER", "LOC")) if task == "mner" else relation_labels()
    splits = {
        split: [_example(task, split, number, root) for number in range(count)] for split, count in COUNTS.items()
    }
    write_prepared(
        folder, name="tiny", task=task, labels=labels, splits=splits, images_root=root, source="drawn for tests"
    )
    return open_prepared(folder)


def _example(task: Task, split: Split, number: int, root: Path) -> Example:
    seed = number + {"train": 0, "dev": 100, "test": 200}[split]
    person, verb, place = PEOPLE[seed % 4], VERBS[seed % 3], PLACES[seed // 2 % 3]
    words = (*person, verb, *place, "!")
    head, tail = Span(0, len(person)), Span(len(person) + 1, len(words) - 1)
    image = None if number % 4 == 3 else draw(root / f"{split}{number}.png", seed)
    objects: tuple[VisualObject, ...] = ()
    if image is not None and number % 3 == 0:
        crop = VisualObject(draw(root / f"{split}{number}_crop.png", seed + 1), phrase=" ".join(person), score=0.9)
        objects = (crop, VisualObject(box=Box(4, 4, 20, 28), phrase=" ".join(place), score=0.5))
    if task == "mre":
        relation = RELATIONS[seed % 3]
        return Example(
            f"{split}-{number}", words, head=head, tail=tail, relation=relation, image=image, objects=objects
        )
    tags = ["O"] * len(words)
    for span, kind in ((head, "PER"), (tail, "LOC")):
        tags[span.start : span.end] = [f"B-{kind}"] + [f"I-{kind}"] * (span.end - span.start - 1)
    return Example(f"{split}-{number}", words, tags=tuple(tags), image=image, objects=objects)


def recipe(
    folder: Path,
    data: Path,
    task: Task,
    *,
    images: bool = True,
    head: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Recipe:
    """Write tiny.yaml for the prepared data `data` into `folder` and load it."""
    folder.mkdir(parents=True, exist_ok=True)
    vision, head = VISION if images else "", head or {"mner": "crf", "mre": "entity-start"}[task]
    (folder / "tiny.yaml").write_text(MODEL.format(task=task, folder=data, vision=vision, head=head), encoding="utf-8")
    return load_recipe(folder / "tiny.yaml", overrides)


def save_tiny_model(folder: Path, what: Recipe, data: PreparedData, plugins: tuple[Path, ...] = ()) -> Path:
    """Build a recipe's model with random weights of a fixed seed, one that finds entities.

    And write it as the model folder `folder`.
    """
    import torch

    from hvpkit.model.model import build_model
    from hvpkit.saving.model_card import model_card
    from hvpkit.saving.model_folder import ModelFolder
    from hvpkit.saving.weights import save_model

    registry = load_registry(plugins)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(what.train.seed)
        model = build_model(what, registry, Labels(what.task, data.manifest.labels), data.examples("train"))
        if what.head.name == "crf":
            model.head.linear.bias[0] -= 3  # O is unlikely: tests of entities must not depend on chance
    described = ModelFolder(folder, what, data.labels, registry, metrics(data, what))
    save_model(model, described, model_card(described))
    return folder


def metrics(data: PreparedData, what: Recipe) -> dict[str, object]:
    """Return the metrics.json of a model that was never scored."""
    return {
        "data": {
            "name": data.manifest.name,
            "fingerprint": data.manifest.fingerprint,
            "examples": data.manifest.counts,
            "with_image": {
                split: sum(example.image is not None for example in data.examples(split)) for split in COUNTS
            },
        },
        "seed": what.train.seed,
        "encoder": what.text.encoder,
        "training": {
            "precision": "fp32",
            "device": "cpu",
            "processes": 1,
            "with_objects": sum(bool(example.objects) for example in data.examples("train")),
            "examples_a_step": 8,
        },
        "notes": [],
        "best_epoch": 1,
        "dev": None,
        "test": None,
        "seconds": 0.0,
    }
