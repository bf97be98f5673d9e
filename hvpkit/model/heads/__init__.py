"""Heads: map fused states to predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import UnitInterval
from hvpkit.errors import ComponentError
from hvpkit.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from hvpkit.interfaces import Head, HeadContext


@hookimpl
def register_heads(register: Register) -> None:
    """Register the built-in heads."""
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
    """CRF head: linear emissions at the first wordpiece of each word and a linear-chain CRF.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.
        labels: `words` tags words. `wordpieces` tags all positions, including [CLS] and [SEP], with additional tags.
        constrained: Exclude tag sequences that are invalid in BIO, such as O before I-PER; only for words.

    Raises:
        ComponentError: "bio-transitions-of-words" for `constrained` with `wordpieces`.

    Source: Chen et al. 2022, eq. 10; `wordpieces` from the code released with it; `constrained` own.
    """
    from hvpkit.model.heads.crf import CrfHead
    from hvpkit.model.heads.wordpiece_crf import WordpieceCrfHead

    if labels == "words":
        return CrfHead(context, dropout, constrained=constrained)
    if constrained:
        raise ComponentError("bio-transitions-of-words")
    return WordpieceCrfHead(context, dropout)


def build_entity_start(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """Entity-start head: a linear map of the concatenated start states of both entities.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.

    Source: code released with Chen et al. 2022; the published MNRE results come from it.
    """
    from hvpkit.model.heads.classifiers import EntityStartHead

    return EntityStartHead(context, dropout)


def build_cls(context: HeadContext, *, dropout: UnitInterval = 0.1) -> Head:
    """CLS head: a linear map of the pooled [CLS] state.

    Args:
        context: What the head is built from.
        dropout: Dropout probability.

    Source: Chen et al. 2022, eq. 11.
    """
    from hvpkit.model.heads.classifiers import ClsHead

    return ClsHead(context, dropout)
