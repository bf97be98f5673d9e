"""Label inventories in the order of label ids: BIO tags of entity types, and relations."""

from __future__ import annotations

from collections.abc import Iterable

from hvpkit.types import Labels

ENTITY_TYPES = ("PER", "LOC", "ORG", "MISC")

MNRE_RELATIONS = (
    "None",
    "/loc/loc/contain",
    "/misc/loc/held_on",
    "/misc/misc/part_of",
    "/org/loc/locate_at",
    "/org/org/alternate_names",
    "/org/org/subsidiary",
    "/per/loc/place_of_birth",
    "/per/loc/place_of_residence",
    "/per/misc/awarded",
    "/per/misc/nationality",
    "/per/misc/present_in",
    "/per/misc/race",
    "/per/misc/religion",
    "/per/org/member_of",
    "/per/per/alternate_names",
    "/per/per/alumi",
    "/per/per/charges",
    "/per/per/couple",
    "/per/per/neighbor",
    "/per/per/parent",
    "/per/per/peer",
    "/per/per/siblings",
)


def tag_labels(types: Iterable[str] = ENTITY_TYPES) -> Labels:
    """Return the BIO tags of entity types.

    `O` comes first, then B- and I- of those of PER, LOC, ORG and MISC that occur, then of other types, sorted.
    """
    occurring = set(types)
    ordered = [t for t in ENTITY_TYPES if t in occurring] + sorted(occurring - set(ENTITY_TYPES))
    return Labels("mner", ("O", *(f"{prefix}-{t}" for t in ordered for prefix in "BI")))


def relation_labels(relations: Iterable[str] = MNRE_RELATIONS) -> Labels:
    """Return the relations: `None` first, whether or not it occurs, then the others, sorted."""
    return Labels("mre", ("None", *sorted(set(relations) - {"None"})))


def label_kinds(labels: Labels) -> tuple[str, ...]:
    """Return the classes that are counted: the entity types of tags, or the relations."""
    return labels.names if labels.task == "mre" else tuple(name[2:] for name in labels.names if name.startswith("B-"))
