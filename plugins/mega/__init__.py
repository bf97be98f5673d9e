"""MEGA: words aligned with visual objects, by attention and by the similarity of their graphs (Zheng et al. 2021).

"Multimodal Relation Extraction with Efficient Graph Alignment", ACM MM 2021. The network and the features of nodes are
those of the authors' code (thecharm/Mega, commit e5638f2; nodes as in REGAL/xNetMF). Its structural alignment is
computed in closed form, which equals the authors' landmarks and decomposition for up to 58 nodes; beyond that theirs
changes from run to run. tests/plugins/test_mega_golden.py compares network and alignment with their numbers.

Their pipeline around it is not reproduced: it counts nodes wrongly, shifts rows for markers in place, has one
alignment per image, and needs files that were not published. `reshape`, `pads_seen` and `empty_objects_seen` give the
network with which their checkpoints were trained.

Own: graphs are made from words and boxes when an example is encoded, so that any data has them. Dependency arcs are
those of spaCy (there: CoreNLP), or else neighboring words and head with tail; objects are linked if their boxes
overlap or are near (there: a scene graph generator); the full image is linked to all objects. Wordpieces have the row
of their word, links have none; ties among the nearest objects go to the first; padding and missing objects are
masked; the cells of a grid share the row of their image region. The fusion for entities, which gives every word the
visual vector, is own too: the published scores come from an unpublished adaptation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.config.option_types import PositiveInt
from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion under two names: for relations it returns one vector, for entities a state per position."""
    register("mega", mega, needs={"images", "states"}, provides={"pooled"}, tasks=("mre",))
    register("mega-words", mega, needs={"images", "states"}, provides={"states"}, tasks=("mner",))


def mega(
    context: FusionContext,
    *,
    alignment: Literal["both", "semantic", "structural"] = "both",
    nearest: PositiveInt = 5,
    dependencies: Literal["auto", "spacy", "chain"] = "auto",
    pipeline: str = "en_core_web_sm",
    reshape: bool = False,
    pads_seen: bool = False,
    empty_objects_seen: bool = False,
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """MEGA: states joined with the words that are aligned to objects (Zheng et al. 2021).

    For relations (`mega`) it returns the states at head and tail, joined with the vector of the objects; for entities
    (`mega-words`) every position, joined with this vector.

    Args:
        context: Text encoder and backbone.
        alignment: `semantic` (attention of objects to words), `structural` (similarity in the graphs), or `both`.
        nearest: Number of objects with which a word is structurally aligned, those most similar to it.
        dependencies: Arcs between words: of `spacy`, a `chain` of neighbors with head and tail, or `auto` for spaCy if
            the pipeline is installed. A saved model keeps its choice.
        pipeline: Name of an installed spaCy pipeline with a parser.
        reshape: Read the structural alignment [T, V] as [V, T] without transposing it, as the authors' code does. This
            equals theirs for texts of `data.max_length` positions.
        pads_seen: Let objects attend to padding, as the authors' code does; results then depend on the longest text of
            the batch.
        empty_objects_seen: Count missing objects as objects with features of 0, as the authors' code does.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels.

    Raises:
        ComponentError: "mega-without-vision", "mega-pipeline-unavailable" or "mega-pipeline-needed".
        ModelFolderError: "mega-arcs-unreadable".

    Source: Zheng et al. 2021; thecharm/Mega; own: graphs from words and boxes, and masking.
    """
    from .fusion import MegaFusion, MegaOptions

    options = MegaOptions(
        semantic=alignment != "structural",
        structural=alignment != "semantic",
        nearest=nearest,
        dependencies=dependencies,
        pipeline=pipeline,
        reshape=reshape,
        pads_seen=pads_seen,
        empty_objects_seen=empty_objects_seen,
        all_levels=levels == "all",
    )
    return MegaFusion(context, options)
