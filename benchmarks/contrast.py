"""The same sentence with two images: does a model that was trained on drawn data tell them apart?

    python benchmarks/contrast.py runs/quickstart

Counts the pairs of the test split in which one open sentence stands with two relevant images, and shows one of them with the commands
that ask for it. A model of text alone must give both the same answer.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hvpkit.data.prepared import open_prepared
from hvpkit.inference.engine import Decoded, predict_stream
from hvpkit.inference.predictor import Predictor
from hvpkit.messages import Message, Template, add_templates
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.synthetic.generate import contrast_pairs
from hvpkit.synthetic.upper_bounds import gold_labels
from hvpkit.types import EntityPrediction, Example, Relation, RelationPrediction, Span

add_templates(
    {
        "contrast-without-pairs": Template(
            "{data} has no sentence with two images; it takes data that hvpkit drew (hvp preprocess demo)", {"data": "data/twitter2017"}
        ),
        "contrast-confused": Template("The model does not tell these two apart: train longer, or on more data."),
        "contrast-counted": Template(
            "{right} of {pairs} such pairs are told apart, both answers right; from the text alone it would be none.",
            {"right": 12, "pairs": 16},
        ),
    }
)


def asked_of(one: Example, other: Example) -> tuple[Span, ...]:
    """Give the spans whose answer differs between the two."""
    truth = dict(gold_labels(other))
    return next(spans for spans, answer in gold_labels(one) if truth[spans] != answer)


def said(answer: Decoded, spans: tuple[Span, ...]) -> str:
    """Give the type or relation that a model says of these spans."""
    if isinstance(answer, Relation):
        return answer.label
    return next((entity.type for entity in answer if (entity.start, entity.end) == (spans[0].start, spans[0].end)), "none")


def right(pair: tuple[Example, Example], answers: Sequence[object]) -> bool:
    """Tell whether both answers are what the images show; what could not be read is not."""
    spans = asked_of(*pair)
    if not all(isinstance(answer, (list, Relation)) for answer in answers):
        return False
    return [said(answer, spans) for answer in answers] == [dict(gold_labels(example))[spans] for example in pair]  # type: ignore[arg-type]


def show(predictor: Predictor, model: Path, pair: tuple[Example, Example]) -> bool:
    """Ask for both images as `hvp predict` does, from the whole image alone; tell whether both answers are right."""
    spans = asked_of(*pair)
    answers = []
    for example in pair:
        names = [" ".join(example.words[span.start : span.end]) for span in spans]
        mentions = dict(zip(("head", "tail"), names, strict=True)) if example.relation is not None else {}
        text, truth = " ".join(example.words), dict(gold_labels(example))[spans]
        options = {"model": str(model), "text": text, "image": str(example.image), **mentions}
        print("$ hvp predict " + " ".join(f"--{name} {shlex.quote(value)}" for name, value in options.items()))
        found = predictor.predict(text, example.image, **mentions)
        answers.append(_said(found, names[0]))
        print(f"  {' and '.join(names)}: {answers[-1]} (the image shows {truth})\n")
    return answers == [dict(gold_labels(example))[spans] for example in pair]


def _said(found: EntityPrediction | RelationPrediction, name: str) -> str:
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
    told = [right(pair, answers[2 * i : 2 * i + 2]) for i, pair in enumerate(pairs)]
    scenes = [(pair, well) for pair, well in zip(pairs, told, strict=True) if {one.metadata["clue"] for one in pair} == {"scene"}]
    shown = next((pair for pair, well in scenes if well), (scenes or [(pairs[0], False)])[0][0])
    print("The same sentence with two images:\n")
    if not show(predictor, model, shown):
        print(Message("contrast-confused"))
    print(Message("contrast-counted", right=sum(told), pairs=len(told)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/quickstart"))
