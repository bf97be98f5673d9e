"""Print an explanation, or the summary of a split, as tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hvpkit.cli import output
from hvpkit.cli.predictions import show, visible
from hvpkit.explain.explanation import CounterfactualEffect, CounterfactualResult, Explanation, missing_reasons
from hvpkit.messages import Message
from hvpkit.utils.percent import percent

if TYPE_CHECKING:
    from hvpkit.explain.split_summary import GroupMeans, MeanWithInterval, SplitSummary

log = logging.getLogger(__name__)


def show_explanation(explained: Explanation) -> None:
    """Print the prediction, counterfactuals, attention and gates."""
    show(explained.prediction)
    if explained.gold:
        output.print_message(Message("answers-of-data", answers=[visible(answer) for answer in explained.gold]))
    if explained.counterfactuals:
        columns = (
            "counterfactual",
            *(visible(explained.title(decision)) for decision in explained.decisions),
            "new entities",
        )
        output.print_table(columns, map(_counterfactual_row, explained.counterfactuals))
    if any(mention.attention for mention in explained.mentions):
        columns = ("mention", "layers", *(image.title for image in explained.images), "text", "most attended image")
        output.print_table(columns, _attention_rows(explained), title="Attention, mean over attention heads")
    if explained.gates is not None:
        name, levels = explained.gates.level_name, len(explained.gates.weights[0][0])
        order = "fine to coarse" if name == "level" else "of the release's map"
        title = f"Gates: percent on {name}s 1 to {levels} ({order})"
        output.print_table(("layer", *(image.title for image in explained.images)), _gate_rows(explained), title=title)
    for name in explained.extra_tensors:
        output.print_message(Message("also-traced", name=name))
    for image in explained.images:
        if image.file is not None:
            title = f"{image.title[:1].upper()}{image.title[1:]}"
            output.print_message(Message("image-explained", title=title, file=visible(str(image.file))))
    for note in (*explained.notes, *missing_reasons(explained)):
        output.print_note(note)
    if explained.attention:
        output.print_message(explained.caution)


def _counterfactual_row(result: CounterfactualResult) -> tuple[str, ...]:
    new_entities = ", ".join(f"{visible(entity.text)}: {entity.type}" for entity in result.new_entities)
    return visible(result.name), *(effect_text(effect) for effect in result.effects), new_entities


def effect_text(effect: CounterfactualEffect) -> str:
    """Format the confidence before and after a counterfactual, and the new decision if it differs."""
    after = "unknown" if effect.after is None else percent(effect.after)
    flip = f" now {effect.becomes or 'no entity'}" if effect.flips else ""
    return f"{percent(effect.before)} -> {after}{flip}"


def _attention_rows(explained: Explanation) -> Iterator[tuple[str, ...]]:
    for mention in explained.mentions:
        for group in explained.groups if mention.attention else ():
            weights = mention.attention.by_image(group.layers) if mention.attention else ()
            strongest = explained.images[max(range(len(weights)), key=weights.__getitem__)].name
            text = percent(mention.attention.on_text(group.layers)) if mention.attention else ""
            yield f"{visible(mention.span.text)} ({mention.role})", group.title, *map(percent, weights), text, strongest


def _gate_rows(explained: Explanation) -> Iterator[tuple[str, ...]]:
    weights = explained.gates.weights if explained.gates else ()
    for layer in explained.layers:
        yield str(layer + 1), *("  ".join(f"{100 * weight:3.0f}" for weight in image[layer]) for image in weights)


def show_summary(summary: SplitSummary) -> None:
    """Print the means by group, and the rank correlation of layer depth and mean level of a split."""
    counts = Message("examples-with-images", data=summary.where, count=summary.with_images, examples=summary.examples)
    if summary.unread:
        log.warning(Message("unreadable-examples-left-out", count=summary.unread, reason=summary.first_error))
    if not summary.groups:
        return output.print_note(counts)
    if summary.layer_levels is not None:
        _show_levels(summary, counts)
    if summary.layer_images is not None:
        rows = [(group.name, str(group.count), *map(percent, _attention_weights(group))) for group in summary.groups]
        output.print_table(
            ("", "mentions", "full image", "objects", "text"), rows, title="Attention, mean over layers and heads"
        )
        by_layer = [(str(layer), percent(weight)) for layer, weight in enumerate(summary.layer_images, 1)]
        output.print_table(("layer", "attention on images"), by_layer)
    else:
        output.print_note(Message("attention-without-images"))
    return None


def _show_levels(summary: SplitSummary, counts: Message) -> None:
    levels = summary.layer_levels or ()
    names = [f"{summary.level_name} {number}" for number in range(1, len(levels[0]) + 1)]
    columns = ("", "mentions", *names, *(f"mean, {group.title}" for group in summary.layer_groups))
    rows = (_level_row(group) for group in summary.groups)
    output.print_table(columns, rows, title=f"Gates of {counts}; mean over layers, images and gold labels")
    by_layer = [
        (str(layer), *map(percent, weights), f"{sum(level * weight for level, weight in enumerate(weights, 1)):.2f}")
        for layer, weights in enumerate(levels, 1)
    ]
    output.print_table(("layer", *names, f"mean {summary.level_name}"), by_layer)
    _show_correlation(summary)


def _show_correlation(summary: SplitSummary) -> None:
    correlation, name = summary.correlation, summary.level_name
    if correlation is None or correlation.of_means is None:
        return output.print_message(Message("no-rank-correlation", unit=name))
    within = ""
    if correlation.within is not None:
        within = Message("rank-correlation-within", value=_format_interval(correlation.within))
    output.print_message(
        Message("rank-correlation", unit=name, value=_format_interval(correlation.of_means), within=within)
    )
    deeper = "later slices" if name == "slice" else "coarser levels"
    return output.print_message(Message("rank-correlation-read", deeper=deeper, coverage=100 * correlation.coverage))


def _format_interval(mean: MeanWithInterval) -> str:
    return f"{mean.value:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]"


def _level_row(group: GroupMeans) -> tuple[str, ...]:
    levels, means = group.levels or (), group.mean_levels or ()
    return group.name, str(group.count), *map(percent, levels), *(f"{level:.2f}" for level in means)


def _attention_weights(group: GroupMeans) -> Iterator[float]:
    yield from (weight for weight in (group.full_image, group.objects, group.text) if weight is not None)
