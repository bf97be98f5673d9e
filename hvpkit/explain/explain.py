"""Explain texts or examples of prepared data with a model folder, and write pages and figures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hvpkit.errors import HvpkitError, InputError
from hvpkit.explain.example_source import ExampleSource, open_example_source
from hvpkit.explain.output_files import check_figures, check_page
from hvpkit.explain.request import ExplainRequest
from hvpkit.inference.inputs import ParsedInput, PredictionInput, parse_example, parse_input
from hvpkit.messages import Message
from hvpkit.saving.model_folder import ModelFolder
from hvpkit.utils.progress import track

if TYPE_CHECKING:  # modules that import torch, which takes seconds, are imported once the request is known to be valid
    from hvpkit.explain.counterfactuals import ReplacementImage
    from hvpkit.explain.explanation import Explanation
    from hvpkit.explain.split_summary import SplitSummary
    from hvpkit.inference.predictor import Predictor

log = logging.getLogger(__name__)
DEFAULT_COUNT = 8  # default number of examples in a figure, as in Figure 4 of the paper


@dataclass(frozen=True)
class ExplainResult:
    """Explanations, and what was written.

    Attributes:
        explanations: Explanations of the inputs.
        summary: Summary of the split; None if not requested.
        written: Files that were written.
    """

    explanations: Sequence[Explanation]
    summary: SplitSummary | None
    written: Sequence[Path]

    def to_json(self, single: bool) -> dict[str, Any]:
        """Build the JSON document; for a single text, the fields of its explanation are at the top level."""
        files = {"written": self.written}
        if not single:
            return {"explanations": self.explanations, "summary": self.summary} | files
        explanation = self.explanations[0]
        return {field.name: getattr(explanation, field.name) for field in fields(explanation)} | files


def explain(folder: ModelFolder, request: ExplainRequest) -> ExplainResult:
    """Explain a text or examples of prepared data, summarize the split if requested, and write the files.

    Args:
        folder: Model folder.
        request: What to explain.

    Raises:
        InputError: If a file cannot be written, or the text or all examples are invalid; of several examples,
            unreadable ones are skipped with a warning.
        DataError: If the data do not suit the model (`open_example_source`).
        HvpkitError: "no-example-explained" if none of several examples could be explained.
    """
    if request.html is not None:
        check_page(request.html)
    check_figures(request.figures)
    source = open_example_source(folder, request.data, request.split) if request.uses_data else None
    inputs = _select_inputs(request, source, folder)
    from hvpkit.inference.predictor import Predictor

    predictor = Predictor(folder)
    replacements = ReplacementImages(source, request.replacement, request.seed)
    with TemporaryDirectory(prefix="hvpkit-") as temporary:
        explanations = list(_explain_all(predictor, inputs, replacements, Path(temporary)))
        summary = _summarize(predictor, source, request.seed) if request.summary and source is not None else None
        return ExplainResult(explanations, summary, list(_write_files(request, explanations, folder)))


def explain_input(predictor: Predictor, request: PredictionInput, seed: int = 0) -> Explanation:
    """Explain one input with a loaded model; the replacement image is a generated one.

    Args:
        predictor: The loaded model.
        request: Text with its image.
        seed: Seed of the replacement image.

    Raises:
        InputError: If the input is invalid.
    """
    parsed = parse_input(request, predictor.folder.recipe)
    with TemporaryDirectory(prefix="hvpkit-") as temporary:
        [explanation] = _explain_all(predictor, [parsed], ReplacementImages(None, None, seed), Path(temporary))
    return explanation


def _select_inputs(request: ExplainRequest, source: ExampleSource | None, folder: ModelFolder) -> list[ParsedInput]:
    """Parse the text, or load the requested examples; empty if only a summary is requested."""
    single = request.to_input()
    if single is not None:
        parsed = parse_input(single, folder.recipe)
        if request.image is not None and folder.recipe.uses_images:
            from hvpkit.images.decode import check_image

            check_image(request.image)
        return [parsed]
    if source is None or request.only_summary:
        return []
    examples = source.named(request.examples) if request.examples else source.first(request.count or DEFAULT_COUNT)
    if not examples:
        raise InputError("no-example-with-image", split=source.where)
    return [parse_example(example, folder.recipe) for example in examples]


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
        """Return a replacement for the image of an input.

        Args:
            parsed: The input.
            folder: Folder that generated images are written to.
        """
        from hvpkit.explain.counterfactuals import ReplacementImage, generated_image, replacement_image

        if self.file is not None:
            return ReplacementImage(self.file.name, self.file)
        image = None
        if self.source is not None:
            image = replacement_image(self.source.examples, parsed.example, self.seed, self.source.where)
        return image or generated_image(folder, self.seed)


def _explain_all(
    predictor: Predictor, inputs: Sequence[ParsedInput], replacements: ReplacementImages, temporary: Path
) -> Iterator[Explanation]:
    """Explain inputs with detected objects; of several inputs, unreadable ones are skipped with a warning."""
    from hvpkit.explain.explain_example import explain_example

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


def _summarize(predictor: Predictor, source: ExampleSource, seed: int) -> SplitSummary:
    from hvpkit.explain.split_summary import summarize

    return summarize(predictor, source.examples, source.where, seed)


def _write_files(request: ExplainRequest, explanations: Sequence[Explanation], folder: ModelFolder) -> Iterator[Path]:
    if request.html is not None:
        from hvpkit.explain.render.html_page import write_html

        write_html(request.html, explanations[0], folder.folder)
        yield request.html
    for file in request.figures:
        from hvpkit.explain.render.figures import write_figure

        write_figure(file, explanations)
        yield file
