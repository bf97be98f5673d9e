"""`hvp preprocess`: prepare a dataset for training."""

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

OBJECTS_PANEL = "Objects in images"
DETECTOR_HELP = (
    "Object detector (`hvp components detector`); none: keep the annotated objects of the data. "
    "[default: the annotated objects, or saliency if there are none]"
)
SETTINGS_HELP = (
    "Option of the detector, such as weights=FOLDER; with --features also a setting of the recipe, "
    "such as vision.weights=FILE."
)
PHRASES_HELP = (
    "Phrases to detect, one or several of rules, types, mentions, spacy[:PIPELINE]. "
    "[default: rules; relations: mentions]"
)
COUNT_ROWS = (
    ("examples", "examples"),
    ("words", "words"),
    ("tags repaired", "repaired_tags"),
    ("examples skipped", "left_out"),
)
IMAGE_ROWS = (
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
        str,
        typer.Argument(
            help="Dataset: twitter2015, twitter2017, mnre, demo, or the path of JSON lines.", show_default=False
        ),
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder that contains the dataset, in any common layout. [default: .]")
    ] = None,
    output_folder: Annotated[
        Path | None, typer.Option("--output", help="Folder of the prepared data. [default: data/NAME]")
    ] = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="Ignore images.")] = False,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="Also compute the image features of this recipe's frozen backbone.",
            show_default=False,
        ),
    ] = None,
    plugins: Annotated[
        list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    task: Annotated[
        Literal["mner", "mre"] | None, typer.Option(help="demo: Task of the demo data. [default: mner]")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="demo: Number of training examples; dev and test have a quarter each. [default: 2000]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="demo: Random seed. [default: 0]")] = None,
    uninformative: Annotated[
        float | None, typer.Option(help="demo: Fraction of uninformative images. [default: 0.3]")
    ] = None,
    test_uninformative: Annotated[
        float | None,
        typer.Option(help="demo: Fraction of uninformative images in the test split. [default: --uninformative]"),
    ] = None,
    ambiguous: Annotated[
        float | None, typer.Option(help="demo: Fraction of entities whose type only the image reveals. [default: 0.6]")
    ] = None,
    detector: Annotated[
        str | None, typer.Option(metavar="NAME", help=DETECTOR_HELP, rich_help_panel=OBJECTS_PANEL)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help=SETTINGS_HELP, rich_help_panel=OBJECTS_PANEL),
    ] = None,
    phrases: Annotated[
        str | None, typer.Option(metavar="KIND,..", help=PHRASES_HELP, rich_help_panel=OBJECTS_PANEL)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Minimum score of a box. [default: that of the detector]", rich_help_panel=OBJECTS_PANEL
        ),
    ] = None,
    nms_iou: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="IoU threshold of non-maximum suppression. [default: 0.5]", rich_help_panel=OBJECTS_PANEL
        ),
    ] = None,
    min_size: Annotated[
        int | None,
        typer.Option(min=1, help="Minimum side of a box in pixels. [default: 16]", rich_help_panel=OBJECTS_PANEL),
    ] = None,
    max_objects: Annotated[
        int | None,
        typer.Option(
            min=1, help="Maximum number of objects per example, best first. [default: 3]", rich_help_panel=OBJECTS_PANEL
        ),
    ] = None,
    crops: Annotated[bool, typer.Option(help="Also write the crops as files.", rich_help_panel=OBJECTS_PANEL)] = True,
    preview: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Draw the boxes of N examples in preview.html.", rich_help_panel=OBJECTS_PANEL
        ),
    ] = 0,
    device: Annotated[
        str | None,
        typer.Option(
            help="Torch device, such as cpu or cuda. [default: a GPU if available]", rich_help_panel=OBJECTS_PANEL
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images per batch. [default: 8; 2 on a CPU]", rich_help_panel=OBJECTS_PANEL),
    ] = None,
) -> None:
    """Read and check a dataset, detect objects in its images, and write prepared data; or generate demo data.

    Example: `hvp preprocess twitter2017 --root ~/datasets`, or `hvp preprocess demo`

    Objects: `hvp preprocess ./mine --detector owlv2 --phrases rules,types --preview 40`; an interrupted command is
    continued by running it again.
    """
    from hvpkit.preprocessing.preprocess import preprocess

    demo_values = {
        "size": size,
        "seed": seed,
        "uninformative": uninformative,
        "test_uninformative": test_uninformative,
        "ambiguous": ambiguous,
    }
    options = {key: value for key, value in demo_values.items() if value is not None}
    recipe_settings = [
        setting for setting in settings or () if features is not None and _section(setting) in Recipe.model_fields
    ]
    request = DetectionRequest(
        detector=detector,
        options=detection_settings(setting for setting in settings or () if setting not in recipe_settings),
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
    dataset = resolve_demo_name(name, task, options) if task or options else name
    registry = load_registry(plugins or ())
    write_features = None if features is None else _build_feature_writer(features, recipe_settings, registry, text_only)
    with output.interruptible(Message("preprocess-stopped")):
        report = preprocess(
            dataset,
            root=root,
            output=output_folder,
            text_only=text_only,
            options=options,
            objects=request,
            registry=registry,
        )
        stats = None if write_features is None else write_features(report.folder)
    if as_json:
        return output.print_json(report if stats is None else {**vars(report), "features": stats})
    show_report(report)
    if stats is not None:
        show_features(stats)


def _build_feature_writer(
    recipe: str, settings: Sequence[str], registry: Registry, text_only: bool
) -> Callable[[Path], FeatureStats]:
    """Build the backbone of a recipe; return a function that computes the features of a prepared folder."""
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
    """Print the number of image features, their folder, and problems."""
    filled = report.filled
    if filled.damaged:
        log.warning(Message("damaged-features-recomputed", count=filled.damaged))
    if filled.unreadable:
        log.warning(Message("unreadable-regions", count=filled.unreadable, reason=filled.first_error))
    output.print_message(Message("features-computed", computed=filled.computed, kept=filled.kept, folder=report.folder))


def detection_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Parse settings `KEY=VALUE` with YAML values.

    Raises:
        InputError: "detector-options-invalid".
    """
    config = ParsedConfig({}, SourceLocations(), [])
    for setting in settings:
        config.override(setting)
    if config.problems:
        raise InputError("detector-options-invalid", problems=config.problems)
    return config.values


def resolve_demo_name(name: str, task: str | None, options: Iterable[str]) -> str:
    """Return the name of the demo dataset of a task.

    Raises:
        InputError: "demo-option-elsewhere" if options of the demo are used with another dataset.
    """
    demos = {("demo", None): "demo", ("demo", "mner"): "demo", ("demo", "mre"): "demo-mre"}
    demos |= {("demo-mre", None): "demo-mre", ("demo-mre", "mre"): "demo-mre"}
    if (name, task) not in demos:
        option = f"--task {task}" if task else f"--{next(iter(options)).replace('_', '-')}"
        raise InputError("demo-option-elsewhere", option=option, data=name)
    return demos[name, task]


def show_report(report: DatasetReport) -> None:
    """Print the contents of each split, issues, and the folder of the prepared data."""
    present = [split for split in SPLITS if split in report.splits]
    output.print_text(f"{report.name}: {report.source}")
    output.print_table(("", *present), _rows(report, [report.splits[split] for split in present]))
    if report.problems:
        rows = [
            (issue.code, issue.split, issue.count, "skipped" if issue.skipped else "", "\n".join(issue.places))
            for issue in report.problems
        ]
        output.print_table(("issue", "split", "count", "example", "first locations"), rows)
    absent = [split for split in SPLITS if split not in report.splits]
    if absent:
        output.print_message(Message("splits-absent", splits=absent))
    num_without = sum(split.without_object for split in report.splits.values())
    if report.objects is None and num_without and any(split.objects for split in report.splits.values()):
        output.print_message(Message("images-without-objects", count=num_without))
    if report.objects is not None:
        output.print_message(ObjectsSpec.model_validate(report.objects).describe())
    if report.preview is not None:
        output.print_message(Message("preview-written", file=report.preview))
    if report.text_only:
        return output.print_message(Message("text-prepared", fingerprint=report.fingerprint, folder=report.folder))
    return output.print_message(Message("data-prepared", fingerprint=report.fingerprint, folder=report.folder))


def _rows(report: DatasetReport, splits: list[SplitStats]) -> Iterator[tuple[object, ...]]:
    yield from (_row(title, splits, name) for title, name in COUNT_ROWS)
    for kind in splits[0].labels:
        yield (kind, *(split.labels[kind] for split in splits))
    if not report.text_only:
        yield from (_row(title, splits, name) for title, name in IMAGE_ROWS)


def _row(title: str, splits: list[SplitStats], name: str) -> tuple[object, ...]:
    return (title, *(getattr(split, name) for split in splits))
