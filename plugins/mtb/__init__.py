"""MTB: BERT with entity markers, and its pretraining by matching the blanks (Soares et al. 2019).

"Matching the Blanks: Distributional Similarity for Relation Learning", ACL 2019. The fusion `mtb` is OpenNRE's
`BERTEntityEncoder` (thunlp/OpenNRE, commit 8e42fd7). The layer norm instead of its linear map is that of the paper, as
recalled, not verified. The loss of `matching-the-blanks` is that of plkmo/BERT-Relation-Extraction (commit 65b7944);
both agree with the numbers of these codes (tests/plugins/test_mtb_golden.py). The fraction of blanks is the paper's
(0.7; plkmo has 0.3), quoted from secondary texts. Which weights gave the published scores is unknown.

Own: pretraining on the training split, with the two strings as the entity pair; one group of sentences for each example
instead of each pair; a new choice between negatives for each of them, never the same pair reversed; masked wordpieces
instead of whole words; `[UNK]` in place of `[BLANK]` for vocabularies without unused wordpieces; windows around a pair
that does not fit, and nested markers for entities that overlap, where OpenNRE repeats their common words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt, UnitInterval
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register both fusions, for relations only; the pretraining replaces wordpieces."""
    register("mtb", mtb, needs={"states"}, provides={"pooled"}, tasks=("mre",))
    register("matching-the-blanks", matching_the_blanks, needs={"wordpieces"}, provides={"pooled"}, tasks=("mre",))


def mtb(
    context: FusionContext, *, middle: Literal["linear", "layer-norm", "none"] = "linear", mask_entities: bool = False
) -> Fusion:
    """MTB: a linear map of the states at the start markers of head and tail (Soares et al. 2019).

    Args:
        context: Text encoder.
        middle: Layer between the states [2d] and the head: a `linear` map without activation, a `layer-norm`, or
            `none`.
        mask_entities: Replace both entities and their markers by one wordpiece each, `[unused4]` and `[unused5]`.

    Raises:
        ComponentError: "mtb-without-markers" if entities are to be masked without markers around them.

    Source: thunlp/OpenNRE; Soares et al. 2019 for `layer-norm` (recalled, not verified); plkmo for `none`.
    """
    from .fusion import MtbFusion

    return MtbFusion(context, middle, mask_entities)


def matching_the_blanks(
    context: FusionContext,
    *,
    blank: UnitInterval = 0.7,
    mask: UnitInterval = 0.15,
    group_size: PositiveInt = 32,
    activation: Literal["tanh", "none"] = "tanh",
) -> Fusion:
    """Pretraining of MTB: sentences with the same entity pair get similar relation vectors (Soares et al. 2019).

    The head does not train the encoder: it learns from vectors without gradient, so that its dev score shows what they
    contain. Another recipe loads the weights with `train.init_from`.

    Args:
        context: Text encoder and training examples.
        blank: Probability that an entity is replaced by `[BLANK]`.
        mask: Fraction of the wordpieces outside of the entities that are masked and predicted.
        group_size: Sentences that are compared for each example: up to a half with its pair, the same number with
            others.
        activation: Activation of the relation vectors.

    Raises:
        ComponentError: "mtb-without-markers" or "mtb-without-mask-token".

    Source: Soares et al. 2019; plkmo/BERT-Relation-Extraction.
    """
    from .pretraining import BlanksOptions, MatchingTheBlanks

    return MatchingTheBlanks(context, BlanksOptions(blank, mask, group_size, activation == "tanh"))
