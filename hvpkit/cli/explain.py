"""`hvp explain`: explain how images affect predictions, for one text or for prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hvpkit.cli import output
from hvpkit.cli.completion import complete_data, complete_model
from hvpkit.cli.device import DeviceOption, use_device
from hvpkit.cli.eval import data_folder
from hvpkit.cli.model import choose_model, open_model
from hvpkit.explain.explain import ExplainResult, explain
from hvpkit.explain.request import ExplainRequest, parse_crop
from hvpkit.messages import Message


def command(
    model_folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            autocompletion=complete_model,
            help="Model folder. [default: the latest in runs/]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="The same as MODEL.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option(help="Text to explain.")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Image of the text.")] = None,
    crops: Annotated[
        list[str] | None,
        typer.Option(
            "--crop",
            metavar="CROP",
            help="Object of the image: file of a crop, or a box left,top,right,bottom in pixels.",
        ),
    ] = None,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect/--no-detect", help="Detect objects in the image as in training, unless --crop lists them."
        ),
    ] = True,
    head: Annotated[
        str | None, typer.Option(help="Head entity of a relation: words of the text, or characters START:END.")
    ] = None,
    tail: Annotated[str | None, typer.Option(help="Tail entity of a relation.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Prepared data: a name in data/, or a folder. [default: the data of the model]",
            autocompletion=complete_data,
        ),
    ] = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Split of the data.")] = "test",
    examples: Annotated[
        list[str] | None, typer.Option("--example", metavar="ID", help="Id of an example of the data.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Explain the first N examples of the data that have an image.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Summarize the whole split by entity type or relation.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML page that explains one text.")
    ] = None,
    figures: Annotated[
        list[Path] | None,
        typer.Option("--figure", metavar="FILE", help="Draw a figure: gates.pdf or attention.pdf (also .png, .svg)."),
    ] = None,
    replacement: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Replacement image to compare with. [default: one of the data, or a generated one]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the replacement image and of the bootstrap samples.")] = 0,
    device: DeviceOption = None,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how images affect predictions: attention, gates, and predictions after images are removed or replaced.

    Example: `hvp explain --text "Taylor Hill holding Jun's GQ japan lol." --image x.jpg --html report.html`

    Prepared data: `hvp explain --data twitter2017 --split test --count 8 --figure gates.pdf`, or `--summary` for a
    whole split.
    """
    use_device(device)
    objects = tuple(parse_crop(crop) for crop in crops or ()) or (None if detect else ())
    request = ExplainRequest(
        text=text,
        image=image,
        head=head,
        tail=tail,
        objects=objects,
        data=data_folder(data),
        split=split,
        examples=tuple(examples or ()),
        count=count,
        summary=summary,
        html=html,
        figures=tuple(figures or ()),
        replacement=replacement,
        seed=seed,
    )
    folder = open_model(choose_model(model_folder, model), plugins or [])
    result = explain(folder, request)
    if json:
        return output.print_json({"model": folder.folder} | result.to_json(single=text is not None))
    return show_result(result, request)


def show_result(result: ExplainResult, request: ExplainRequest) -> None:
    """Print the explanations unless they were drawn as figures, the summary, and the written files."""
    from hvpkit.cli.explanations import show_explanation, show_summary

    printed = result.explanations if not request.figures or request.text is not None else ()
    for index, explanation in enumerate(printed):
        if index:
            output.print_text("")
        show_explanation(explanation)
    if result.summary is not None:
        show_summary(result.summary)
    for file in result.written:
        output.print_message(Message("file-written", file=file))
