"""`hvp preprocess`: prepare a dataset for training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_dataset
from hvpkit.cli.dataset_report import show_report
from hvpkit.cli.own_data import (
    FORMAT_HELP,
    IMAGES_HELP,
    LABELS_HELP,
    PATTERN_HELP,
    SPLIT_HELP,
    image_names,
    reader_options,
)
from hvpkit.messages import Message
from hvpkit.preprocessing.detection_request import DetectionRequest, parse_detector_options
from hvpkit.preprocessing.feature_request import FeatureRequest, split_settings
from hvpkit.registry import load_registry
from hvpkit.synthetic.reader import resolve_demo_name

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
TASK_HELP = "demo: Task of the demo data. Formats with entities and relations: which are read. [default: mner]"


def command(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_dataset,
            help="Dataset: twitter2015, twitter2017, mnre, demo, or the path of your data.",
            show_default=False,
        ),
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder that contains the dataset, in any common layout. [default: .]")
    ] = None,
    output_folder: Annotated[
        Path | None, typer.Option("--output", help="Folder of the prepared data. [default: data/NAME]")
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help=FORMAT_HELP, show_default=False),
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option("--images", metavar="DIR", help=IMAGES_HELP, show_default=False)
    ] = None,
    image_pattern: Annotated[str | None, typer.Option(metavar="PATTERN", help=PATTERN_HELP, show_default=False)] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=LABELS_HELP, show_default=False),
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="TRAIN/DEV/TEST", help=SPLIT_HELP, show_default=False)] = None,
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
    task: Annotated[Literal["mner", "mre"] | None, typer.Option(help=TASK_HELP)] = None,
    size: Annotated[
        int | None,
        typer.Option(help="demo: Number of training examples; dev and test have a quarter each. [default: 2000]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="demo and --split: Random seed. [default: 0]")] = None,
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

    Example: `hvp preprocess twitter2017 --root ~/datasets`, `hvp preprocess mine --images photos`, or
    `hvp preprocess demo`

    Objects: `hvp preprocess ./mine --detector owlv2 --phrases rules,types --preview 40`; an interrupted command is
    continued by running it again.
    """
    from hvpkit.preprocessing.formats import is_named_dataset
    from hvpkit.preprocessing.preprocess import preprocess
    from hvpkit.preprocessing.random_split import SplitRequest

    demo_values = {
        "size": size,
        "seed": None if split is not None else seed,
        "uninformative": uninformative,
        "test_uninformative": test_uninformative,
        "ambiguous": ambiguous,
    }
    options: dict[str, Any] = {key: value for key, value in demo_values.items() if value is not None}
    recipe_settings, detector_settings = split_settings(settings or ()) if features else ((), settings or ())
    request = DetectionRequest(
        detector=detector,
        options=parse_detector_options(detector_settings),
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
    registry = load_registry(plugins or ())
    names = image_names(images, image_pattern)
    request_of_split = None if split is None else SplitRequest.parse(split, seed or 0)
    if options or (task and is_named_dataset(name, registry)):
        name = resolve_demo_name(name, task, options)
    else:
        options = reader_options(labels, task)
    with output.interruptible(Message("preprocess-stopped")):
        report = preprocess(
            name,
            root=root,
            output=output_folder,
            text_only=text_only,
            options=options,
            objects=request,
            features=FeatureRequest(features, recipe_settings) if features else None,
            registry=registry,
            format_name=format_name,
            images=names,
            split=request_of_split,
        )
    if as_json:
        output.print_json(report)
    else:
        show_report(report)
