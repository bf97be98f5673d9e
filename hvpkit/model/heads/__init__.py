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
    register("crf", build_crf, needs={"states"}, tasks=("mner",))
    register("entity-start", build_entity_start, needs={"states"}, tasks=("mre",))
    register("cls", build_cls, needs={"pooled"}, tasks=("mre",))


def build_crf(
    context: HeadContext,
    *,
    dropout: UnitInterval = 0.1,
    labels: Literal["words", "wordpieces"] = "words",
    constrained: bool = False,
) -> Head:
    """Linear emissions at each word's first piece and a linear-chain CRF (Chen et al. 2022, eq. 10).

    `labels: wordpieces` reads all pieces, [CLS] and [SEP] too, with tags of their own (release of Chen et al. 2022). `constrained: true`
    rules out paths that are no BIO tags, such as O before I-PER (our own; for words). Raises ComponentError for both at once.
    """
    from hvpkit.model.heads.crf import CrfHead
    from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead

    if labels == "words":
        return CrfHead(context, dropout, constrained=constrained)
    if constrained:
        raise ComponentError("bio-transitions-of-words")
    return WordpieceCrfHead(context, dropout)


def build_entity_start(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """A linear map of the two entities' start states, side by side (what the published MNRE numbers come from)."""
    from hvpkit.model.heads.classifiers import EntityStartHead

    return EntityStartHead(context, dropout)


def build_cls(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """A linear map of the pooled [CLS] state (Chen et al. 2022, eq. 11)."""
    from hvpkit.model.heads.classifiers import ClsHead

    return ClsHead(context, dropout)
