"""Heads: from fused states to predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import UnitInterval
from hvpkit.errors import ComponentError
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Head, HeadContext


@hookimpl
def register_heads(register: Register) -> None:
    """Register the paper's heads."""
    register("crf", FACTORIES["crf"], needs={"states"}, tasks=("mner",))
    register("entity-start", FACTORIES["entity-start"], needs={"states"}, tasks=("mre",))
    register("cls", FACTORIES["cls"], needs={"pooled"}, tasks=("mre",))


def crf(
    context: HeadContext,
    *,
    dropout: UnitInterval = 0.1,
    labels: Literal["words", "pieces"] = "words",
    transitions: Literal["free", "bio"] = "free",
) -> Head:
    """Linear emissions at each word's first piece and a linear-chain CRF (Chen et al. 2022, eq. 10).

    `labels: pieces` reads all pieces, [CLS] and [SEP] too, with tags of their own (release of Chen et al. 2022). `transitions: bio`
    rules out paths that are no BIO tags, such as O before I-PER (our own; for words). Raises ComponentError for both at once.
    """
    from hvpkit.model.heads.crf import CrfHead
    from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead

    if labels == "words":
        return CrfHead(context, dropout, constrained=transitions == "bio")
    if transitions == "bio":
        raise ComponentError("bio-transitions-of-words")
    return WordpieceCrfHead(context, dropout)


def entity_start(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """A linear map of the two entities' start states, side by side (what the published MNRE numbers come from)."""
    from hvpkit.model.heads.classifiers import EntityStartHead

    return EntityStartHead(context, dropout)


def cls(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """A linear map of the pooled [CLS] state (Chen et al. 2022, eq. 11)."""
    from hvpkit.model.heads.classifiers import ClsHead

    return ClsHead(context, dropout)


# Bound here, while the names are the functions': importing a submodule of the same name would hide them.
FACTORIES = {"crf": crf, "entity-start": entity_start, "cls": cls}
