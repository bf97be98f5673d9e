"""Load the vision model of a CLIP."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, CLIPConfig, CLIPVisionConfig, CLIPVisionModel

from hvpkit.messages import Message
from hvpkit.model.text.prefix_attention import PREFIX_ATTENTION
from hvpkit.utils.hub import load_pretrained, require_weights


def load_vision_model(name: str, what: str, option: str, *, random: bool = False) -> CLIPVisionModel:
    """Load the vision model of a CLIP, with attention that takes a prefix.

    Args:
        name: Hub id or local folder of a CLIP, or of its vision model or configuration alone.
        what: Kind of object, for errors.
        option: Recipe key, for errors.
        random: Use random weights.

    Raises:
        ModelFolderError: It is not found or cannot be loaded.
    """
    return load_pretrained(name, what, option, lambda source, local: _load(source, local, random))


def build_vision_model(config: CLIPVisionConfig) -> CLIPVisionModel:
    """Build a vision model with random weights and with attention that takes a prefix."""
    config._attn_implementation = PREFIX_ATTENTION
    return CLIPVisionModel(config)


def vision_parts(model: CLIPVisionModel) -> Any:  # noqa: ANN401 - the modules are attributes of different classes
    """Return the module that has `embeddings`, `pre_layrnorm` and `encoder`; early versions of transformers nest it."""
    return getattr(model, "vision_model", model)


def _load(source: str, local: bool, random: bool) -> CLIPVisionModel:
    config = AutoConfig.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    vision_config = config.vision_config if isinstance(config, CLIPConfig) else config
    if not isinstance(vision_config, CLIPVisionConfig):
        raise ValueError(Message("clip-other-model", type=config.model_type))
    if random:
        return build_vision_model(vision_config)
    options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    options |= {"local_files_only": local, "attn_implementation": PREFIX_ATTENTION, "config": vision_config}
    loaded: Any = CLIPVisionModel.from_pretrained(source, **options)
    model, report = loaded
    require_weights(report, optional="position_ids")
    vision_model: CLIPVisionModel = model
    return vision_model
