"""Load a VisualBERT checkpoint, or initialize one from a plain BERT."""

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

from .encoder import InitialWeights, VisualBertEncoder

REGION_WIDTH = 1024  # of the checkpoint after NLVR2, and of torchvision's box heads
NEW_IN_VISUALBERT = "embeddings.visual_"
SHARED = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act hidden_dropout_prob "
    "attention_probs_dropout_prob max_position_embeddings type_vocab_size initializer_range layer_norm_eps "
    "pad_token_id bos_token_id eos_token_id"
).split()


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint of a recipe.

    Attributes:
        name: Hub id or folder.
        tokenizer: Hub id or folder of the tokenizer; None: that of the checkpoint.
        random: Random weights of the checkpoint's sizes.
        region_width: Width of region features; None: that of the checkpoint, 1024 for a BERT.
    """

    name: str
    tokenizer: str | None = None
    random: bool = False
    region_width: int | None = None


def load_visualbert(context: TextContext, checkpoint: Checkpoint, markers: bool) -> VisualBertEncoder:
    """Load the encoder; for a saved model, build it without loading weights.

    Args:
        context: Task, or the folder of a saved model.
        checkpoint: Checkpoint of the recipe.
        markers: Add marker tokens around head and tail, for relations.

    Raises:
        ModelFolderError: "visualbert-tokenizer-mismatch", or checkpoint or tokenizer cannot be loaded.
    """
    if context.folder is not None:
        checkpoint = Checkpoint(str(context.folder), random=True)
    model, initial_weights = load_pretrained(
        checkpoint.name, "text encoder", "text.name", lambda source, local: _load_model(source, local, checkpoint)
    )
    tokenizer_name = checkpoint.tokenizer or checkpoint.name
    tokenizer = load_pretrained(tokenizer_name, "the tokenizer of", "text.tokenizer", load_tokenizer)
    try:
        check_tokenizer_matches(tokenizer, model.config)
    except ValueError as error:
        (reason,) = error.args
        raise ModelFolderError(
            "visualbert-tokenizer-mismatch", tokenizer=tokenizer_name, model=checkpoint.name, reason=reason
        ) from error
    marker_tokens = MARKERS if markers and context.task == "mre" else ()
    return VisualBertEncoder(model, tokenizer, marker_tokens, initial_weights)


def _load_model(source: str, local: bool, checkpoint: Checkpoint) -> tuple[VisualBertModel, InitialWeights]:
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(source, **options)
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    if isinstance(config, BertConfig):
        model = build_random(_config_from_bert(config, checkpoint.region_width or REGION_WIDTH))
        if checkpoint.random:
            return model, "random"
        _copy_bert(model, *AutoModel.from_pretrained(source, config=config, **options))
        return model, "bert"
    if not isinstance(config, VisualBertConfig):
        raise ValueError(Message("visualbert-other-model", type=config.model_type))
    if checkpoint.region_width not in (None, config.visual_embedding_dim):
        raise ValueError(
            Message("visualbert-region-width", found=config.visual_embedding_dim, expected=checkpoint.region_width)
        )
    config.bypass_transformer = False  # regions go through every layer (Li et al. 2019)
    if checkpoint.random:
        return build_random(config), "random"
    loaded: Any = VisualBertModel.from_pretrained(source, config=config, attn_implementation="eager", **options)
    model, report = loaded
    require_weights(report, optional="pooler.")
    return model, "visualbert"


def build_random(config: VisualBertConfig) -> VisualBertModel:
    """Build a VisualBERT with random weights; region embeddings equal those of words."""
    config._attn_implementation = "eager"
    model = VisualBertModel(config)
    copy_embeddings(model)
    return model


@torch.no_grad()
def copy_embeddings(model: VisualBertModel) -> None:
    """Copy the position and type embeddings of words to those of regions.

    Source: Li et al. 2019.
    """
    embeddings = model.embeddings
    embeddings.visual_position_embeddings.weight.copy_(embeddings.position_embeddings.weight)
    embeddings.visual_token_type_embeddings.weight.copy_(embeddings.token_type_embeddings.weight)


def _config_from_bert(config: BertConfig, region_width: int) -> VisualBertConfig:
    shared: dict[str, Any] = {name: getattr(config, name) for name in SHARED}
    return VisualBertConfig(**shared, visual_embedding_dim=region_width)


def _copy_bert(model: VisualBertModel, bert: torch.nn.Module, report: dict[str, Any]) -> None:
    """Copy the weights of a plain BERT; new weights stay as `build_random` initialized them."""
    require_weights(report, optional="pooler.")
    missing = model.load_state_dict(bert.state_dict(), strict=False).missing_keys
    names = [name for name in missing if not name.startswith((NEW_IN_VISUALBERT, "pooler."))]
    if names:
        raise ValueError(Message("visualbert-weights-incomplete", names=names[:3]))
    copy_embeddings(model)
