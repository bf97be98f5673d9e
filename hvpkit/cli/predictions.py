"""A prediction as people read it: marked in its text, then as a table; legible without colours."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.text import Text

from hvpkit.cli import output
from hvpkit.messages import Message
from hvpkit.types import EntityPrediction, Prediction, RelationPrediction

COLOURS = {"PER": "magenta", "LOC": "green", "ORG": "cyan", "MISC": "yellow"}
OTHERS = ("blue", "red", "bright_magenta", "bright_green", "bright_cyan", "bright_yellow")
LIKELIEST = 5

Mark = tuple[int, int, str, str]  # characters [start, end), what is said of them, colour


def show(prediction: Prediction) -> None:
    """Print a prediction to stdout."""
    if isinstance(prediction, EntityPrediction):
        _show_entities(prediction)
    else:
        _show_relation(prediction)


def _show_entities(prediction: EntityPrediction) -> None:
    marks = [(e.start, e.end, f"{e.type} {percent(e.confidence)}", colour(e.type)) for e in prediction.entities]
    output.results.print(marked(prediction.text, marks), soft_wrap=True)
    if not marks:
        return output.print_message(Message("no-entity-found"))
    rows = [(visible(e.text), e.type, percent(e.confidence), f"{e.start}:{e.end}") for e in prediction.entities]
    return output.print_table(("entity", "type", "confidence", "characters"), rows)


def _show_relation(prediction: RelationPrediction) -> None:
    head, tail, relation = prediction.head, prediction.tail, prediction.relation
    marks = sorted([(head.start, head.end, "head", COLOURS["PER"]), (tail.start, tail.end, "tail", COLOURS["LOC"])])
    output.results.print(marked(prediction.text, marks), soft_wrap=True)
    said = Text.assemble((visible(head.text), COLOURS["PER"]), " > ", (relation.label, "bold"), " > ", (visible(tail.text), COLOURS["LOC"]))
    output.results.print(said, soft_wrap=True)
    output.print_table(("relation", "probability"), [(name, percent(share)) for name, share in relation.probabilities[:LIKELIEST]])


def marked(text: str, marks: Sequence[Mark]) -> Text:
    """Set marks, in reading order, into a text: `[Ada | PER 98%] in ...`, coloured."""
    whole, done = Text(), 0
    for start, end, said, tone in marks:
        whole.append(visible(text[done:start])).append("[", "dim").append(visible(text[start:end]), f"bold {tone}")
        whole.append(" | ", "dim").append(said, tone).append("]", "dim")
        done = end
    return whole.append(visible(text[done:]))


def colour(kind: str) -> str:
    """Give an entity type's colour, always the same for the same type."""
    return COLOURS.get(kind) or OTHERS[sum(kind.encode()) % len(OTHERS)]


def visible(text: str) -> str:
    """Write control characters, which a terminal would obey, as their codes; line ends and tabs stay."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)


def percent(share: float) -> str:
    """Write a share of 1 in percent."""
    return f"{100 * share:.1f}%"
