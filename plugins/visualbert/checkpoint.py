"""Opening a VisualBERT checkpoint, or starting one from a plain BERT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, BertConfig, VisualBertConfig, VisualBertModel

from hvpkit.errors import ModelFolderError
from hvpkit.interfaces import TextContext
from hvpkit.messages import Message
from hvpkit.model.text.hugging_face import check_tokenizer_matches, load_tokenizer
from hvpkit.model.text.input_layout import MARKERS
from hvpkit.utils.hub import load_pretrained, require_weights

from .encoder import Begun, VisualBertEncoder

REGION_WIDTH = 1024  # of the checkpoint after NLVR2, and of torchvision's box heads
NEW_IN_VISUALBERT = "embeddings.visual_"
SHARED = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act hidden_dropout_prob "
    "attention_probs_dropout_prob max_position_embeddings type_vocab_size initializer_range layer_norm_eps "
    "pad_token_id bos_token_id eos_token_id"
).split()


@dataclass(frozen=True)
class Checkpoint:
    """What a recipe says of it: hub id or folder, the same for a tokenizer apart, random weights, the width of a region's features."""

    name: str
    tokenizer: str | None = None
    random: bool = False
    region_width: int | None = None


def load_visualbert(context: TextContext, what: Checkpoint, markers: bool) -> VisualBertEncoder:
    """Open the encoder, or from the folder it was saved in build it without weights; raises ModelFolderError when it cannot be had."""
    if context.folder is not None:
        what = Checkpoint(str(context.folder), random=True)
    model, begun = load_pretrained(what.name, "text encoder", "text.name", lambda place, local: _open_model(place, local, what))
    tokenizer = load_pretrained(what.tokenizer or what.name, "the tokenizer of", "text.tokenizer", load_tokenizer)
    try:
        check_tokenizer_matches(tokenizer, model.config)
    except ValueError as error:
        (reason,) = error.args
        raise ModelFolderError(
            "visualbert-tokenizer-mismatch", tokenizer=what.tokenizer or what.name, model=what.name, reason=reason
        ) from error
    return VisualBertEncoder(model, tokenizer, MARKERS if markers and context.task == "mre" else (), begun)


def _open_model(place: str, local: bool, what: Checkpoint) -> tuple[VisualBertModel, Begun]:
    source: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(place, **source)
    told: dict[str, Any] = {**source, "output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    if isinstance(config, BertConfig):
        model = build_random(_of_bert(config, what.region_width or REGION_WIDTH))
        if what.random:
            return model, "random"
        _take_over(model, *AutoModel.from_pretrained(place, config=config, **told))
        return model, "bert"
    if not isinstance(config, VisualBertConfig):
        raise ValueError(Message("visualbert-other-model", type=config.model_type))
    if what.region_width not in (None, config.visual_embedding_dim):
        raise ValueError(Message("visualbert-region-width", found=config.visual_embedding_dim, expected=what.region_width))
    config.bypass_transformer = False  # regions go through every layer (Li et al. 2019)
    if what.random:
        return build_random(config), "random"
    opened: Any = VisualBertModel.from_pretrained(place, config=config, attn_implementation="eager", **told)
    model, report = opened
    require_weights(report, optional="pooler.")
    return model, "visualbert"


def build_random(config: VisualBertConfig) -> VisualBertModel:
    """Make a VisualBERT with random weights, whose tables for regions begin as those for words."""
    config._attn_implementation = "eager"
    model = VisualBertModel(config)
    copy_embeddings(model)
    return model


@torch.no_grad()
def copy_embeddings(model: VisualBertModel) -> None:
    """Begin the position and type embeddings of regions as those of words (Li et al. 2019)."""
    tables = model.embeddings
    tables.visual_position_embeddings.weight.copy_(tables.position_embeddings.weight)
    tables.visual_token_type_embeddings.weight.copy_(tables.token_type_embeddings.weight)


def _of_bert(config: BertConfig, region_width: int) -> VisualBertConfig:
    shared: dict[str, Any] = {name: getattr(config, name) for name in SHARED}
    return VisualBertConfig(**shared, visual_embedding_dim=region_width)


def _take_over(model: VisualBertModel, bert: torch.nn.Module, report: dict[str, Any]) -> None:
    """Take a plain BERT's weights; what is new begins as `empty` makes it."""
    require_weights(report, optional="pooler.")
    missing = model.load_state_dict(bert.state_dict(), strict=False).missing_keys
    lacking = [name for name in missing if not name.startswith((NEW_IN_VISUALBERT, "pooler."))]
    if lacking:
        raise ValueError(Message("visualbert-weights-incomplete", names=lacking[:3]))
    copy_embeddings(model)
