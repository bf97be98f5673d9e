"""IFAformer: BERT and CLIP side by side, each attends to keys and values of the other in every layer.

"Implicit Feature Alignment": the system that DeepKE (zjunlp/DeepKE) has for entities and relations with images
(arXiv 2211.07504). Certain, by reading and running that code, whose numbers tests/plugins/test_ifaformer_golden.py
compares with: the order of the layers, and what each attends to. That code has four defects, which `parity_bugs`
reproduces for its checkpoints: prefixes of the first layer are cut into heads across tokens; from the second layer on
the image's keys stand in for its values; image tokens weigh e times more in the attention of the text; and the image
sees the padding of the text. Own: the forms without these defects, missing crops are masked (`vision.missing: zeros`
reads them as zeros, as the code does), an example without any crop is read as text alone (there: class token and
positions), backbones other than CLIP, and layers without pretraining. `train.freeze_head` keeps the classifier of
relations at its random weights, as the code does by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvpkit.hookspecs import Register, hookimpl

from . import messages  # noqa: F401 - adds the templates

if TYPE_CHECKING:
    from hvpkit.interfaces import Fusion, FusionContext


@hookimpl
def register_fusions(register: Register) -> None:
    """Register the fusion, for text encoders whose layers accept inputs."""
    register("ifa", ifa, needs={"images", "layers"})


def ifa(
    context: FusionContext,
    *,
    clip: str | None = None,
    parity_bugs: bool = False,
    levels: Literal["last", "all"] = "last",
) -> Fusion:
    """IFAformer: CLIP and the text encoder side by side, each with a prefix from the other in every layer (DeepKE).

    Args:
        context: Text encoder and backbone.
        clip: Hub id or local folder of a CLIP of the text encoder's sizes; by default new layers without pretraining.
        parity_bugs: Reproduce the defects of DeepKE's code; results then depend on the longest text of the batch.
        levels: Cells of the backbone's `last` level, or the channels of `all` levels; `clip-patches` has tokens of two
            sizes, which are read for the first three objects and for the others.

    Raises:
        ComponentError: "ifa-without-vision", "clip-sizes-differ" or "layers-unsupported".
        ModelFolderError: The CLIP is not found or cannot be loaded.

    Source: zjunlp/DeepKE.
    """
    from .fusion import ImplicitAlignment

    return ImplicitAlignment(context, clip, parity_bugs=parity_bugs, all_levels=levels == "all")
