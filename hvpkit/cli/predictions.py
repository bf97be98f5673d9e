"""Print a prediction: marked in its text, then as a table; readable without colors."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.text import Text

from hvpkit.cli import output
from hvpkit.messages import Message
from hvpkit.types import EntityPrediction, Prediction, RelationPrediction
from hvpkit.utils.percent import percent

COLORS = {"PER": "magenta", "LOC": "green", "ORG": "cyan", "MISC": "yellow"}
OTHER_COLORS = ("blue", "red", "bright_magenta", "bright_green", "bright_cyan", "bright_yellow")
LIKELIEST = 5  # relations in the table

Mark = tuple[int, int, str, str]  # characters [start, end), annotation, color


def show(prediction: Prediction) -> None:
    """Print a prediction to stdout."""
    if isinstance(prediction, EntityPrediction):
        _show_entities(prediction)
    else:
        _show_relation(prediction)


def _show_entities(prediction: EntityPrediction) -> None:
    marks = [(e.start, e.end, f"{e.type} {percent(e.confidence)}", color(e.type)) for e in prediction.entities]
    output.results.print(marked(prediction.text, marks), soft_wrap=True)
    if not marks:
        return output.print_message(Message("no-entity-found"))
    rows = [(visible(e.text), e.type, percent(e.confidence), f"{e.start}:{e.end}") for e in prediction.entities]
    return output.print_table(("entity", "type", "confidence", "characters"), rows)


def _show_relation(prediction: RelationPrediction) -> None:
    head, tail, relation = prediction.head, prediction.tail, prediction.relation
    marks = sorted([(head.start, head.end, "head", COLORS["PER"]), (tail.start, tail.end, "tail", COLORS["LOC"])])
    output.results.print(marked(prediction.text, marks), soft_wrap=True)
    head_text, tail_text = (visible(head.text), COLORS["PER"]), (visible(tail.text), COLORS["LOC"])
    triple = Text.assemble(head_text, " > ", (relation.label, "bold"), " > ", tail_text)
    output.results.print(triple, soft_wrap=True)
    rows = [(name, percent(probability)) for name, probability in relation.probabilities[:LIKELIEST]]
    output.print_table(("relation", "probability"), rows)


def marked(text: str, marks: Sequence[Mark]) -> Text:
    """Insert marks into a text, such as `[Ada | PER 98%] in ...`.

    Args:
        text: The text.
        marks: Marks in reading order that do not overlap.
    """
    result, position = Text(), 0
    for start, end, annotation, color_name in marks:
        result.append(visible(text[position:start])).append("[", "dim")
        result.append(visible(text[start:end]), f"bold {color_name}")
        result.append(" | ", "dim").append(annotation, color_name).append("]", "dim")
        position = end
    return result.append(visible(text[position:]))


def color(kind: str) -> str:
    """Return the color of an entity type; the same type always has the same color."""
    return COLORS.get(kind) or OTHER_COLORS[sum(kind.encode()) % len(OTHER_COLORS)]


def visible(text: str) -> str:
    """Escape control characters, which a terminal would interpret; line breaks and tabs stay."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)
