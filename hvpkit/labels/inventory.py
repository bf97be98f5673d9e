"""Label inventories in the order of label ids: BIO tags of entity types, and relations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hvpkit.types import Labels

ENTITY_TYPES = ("PER", "LOC", "ORG", "MISC")

# relations of MNRE, in mnre_relations.csv below a header
MNRE_RELATIONS = tuple(Path(__file__).with_name("mnre_relations.csv").read_text(encoding="utf-8").split()[1:])


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
