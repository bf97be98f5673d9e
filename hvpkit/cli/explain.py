"""`hvp explain`: what the images did, for one text or for many."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

COUNT = 8  # examples of a figure, as in the paper's Figure 4


def command(
    model: Annotated[Path | None, typer.Option(metavar="DIR", help="A model folder (the newest under runs/).", show_default=False)] = None,
    text: Annotated[str | None, typer.Option(help="The text to explain.")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Its image.")] = None,
    crops: Annotated[
        list[str] | None, typer.Option("--crop", metavar="CROP", help="A crop's file, or a box left,top,right,bottom in pixels.")
    ] = None,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="Find objects in the image as in training; --crop names them.")
    ] = True,
    head: Annotated[str | None, typer.Option(help="First entity of a pair: words of the text, or characters START:END.")] = None,
    tail: Annotated[str | None, typer.Option(help="Second entity of a pair.")] = None,
    data: Annotated[str | None, typer.Option(help="Prepared data: a name under data/, or a folder (the model's own).")] = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which part of the data.")] = "test",
    examples: Annotated[list[str] | None, typer.Option("--example", metavar="ID", help="An example of the data.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="The first examples of the data that have an image.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Sum up the whole split, by entity type or relation.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that explains one text.")] = None,
    figures: Annotated[
        list[Path] | None, typer.Option("--figure", metavar="FILE", help="Draw gates.pdf or attention.pdf (also .png, .svg).")
    ] = None,
    replacement: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another image to try (one of the data, or a drawn one).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses the other image, and what is resampled.")] = 0,
    plugins: Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="Load a plugin file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON document.")] = False,
) -> None:
    """Show what the images did: where words look, what the gates let in, and what other images would change.

    Example: `hvp explain --text "Taylor Hill holding Jun's GQ japan lol." --image x.jpg --html report.html`

    Examples of prepared data: `hvp explain --data twitter2017 --split test --count 8 --figure gates.pdf`, or `--summary` of all of them.
    """
    ask = ExplainRequest(text, tuple(examples or ()), count, summary, html, tuple(figures or ()))
    check(ask, {"--image": image, "--crop": crops or None, "--head": head, "--tail": tail})
    folder = open_model(model, plugins or [])
    source = open_example_source(folder, data_folder(data), split) if text is None or data is not None else None
    named = [parse_crop(item) for item in crops or ()]
    given = None if text is None else PredictionInput(text, image, head, tail, named if named or not detect else None)
    readings = choose(ask, given, source, folder)
    found = run(ask, readings, ReplacementImages(source, replacement, seed), folder)
    if json:
        return output.print_json({"model": folder.folder} | found.record(one=text is not None))
    return show(found, ask)


@dataclass(frozen=True)
class ExplainRequest:
    """What is to be explained, and where it is to go."""

    text: str | None
    examples: tuple[str, ...]
    count: int | None
    summary: bool
    html: Path | None
    figures: tuple[Path, ...]


@dataclass(frozen=True)
class ReplacementImages:
    """Where other images are found: a file, other texts of the data, or none; then one is drawn."""

    source: ExampleSource | None
    file: Path | None
    seed: int

    def of(self, reading: ParsedInput, drawn: Path) -> ReplacementImage:
        """Give an image that belongs to another text."""
        from hvpkit.explain.counterfactuals import ReplacementImage, generated_image, replacement_image

        if self.file is not None:
            return ReplacementImage(self.file.name, self.file)
        found = replacement_image(self.source.examples, reading.example, self.seed, self.source.where) if self.source else None
        return found or generated_image(drawn, self.seed)


@dataclass(frozen=True)
class ExplainedExample:
    """Explanations, the summary of a split, and the files that were written."""

    explanations: Sequence[Explanation]
    summary: Any
    written: Sequence[Path]

    def record(self, one: bool) -> dict[str, Any]:
        """Give what `--json` prints."""
        files = {"written": self.written}
        if one:
            return {field: getattr(self.explanations[0], field) for field in self.explanations[0].__dataclass_fields__} | files
        return {"explanations": self.explanations, "summary": self.summary} | files


def check(ask: ExplainRequest, one: dict[str, object]) -> None:
    """Refuse options that do not go together, before anything is opened."""
    given = [name for name, value in one.items() if value is not None]
    chosen = [name for name, value in (("--example", ask.examples), ("--count", ask.count), ("--summary", ask.summary)) if value]
    if ask.text is None and given:
        raise InputError("options-need-text", options=given)
    if ask.text is not None and chosen:
        raise InputError("text-with-examples", options=chosen)
    if ask.text is None and not chosen and not ask.figures:
        raise InputError("nothing-to-explain")
    if ask.examples and ask.count:
        raise InputError("example-with-count")
    if ask.html is not None and ask.text is None and len(ask.examples) + (ask.count or 0) != 1:
        raise InputError("page-needs-one-text")
    if ask.html is not None:
        check_page(ask.html)
    check_figures(ask.figures)


def choose(ask: ExplainRequest, given: PredictionInput | None, source: ExampleSource | None, folder: ModelFolder) -> list[ParsedInput]:
    """Read the text, or find the examples (no torch)."""
    if given is not None:
        reading = parse_input(given, folder.recipe)
        if isinstance(given.image, Path) and folder.recipe.uses_images:
            from hvpkit.images.decode import check_image

            check_image(given.image)
        return [reading]
    if source is None:
        raise ValueError("neither a text nor data")
    if ask.summary and not ask.figures and not ask.examples and not ask.count:
        return []
    examples = source.named(ask.examples) if ask.examples else source.first(ask.count or COUNT)
    if not examples:
        raise InputError("no-example-with-image", split=source.where)
    return [parse_example(example, folder.recipe) for example in examples]


def run(ask: ExplainRequest, readings: Sequence[ParsedInput], others: ReplacementImages, folder: ModelFolder) -> ExplainedExample:
    """Explain the readings, sum up the split if asked, and write the files."""
    from hvpkit.inference.predictor import Predictor

    predictor = Predictor(folder)
    with TemporaryDirectory(prefix="hvpkit-") as drawn:
        explanations = list(_explained(predictor, readings, others, Path(drawn)))
        summary = None
        if ask.summary and others.source is not None:
            from hvpkit.explain.split_summary import summarize

            summary = summarize(predictor, others.source.examples, others.source.where, others.seed)
        return ExplainedExample(explanations, summary, list(_written(ask, explanations, folder)))


def _explained(predictor: Predictor, asked: Sequence[ParsedInput], others: ReplacementImages, drawn: Path) -> Iterator[Explanation]:
    """Explain each, with objects found where none are known; one of many that cannot be read is told and left out."""
    from hvpkit.explain.explain import explain_example

    failed = 0
    pairs = list(zip(asked, predictor.attach_objects(asked), strict=True))
    for given, reading in track(pairs, "examples") if len(pairs) > 1 else pairs:
        try:
            if isinstance(reading, InputError):
                raise reading
            yield explain_example(predictor, reading, others.of(reading, drawn))
        except InputError as error:
            if len(pairs) == 1:
                raise
            failed += 1
            log.warning(Message("example-left-out", example=given.example.id, reason=error.message))
    if failed and failed == len(pairs):
        raise HvpkitError("no-example-explained", count=len(pairs))


def _written(ask: ExplainRequest, explanations: Sequence[Explanation], folder: ModelFolder) -> Iterator[Path]:
    if ask.html is not None:
        from hvpkit.explain.render.html_page import write_html

        write_html(ask.html, explanations[0], folder.folder)
        yield ask.html
    for file in ask.figures:
        from hvpkit.explain.render.figures import write_figure

        write_figure(file, explanations)
        yield file


def show(found: ExplainedExample, ask: ExplainRequest) -> None:
    """Print explanations, unless they went to a figure; then the summary and what was written."""
    from hvpkit.cli.explanations import show_explanation, show_summary

    for number, explanation in enumerate(found.explanations if not ask.figures or ask.text is not None else ()):
        if number:
            output.print_text("")
        show_explanation(explanation)
    if found.summary is not None:
        show_summary(found.summary)
    for file in found.written:
        output.print_message(Message("file-written", file=file))
