"""Check explanations on synthetic data, where the object that decides is known.

Do confidence drops and attention identify it?

    python benchmarks/explain.py runs/quickstart runs/quickstart_mre

For each test example in which one object decides (the sentence is ambiguous, one object of the image shows the answer):
is the drop in confidence largest when that object is removed, compared with removing any other image region? The
confidence is that of the model's own prediction for the ambiguous name or pair, right or wrong, as `hvp explain` shows
it; a name that is not predicted counts as a failure. The drop counts only if it is above 0 and larger than all others.
The same for attention: does the deciding object get the largest attention of the name's words (mean over layers, heads
and words; for a pair, over head and tail)? Writes benchmarks/explain.json and a part of benchmarks/results/explain.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from hvpkit.cli import output
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError
from hvpkit.explain.explanation import Decision, Explanation, mean
from hvpkit.messages import Template, add_templates
from hvpkit.synthetic.upper_bounds import gold_labels
from hvpkit.types import Example, Span
from hvpkit.utils.progress import track

HERE = Path(__file__).parent
add_templates(
    {
        "benchmark-explain-nothing-decides": Template(
            "No example names its deciding object. Use synthetic data (hvp preprocess demo)."
        ),
        "benchmark-explain-nothing-open": Template("{example}: its text is not ambiguous.", {"example": "test-3"}),
    }
)


@dataclass(frozen=True)
class Finding:
    """What drops and attention point at in one example, its clue and number of objects.

    And whether the model is right.
    """

    id: str
    clue: str
    objects: int
    found: bool
    right: bool
    drop_of_objects: bool
    drop_of_all: bool
    attention_of_objects: bool
    attention_of_all: bool


def decided_by_one_object(examples: Iterable[Example]) -> list[Example]:
    """Return the examples whose text is ambiguous and whose image shows the answer with one object."""
    found = [
        e
        for e in examples
        if e.metadata.get("ambiguous") == "yes" and e.metadata.get("deciding_object", "none") != "none"
    ]
    if not found:
        raise DataError("benchmark-explain-nothing-decides")
    return found


def open_span(example: Example, examples: Iterable[Example]) -> tuple[tuple[Span, ...], str]:
    """Return the spans that have other labels in an example of the same words, and their label here."""
    own = gold_labels(example)
    for other in examples:
        if (other.words, other.head, other.tail) == (example.words, example.head, example.tail):
            theirs = dict(gold_labels(other))
            differing = [(spans, answer) for spans, answer in own if theirs.get(spans, answer) != answer]
            if differing:
                return differing[0]
    raise DataError("benchmark-explain-nothing-open", example=example.id)


def finding(example: Example, spans: tuple[Span, ...], answer: str, explained: Explanation) -> Finding:
    """Compare an explanation with the object that decides."""
    first = len([image for image in explained.images if image.kind == "full image"])
    deciding = first + int(example.metadata["deciding_object"])
    decision = asked(explained, spans)
    drops, attention = {}, {}
    if decision is not None:
        number = explained.decisions.index(decision)
        drops = {c.image: c.effects[number].drop or 0.0 for c in explained.counterfactuals if c.image is not None}
        mentions = [m for m in explained.mentions if m.attention is not None and m.words in spans]
        attended = [m.attention.by_image(explained.layers) for m in mentions if m.attention is not None]
        attention = (
            {place: mean([shares[place] for shares in attended]) for place in range(len(explained.images))}
            if attended
            else {}
        )
    return Finding(
        id=example.id,
        clue=example.metadata["clue"],
        objects=len(explained.images) - first,
        found=decision is not None,
        right=decision is not None and decision.label == answer,
        drop_of_objects=leads(deciding, {place: drop for place, drop in drops.items() if place >= first}),
        drop_of_all=leads(deciding, drops),
        attention_of_objects=leads(deciding, {place: share for place, share in attention.items() if place >= first}),
        attention_of_all=leads(deciding, attention),
    )


def asked(explained: Explanation, spans: tuple[Span, ...]) -> Decision | None:
    """Return the prediction for the pair, or for the ambiguous name if it was predicted."""
    for decision in explained.decisions:
        if decision.mention is None or (explained.mentions[decision.mention].words,) == spans:
            return decision
    return None


def leads(place: int, values: dict[int, float]) -> bool:
    """Return whether one value is above 0 and above all others."""
    own = values.get(place, 0.0)
    return own > 0 and all(own > value for other, value in values.items() if other != place)


# -----------------------------------------------------------------------------------------------------------------
# tables
MEASURES = ("drop_of_objects", "drop_of_all", "attention_of_objects", "attention_of_all")


def shares(findings: Sequence[Finding]) -> dict[str, Any]:
    """Compute means over findings; `chance` is the result of choosing an object at random."""
    facts: dict[str, Any] = {
        "examples": len(findings),
        "right": mean([f.right for f in findings]),
        "found": mean([f.found for f in findings]),
    }
    facts["chance"] = mean([1 / f.objects for f in findings])
    return facts | {measure: mean([getattr(f, measure) for f in findings]) for measure in MEASURES}


def summed_up(findings: Sequence[Finding]) -> dict[str, dict[str, Any]]:
    """Compute means over all findings, those where the model is right or wrong, and by kind of clue."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for each in findings:
        for name in ("all", "the model is right" if each.right else "the model is wrong", f"clue: {each.clue}"):
            groups[name].append(each)
    order = sorted(groups, key=lambda name: (name != "all", name.startswith("clue"), name))
    return {name: shares(groups[name]) for name in order}


def measure(model: Path) -> dict[str, Any]:
    """Explain the examples of the test split of a model."""
    import hvpkit
    from hvpkit.explain.explain_example import explain_example
    from hvpkit.inference.inputs import parse_example

    predictor = hvpkit.load(model)
    recipe = predictor.folder.recipe
    data = open_prepared(recipe.data.path)
    examples = data.examples("test")
    chosen = decided_by_one_object(examples)
    findings = []
    for example in track(chosen, "examples"):
        spans, answer = open_span(example, examples)
        findings.append(finding(example, spans, answer, explain_example(predictor, parse_example(example, recipe))))
    metrics = predictor.folder.metrics
    return {
        "task": recipe.task,
        "data": data.manifest.name,
        "fingerprint": data.manifest.fingerprint,
        "seed": metrics["seed"],
        "encoder": metrics["encoder"],
        "epochs": recipe.train.epochs,
        "notes": metrics["notes"],
        "groups": summed_up(findings),
    }


def show(result: dict[str, Any]) -> None:
    data, training = f"{result['data']} ({result['fingerprint']})", f"{result['epochs']} epochs, seed {result['seed']}"
    title = f"{result['task']}, {data}, {training}; percent of examples"
    columns = (
        "",
        "examples",
        "right",
        "chance",
        "drop, objects",
        "drop, with the whole",
        "attention, objects",
        "attention, with the whole",
    )
    rows = [
        (name, group["examples"], *(f"{100 * group[key]:.1f}" for key in ("right", "chance", *MEASURES)))
        for name, group in result["groups"].items()
    ]
    output.print_table(columns, rows, title=title)


def section(results: Sequence[dict[str, Any]]) -> str:
    """Format the generated part of results/explain.md."""
    columns = (
        "model",
        "group",
        "examples",
        "right",
        "chance",
        "drop: objects",
        "drop: all",
        "attention: objects",
        "attention: all",
    )
    rows = [
        (
            f"{result['task']}, {result['epochs']} epochs",
            name,
            group["examples"],
            *(f"{100 * group[key]:.1f}" for key in ("right", "chance", *MEASURES)),
        )
        for result in results
        for name, group in result["groups"].items()
    ]
    models = [
        f"- {result['task']}, {result['epochs']} epochs: data {result['data']} `{result['fingerprint']}`, seed {result['seed']}."  # noqa: E501
        for result in results
    ]
    return "\n".join([report.table(columns, rows), "", *models])


def main(models: Sequence[Path], target: Path) -> None:
    with output.shown_progress():
        results = [measure(model) for model in models]
    for result in results:
        show(result)
    target.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report.update_page(target.parent, "explain", "explain", section(results))
    print(f"Written: {target}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", type=Path, nargs="+", help="model folders trained on `hvp preprocess demo`, --task mre, or both"
    )
    parser.add_argument("--output", type=Path, default=HERE / "explain.json")
    given = parser.parse_args()
    main(given.models, given.output)
