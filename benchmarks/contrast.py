"""Check whether a model trained on synthetic data distinguishes two images of the same sentence.

    python benchmarks/contrast.py runs/quickstart

Counts the pairs of the test split with the same ambiguous sentence and two different informative images, and shows one
pair with the commands that predict it. A text-only model predicts the same for both images.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hvpkit.data.prepared import open_prepared
from hvpkit.inference.decode import Decoded, predict_stream
from hvpkit.inference.predictions import EntityPrediction, RelationPrediction
from hvpkit.inference.predictor import Predictor
from hvpkit.messages import Message, Template, add_templates
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.synthetic.generate import contrast_pairs
from hvpkit.synthetic.upper_bounds import gold_labels
from hvpkit.types import Example, Relation, Span

add_templates(
    {
        "contrast-without-pairs": Template(
            "{data} has no sentence with two images. Use synthetic data (hvp preprocess demo).",
            {"data": "data/twitter2017"},
        ),
        "contrast-confused": Template("The model does not distinguish these two images. Train longer or on more data."),
        "contrast-counted": Template(
            "Both predictions are right for {right} of {pairs} such pairs; from the text alone it would be none.",
            {"right": 12, "pairs": 16},
        ),
    }
)


def differing_spans(one: Example, other: Example) -> tuple[Span, ...]:
    """Return the first spans whose gold label differs between two examples."""
    truth = dict(gold_labels(other))
    return next(spans for spans, answer in gold_labels(one) if truth[spans] != answer)


def predicted_label(answer: Decoded, spans: tuple[Span, ...]) -> str:
    """Return the predicted type or relation of these spans."""
    if isinstance(answer, Relation):
        return answer.label
    return next(
        (entity.type for entity in answer if (entity.start, entity.end) == (spans[0].start, spans[0].end)), "none"
    )


def right(pair: tuple[Example, Example], answers: Sequence[object]) -> bool:
    """Return whether both predictions are right; an error counts as wrong."""
    spans = differing_spans(*pair)
    if not all(isinstance(answer, (list, Relation)) for answer in answers):
        return False
    return [predicted_label(answer, spans) for answer in answers] == [
        dict(gold_labels(example))[spans] for example in pair
    ]  # type: ignore[arg-type]


def show(predictor: Predictor, model: Path, pair: tuple[Example, Example]) -> bool:
    """Predict for both full images as `hvp predict` does; return whether both predictions are right."""
    spans = differing_spans(*pair)
    answers = []
    for example in pair:
        names = [" ".join(example.words[span.start : span.end]) for span in spans]
        mentions = dict(zip(("head", "tail"), names, strict=True)) if example.relation is not None else {}
        text, truth = " ".join(example.words), dict(gold_labels(example))[spans]
        options = {"model": str(model), "text": text, "image": str(example.image), **mentions}
        print("$ hvp predict " + " ".join(f"--{name} {shlex.quote(value)}" for name, value in options.items()))
        found = predictor.predict(text, example.image, **mentions)
        answers.append(_shown_label(found, names[0]))
        print(f"  {' and '.join(names)}: {answers[-1]} (the image shows {truth})\n")
    return answers == [dict(gold_labels(example))[spans] for example in pair]


def _shown_label(found: EntityPrediction | RelationPrediction, name: str) -> str:
    if isinstance(found, RelationPrediction):
        return found.relation.label
    return next((entity.type for entity in found.entities if entity.text == name), "none")


def main(model: Path) -> None:
    folder = open_model_folder(model)
    data = open_prepared(folder.recipe.data.path)
    pairs = contrast_pairs(data.examples("test"))
    if not pairs:
        sys.exit(Message("contrast-without-pairs", data=data.folder))
    predictor = Predictor(folder)
    answers = list(predict_stream(predictor.model, predictor.batcher, [example for pair in pairs for example in pair]))
    results = [right(pair, answers[2 * i : 2 * i + 2]) for i, pair in enumerate(pairs)]
    scenes = [
        (pair, well)
        for pair, well in zip(pairs, results, strict=True)
        if {one.metadata["clue"] for one in pair} == {"scene"}
    ]
    shown = next((pair for pair, well in scenes if well), (scenes or [(pairs[0], False)])[0][0])
    print("The same sentence with two images:\n")
    if not show(predictor, model, shown):
        print(Message("contrast-confused"))
    print(Message("contrast-counted", right=sum(results), pairs=len(results)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/quickstart"))
