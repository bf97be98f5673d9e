"""`hvp explain`: explain how images affect predictions, for one text or for prepared data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hvpkit.cli import output
from hvpkit.cli.eval import data_folder
from hvpkit.cli.predict import open_model
from hvpkit.errors import HvpkitError, InputError
from hvpkit.explain.example_source import ExampleSource, check_figures, check_page, open_example_source, parse_crop
from hvpkit.inference.inputs import ParsedInput, PredictionInput, parse_example, parse_input
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.utils.progress import track

if TYPE_CHECKING:
    from hvpkit.explain.counterfactuals import ReplacementImage
    from hvpkit.explain.explanation import Explanation
    from hvpkit.inference.predictor import Predictor

log = logging.getLogger(__name__)

DEFAULT_COUNT = 8  # default number of examples in a figure, as in Figure 4 of the paper


def command(
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Model folder. [default: the latest in runs/]", show_default=False),
    ] = None,
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
        str | None, typer.Option(help="Prepared data: a name in data/, or a folder. [default: the data of the model]")
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
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Plugin file to load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show how images affect predictions: attention, gates, and predictions after images are removed or replaced.

    Example: `hvp explain --text "Taylor Hill holding Jun's GQ japan lol." --image x.jpg --html report.html`

    Prepared data: `hvp explain --data twitter2017 --split test --count 8 --figure gates.pdf`, or `--summary` for a
    whole split.
    """
    request = ExplainRequest(text, tuple(examples or ()), count, summary, html, tuple(figures or ()))
    check_request(request, {"--image": image, "--crop": crops or None, "--head": head, "--tail": tail})
    folder = open_model(model, plugins or [])
    source = open_example_source(folder, data_folder(data), split) if text is None or data is not None else None
    objects = [parse_crop(crop) for crop in crops or ()] or (None if detect else [])
    single = None if text is None else PredictionInput(text, image, head, tail, objects)
    inputs = select_inputs(request, single, source, folder)
    result = explain_inputs(request, inputs, ReplacementImages(source, replacement, seed), folder)
    if json:
        return output.print_json({"model": folder.folder} | result.to_json(single=text is not None))
    return show_result(result, request)


@dataclass(frozen=True)
class ExplainRequest:
    """What to explain, and which files to write.

    Attributes:
        text: Text to explain; None: examples of prepared data.
        examples: Ids of examples.
        count: Number of examples with an image.
        summary: Whether to summarize the whole split.
        html: HTML page to write.
        figures: Figures to write.
    """

    text: str | None
    examples: tuple[str, ...]
    count: int | None
    summary: bool
    html: Path | None
    figures: tuple[Path, ...]


@dataclass(frozen=True)
class ReplacementImages:
    """Source of replacement images: a file, other examples of the data, or a generated image.

    Attributes:
        source: Prepared data; None: generate an image.
        file: Image file; takes precedence.
        seed: Random seed.
    """

    source: ExampleSource | None
    file: Path | None
    seed: int

    def get(self, parsed: ParsedInput, folder: Path) -> ReplacementImage:
        """Return a replacement for the image of an input; generated images are written to `folder`."""
        from hvpkit.explain.counterfactuals import ReplacementImage, generated_image, replacement_image

        if self.file is not None:
            return ReplacementImage(self.file.name, self.file)
        image = None
        if self.source is not None:
            image = replacement_image(self.source.examples, parsed.example, self.seed, self.source.where)
        return image or generated_image(folder, self.seed)


@dataclass(frozen=True)
class ExplainResult:
    """Result of the command.

    Attributes:
        explanations: Explanations of the inputs.
        summary: Summary of the split; None if not requested.
        written: Files that were written.
    """

    explanations: Sequence[Explanation]
    summary: Any
    written: Sequence[Path]

    def to_json(self, single: bool) -> dict[str, Any]:
        """Build the JSON document; for a single text, the fields of its explanation are at the top level."""
        files = {"written": self.written}
        if single:
            return {
                field.name: getattr(self.explanations[0], field.name) for field in fields(self.explanations[0])
            } | files
        return {"explanations": self.explanations, "summary": self.summary} | files


def check_request(request: ExplainRequest, text_options: dict[str, object]) -> None:
    """Check that the options can be combined, before anything is opened.

    Args:
        request: What to explain.
        text_options: Values of the options that require a text, by flag.

    Raises:
        InputError: If options exclude each other or an output file cannot be written.
    """
    used = [name for name, value in text_options.items() if value is not None]
    data_options = (("--example", request.examples), ("--count", request.count), ("--summary", request.summary))
    selected = [name for name, value in data_options if value]
    if request.text is None and used:
        raise InputError("options-need-text", options=used)
    if request.text is not None and selected:
        raise InputError("text-with-examples", options=selected)
    if request.text is None and not selected and not request.figures:
        raise InputError("nothing-to-explain")
    if request.examples and request.count:
        raise InputError("example-with-count")
    if request.html is not None and request.text is None and len(request.examples) + (request.count or 0) != 1:
        raise InputError("page-needs-one-text")
    if request.html is not None:
        check_page(request.html)
    check_figures(request.figures)


def select_inputs(
    request: ExplainRequest, single: PredictionInput | None, source: ExampleSource | None, folder: ModelFolder
) -> list[ParsedInput]:
    """Parse the single text, or load the requested examples; empty if only a summary is requested.

    Raises:
        InputError: "no-example-with-image", or if an input is invalid.
    """
    if single is not None:
        parsed = parse_input(single, folder.recipe)
        if isinstance(single.image, Path) and folder.recipe.uses_images:
            from hvpkit.images.decode import check_image

            check_image(single.image)
        return [parsed]
    if source is None:
        raise ValueError("Expected a text or data.")
    if request.summary and not request.figures and not request.examples and not request.count:
        return []
    examples = source.named(request.examples) if request.examples else source.first(request.count or DEFAULT_COUNT)
    if not examples:
        raise InputError("no-example-with-image", split=source.where)
    return [parse_example(example, folder.recipe) for example in examples]


def explain_inputs(
    request: ExplainRequest, inputs: Sequence[ParsedInput], replacements: ReplacementImages, folder: ModelFolder
) -> ExplainResult:
    """Explain the inputs, summarize the split if requested, and write the files."""
    from hvpkit.inference.predictor import Predictor

    predictor = Predictor(folder)
    with TemporaryDirectory(prefix="hvpkit-") as temporary:
        explanations = list(_explain_all(predictor, inputs, replacements, Path(temporary)))
        summary = None
        source = replacements.source
        if request.summary and source is not None:
            from hvpkit.explain.split_summary import summarize

            summary = summarize(predictor, source.examples, source.where, replacements.seed)
        return ExplainResult(explanations, summary, list(_write_files(request, explanations, folder)))


def _explain_all(
    predictor: Predictor, inputs: Sequence[ParsedInput], replacements: ReplacementImages, temporary: Path
) -> Iterator[Explanation]:
    """Explain inputs with detected objects; of several inputs, unreadable ones are skipped with a warning."""
    from hvpkit.explain.explain import explain_example

    failed = 0
    pairs = list(zip(inputs, predictor.attach_objects(inputs), strict=True))
    for parsed, with_objects in track(pairs, "examples") if len(pairs) > 1 else pairs:
        try:
            if isinstance(with_objects, InputError):
                raise with_objects
            yield explain_example(predictor, with_objects, replacements.get(with_objects, temporary))
        except InputError as error:
            if len(pairs) == 1:
                raise
            failed += 1
            log.warning(Message("example-left-out", example=parsed.example.id, reason=error.message))
    if failed and failed == len(pairs):
        raise HvpkitError("no-example-explained", count=len(pairs))


def _write_files(request: ExplainRequest, explanations: Sequence[Explanation], folder: ModelFolder) -> Iterator[Path]:
    if request.html is not None:
        from hvpkit.explain.render.html_page import write_html

        write_html(request.html, explanations[0], folder.folder)
        yield request.html
    for file in request.figures:
        from hvpkit.explain.render.figures import write_figure

        write_figure(file, explanations)
        yield file


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
