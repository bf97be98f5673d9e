"""BERT+SG: the states of both entities, joined with the mean of the objects of the image (Zheng et al. 2021).

A baseline of "Multimodal Relation Extraction with Efficient Graph Alignment" (MEGA), without alignment. There is no
public code and one sentence in the paper, so all of it is our own reading: a linear map of each object to twice the
width of the text, the mean of the objects that exist, and a linear map of both vectors. With `attention` the objects
are weighted by the relation, for the row BERT+SG+Att that DeepKE reports. tests/plugins/test_bertsg_golden.py keeps
these equations from changing; it compares with no one's code. The paper takes 4096 features of each object from a scene
graph generator; here a backbone reads the crops of detected objects. In a recipe: `fusion: bert-sg`, `head: cls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for relations only: it reads the positions of the pair."""
    register("bert-sg", bert_sg, needs={"images", "states"}, provides={"pooled"}, tasks=("mre",))


def bert_sg(context: FusionContext, *, attention: bool = False, levels: Literal["last", "all"] = "last") -> Fusion:
    """BERT+SG: the states at head and tail, joined with the mean of the objects (Zheng et al. 2021).

    Args:
        context: Text encoder and backbone.
        attention: Weight the objects by their attention to the relation, instead of equally.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "bert-sg-without-vision".

    Source: own, after one sentence of Zheng et al. 2021.
    """
    from .fusion import BertSgFusion

    return BertSgFusion(context, attention, levels == "all")
