"""`hvp preprocess`: from a dataset's files to prepared data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hvpkit.cli import output
from hvpkit.config.loading import load_recipe
from hvpkit.config.overrides import ParsedConfig, SourceLocations
from hvpkit.config.recipe import ObjectsSpec, Recipe
from hvpkit.errors import InputError
from hvpkit.messages import Message
from hvpkit.preprocessing.detection_request import DetectionRequest
from hvpkit.registry import Registry, load_registry
from hvpkit.types import SPLITS

if TYPE_CHECKING:
    from hvpkit.preprocessing.dataset_report import DatasetReport, SplitStats
    from hvpkit.preprocessing.fill_features import FeatureStats

log = logging.getLogger(__name__)

PANEL = "Objects in images"
OBJECTS = (
    "Who finds objects (`hvp components detector`); none: those of the data stay as they are. "
    "[default: those of the data, or saliency where it has none]"
)
SETTINGS = "An option of the detector: weights=FOLDER; with --features also a setting of the recipe: vision.weights=FILE."
PHRASES = "What is looked for, added up: rules, types, mentions, spacy[:PIPELINE]. [default: rules; pairs: mentions]"
COUNTS = (
    ("examples", "examples"),
    ("words", "words"),
    ("tags repaired", "repaired_tags"),
    ("examples left out", "left_out"),
)
IMAGES = (
    ("images found", "images"),
    ("images missing", "images_missing"),
    ("images unreadable", "images_unreadable"),
    ("examples without image", "without_image"),
    ("objects", "objects"),
    ("examples with an image and no object", "without_object"),
    ("crops missing", "crops_missing"),
    ("crops unreadable", "crops_unreadable"),
)


def command(
    name: Annotated[
        str, typer.Argument(help="twitter2015, twitter2017, mnre, demo, or the path of your own JSON lines.", show_default=False)
    ],
    root: Annotated[Path | None, typer.Option(help="The folder that holds the dataset, in any usual layout. [default: .]")] = None,
    output_folder: Annotated[Path | None, typer.Option("--output", help="Where the prepared data goes. [default: data/NAME]")] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Leave images out.")] = False,
    features: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Compute the features of this recipe's frozen backbone too.", show_default=False)
    ] = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    task: Annotated[Literal["mner", "mre"] | None, typer.Option(help="demo: what to tell. [default: mner]")] = None,
    size: Annotated[int | None, typer.Option(help="demo: training examples; dev and test a quarter each. [default: 2000]")] = None,
    seed: Annotated[int | None, typer.Option(help="demo: the same seed draws the same data. [default: 0]")] = None,
    uninformative: Annotated[float | None, typer.Option(help="demo: share of images that say nothing. [default: 0.3]")] = None,
    test_uninformative: Annotated[float | None, typer.Option(help="demo: the same of the test split alone.")] = None,
    ambiguous: Annotated[float | None, typer.Option(help="demo: share of names that the text leaves open. [default: 0.6]")] = None,
    detector: Annotated[str | None, typer.Option(metavar="NAME", help=OBJECTS, rich_help_panel=PANEL)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=SETTINGS, rich_help_panel=PANEL),
    ] = None,
    phrases: Annotated[str | None, typer.Option(metavar="KIND,..", help=PHRASES, rich_help_panel=PANEL)] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score. [default: the detector's]", rich_help_panel=PANEL)
    ] = None,
    nms_iou: Annotated[
        float | None, typer.Option(min=0, max=1, help="IoU above which the better box stays alone. [default: 0.5]", rich_help_panel=PANEL)
    ] = None,
    min_size: Annotated[int | None, typer.Option(min=1, help="Least side in pixels. [default: 16]", rich_help_panel=PANEL)] = None,
    max_objects: Annotated[
        int | None, typer.Option(min=1, help="Objects of an example, the best first. [default: 3]", rich_help_panel=PANEL)
    ] = None,
    crops: Annotated[bool, typer.Option(help="Write the crops as files too.", rich_help_panel=PANEL)] = True,
    preview: Annotated[
        int, typer.Option(min=0, metavar="N", help="Draw the boxes of N examples: preview.html.", rich_help_panel=PANEL)
    ] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... [default: a GPU if there is one]", rich_help_panel=PANEL)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at once. [default: 8; 2 on a CPU]", rich_help_panel=PANEL)] = None,
) -> None:
    """Find a dataset's files, check them, find objects in its images, and write prepared data; or draw data whose truth is known: demo.

    Example: `hvp preprocess twitter2017 --root ~/datasets`, or `hvp preprocess demo`

    Objects: `hvp preprocess ./mine --detector owlv2 --phrases rules,types --preview 40`; the same command goes on where it was stopped.
    """
    from hvpkit.preprocessing.preprocess import preprocess

    drawing = {"size": size, "seed": seed, "uninformative": uninformative, "test_uninformative": test_uninformative, "ambiguous": ambiguous}
    options = {key: value for key, value in drawing.items() if value is not None}
    of_recipe = [setting for setting in settings or () if features is not None and _section(setting) in Recipe.model_fields]
    request = DetectionRequest(
        detector=detector,
        options=detection_settings(setting for setting in settings or () if setting not in of_recipe),
        phrases=None if phrases is None else tuple(name.strip() for name in phrases.split(",")),
        threshold=threshold,
        nms_iou=nms_iou,
        min_size=min_size,
        max_objects=max_objects,
        crops=crops,
        preview=preview,
        device=device,
        batch_size=batch_size,
    )
    called, registry = demo_options(name, task, options) if task or options else name, load_registry(plugins or ())
    filling = None if features is None else _filling(features, of_recipe, registry, text_only)
    with output.interruptible(Message("preprocess-stopped")):
        report = preprocess(
            called,
            root=root,
            output=output_folder,
            text_only=text_only,
            options=options,
            objects=request,
            registry=registry,
        )
        filled = None if filling is None else filling(report.folder)
    if as_json:
        return output.print_json(report if filled is None else {**vars(report), "features": filled})
    show(report)
    if filled is not None:
        show_features(filled)


def _filling(recipe: str, settings: Sequence[str], registry: Registry, text_only: bool) -> Callable[[Path], FeatureStats]:
    """Build the backbone of a recipe, before any work is done; what is given fills in the features of a prepared folder."""
    if text_only:
        raise InputError("features-with-text-only")
    loaded = load_recipe(recipe, settings, registry)
    from hvpkit.data.prepared import open_prepared
    from hvpkit.preprocessing.fill_features import build_frozen_tower, fill_features

    tower = build_frozen_tower(loaded, registry)
    return lambda folder: fill_features(tower, loaded, open_prepared(folder))


def _section(setting: str) -> str:
    return setting.partition("=")[0].partition(".")[0]


def show_features(report: FeatureStats) -> None:
    """Print how many features there are, where, and what was wrong."""
    filled = report.filled
    if report.stale:
        log.warning(Message("features-stale", folder=report.folder))
    if filled.damaged:
        log.warning(Message("damaged-features-recomputed", count=filled.damaged))
    if filled.unreadable:
        log.warning(Message("unreadable-regions", count=filled.unreadable, reason=filled.first_error))
    output.print_message(Message("features-computed", computed=filled.computed, kept=filled.kept, folder=report.folder))


def detection_settings(given: Iterable[str]) -> dict[str, Any]:
    """Read KEY=VALUE, the value as YAML has it; raises InputError."""
    source = ParsedConfig({}, SourceLocations(), [])
    for text in given:
        source.override(text)
    if source.problems:
        raise InputError("detector-options-invalid", problems=source.problems)
    return source.values


def demo_options(name: str, task: str | None, options: Iterable[str]) -> str:
    """Give the demo of a task; raises InputError where its options are given with other data."""
    demos = {("demo", None): "demo", ("demo", "mner"): "demo", ("demo", "mre"): "demo-mre"}
    demos |= {("demo-mre", None): "demo-mre", ("demo-mre", "mre"): "demo-mre"}
    if (name, task) not in demos:
        given = f"--task {task}" if task else f"--{next(iter(options)).replace('_', '-')}"
        raise InputError("demo-option-elsewhere", option=given, data=name)
    return demos[name, task]


def show(report: DatasetReport) -> None:
    """Print what each split holds, what was wrong, and where it all is now."""
    there = [split for split in SPLITS if split in report.splits]
    output.print_text(f"{report.name}: {report.source}")
    output.print_table(("", *there), _rows(report, [report.splits[split] for split in there]))
    if report.problems:
        rows = [(p.code, p.split, p.count, "left out" if p.skipped else "", "\n".join(p.places)) for p in report.problems]
        output.print_table(("problem", "split", "times", "example", "first places"), rows)
    absent = [split for split in SPLITS if split not in report.splits]
    if absent:
        output.print_message(Message("splits-absent", splits=absent))
    without = sum(split.without_object for split in report.splits.values())
    if report.objects is None and without and any(split.objects for split in report.splits.values()):
        output.print_message(Message("images-without-objects", count=without))
    if report.objects is not None:
        output.print_message(ObjectsSpec.model_validate(report.objects).describe())
    if report.preview is not None:
        output.print_message(Message("preview-written", file=report.preview))
    if report.text_only:
        return output.print_message(Message("text-prepared", fingerprint=report.fingerprint, folder=report.folder))
    return output.print_message(Message("data-prepared", fingerprint=report.fingerprint, folder=report.folder))


def _rows(report: DatasetReport, splits: list[SplitStats]) -> Iterator[tuple[object, ...]]:
    yield from (_row(title, splits, name) for title, name in COUNTS)
    for kind in splits[0].labels:
        yield (kind, *(split.labels[kind] for split in splits))
    if not report.text_only:
        yield from (_row(title, splits, name) for title, name in IMAGES)


def _row(title: str, splits: list[SplitStats], name: str) -> tuple[object, ...]:
    return (title, *(getattr(split, name) for split in splits))
