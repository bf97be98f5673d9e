"""CLIP's layers, run one by one next to those of a text encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig
from transformers.masking_utils import create_bidirectional_mask

from hvpkit.errors import ComponentError
from hvpkit.interfaces import FusionContext, Prefix, TextEncoder, Visual, VisualBackbone, cell_width
from hvpkit.model.text.prefix_attention import merge_heads

from .checkpoint import build_vision_model, load_vision_model, vision_parts

NUM_LARGE = 3  # crops of the first size, where a backbone has two


class VisionLayers(nn.Module):
    """Class token, positions and layers of a CLIP, for tokens of a backbone.

    The tokens of a backbone with another width than the layers pass through a new linear map. Of a backbone with two
    levels of tokens, the first three regions are read at the first level and the others at the second.

    Args:
        context: Text encoder and backbone.
        fusion: Name of the fusion, for errors.
        clip: Hub id or local folder of a CLIP; None: new layers of the text encoder's sizes.
        all_levels: Read the channels of all levels of a pyramid of maps, not of the last one alone.

    Attributes:
        is_random: Whether the layers have no pretrained weights.
        token_cells: Cell v*P + p of image region v that each token belongs to, [S].

    Raises:
        ComponentError: "clip-sizes-differ" if the layers do not fit the text encoder.
        ModelFolderError: The CLIP is not found or cannot be loaded.

    Source: zjunlp/MKGformer, zjunlp/DeepKE; own: new layers, and other backbones.
    """

    def __init__(
        self, context: FusionContext, backbone: VisualBackbone, fusion: str, clip: str | None, all_levels: bool
    ) -> None:
        super().__init__()
        self.is_random, self.all_levels = clip is None, all_levels
        model = _load_model(context, fusion, clip)
        parts: Any = vision_parts(model)
        self.config: CLIPVisionConfig = model.config
        width, channels = self.config.hidden_size, cell_width(backbone.levels, all_levels)
        num_regions = int(context.full_image) + context.max_objects
        cells = [level.cells for level in backbone.levels if level.cells is not None]
        self.num_large = min(NUM_LARGE, num_regions) if len(cells) == len(backbone.levels) == 2 else None
        if self.num_large is not None:
            channels = cell_width(backbone.levels)
        sizes = _tokens_by_region(cells, context.cells, self.num_large, num_regions)
        self.num_cells, self.token_cells = num_regions * context.cells, _token_cells(sizes, context.cells)
        self.adapt = nn.Identity() if channels == width else nn.Linear(channels, width)
        self.class_embedding: nn.Parameter = parts.embeddings.class_embedding
        self.positions = nn.Embedding(sum(sizes), width)
        self.norm, self.layers = parts.pre_layrnorm, parts.encoder.layers
        for layer in self.layers:
            layer.self_attn.hvp_layer = 0  # the one layer of a prefix for this layer

    def tokens(self, visual: Visual) -> tuple[Tensor, Tensor]:
        """Embed the image regions of a batch.

        Args:
            visual: Image features.

        Returns:
            Class token and tokens of the regions after the first norm [B, 1+S, d]; which of them exist [B, 1+S] bool,
            the class token if any region does.
        """
        cells, exists = self._cells(visual)  # [B, S, C], [B, S]
        tokens = self.adapt(cells) + self.positions.weight
        class_token = self.class_embedding.expand(len(tokens), 1, -1).to(tokens.dtype)
        exists = torch.cat([exists.any(1, keepdim=True), exists], dim=1)
        states: Tensor = self.norm(torch.cat([class_token, tokens], dim=1))
        return states, exists

    def _cells(self, visual: Visual) -> tuple[Tensor, Tensor]:
        if self.num_large is None:
            return visual.cells(self.all_levels)
        large, small = visual.levels[0][:, : self.num_large], visual.levels[1][:, self.num_large :]
        cells = [level.transpose(2, 3).flatten(1, 2) for level in (large, small)]
        masks = visual.mask[:, : self.num_large], visual.mask[:, self.num_large :]
        exists = [mask.repeat_interleave(level.shape[3], 1) for mask, level in zip(masks, (large, small), strict=True)]
        return torch.cat(cells, dim=1), torch.cat(exists, dim=1)

    def attention_mask(self, states: Tensor, exists: Tensor) -> Tensor | None:
        """Build the attention mask of tokens that exist; in a row without any, all are visible."""
        visible = exists | ~exists.any(1, keepdim=True)
        mask: Tensor | None = create_bidirectional_mask(self.config, states, visible.long())
        return mask

    def fold(self, attention: Tensor) -> Tensor:
        """Sum attention by grid cell of the image regions, for a trace.

        The class token stands for all regions and is left out.

        Args:
            attention: Attention weights of the text to class token and tokens [B, H, T, 1+S].

        Returns:
            Attention [B, H, T, V*P].
        """
        by_cell = attention.new_zeros(*attention.shape[:-1], self.num_cells)
        index = self.token_cells.to(attention.device).expand(*attention.shape[:-1], -1)
        return by_cell.scatter_add_(-1, index, attention[..., 1:])

    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of a pretrained CLIP; none of new layers."""
        if not self.is_random:
            yield self.class_embedding
            yield from self.norm.parameters()
            yield from self.layers.parameters()

    def save(self, folder: Path) -> None:
        """Write the configuration, from which the layers are built again."""
        self.config.save_pretrained(folder)


class VisionStream:
    """States of the vision layers in one forward pass.

    Args:
        vision: The layers.
        visual: Image features.

    Attributes:
        states: States after the last layer that ran, [B, 1+S, d].
        exists: Tokens that exist, [B, 1+S] bool.
    """

    def __init__(self, vision: VisionLayers, visual: Visual) -> None:
        self.vision = vision
        self.states, self.exists = vision.tokens(visual)
        self.mask = vision.attention_mask(self.states, self.exists)

    def run_layer(self, number: int, text: tuple[Tensor, Tensor] | None, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Run one layer, whose attention also sees keys and values of the text.

        Args:
            number: Index of the layer.
            text: Keys and values [B, T, d] of the text; None: no text.
            visible: Positions of the text that are seen, [B, T] bool.

        Returns:
            Keys and values [B, 1+S, d] of the vision layer itself.
        """
        keys, values = text if text is not None else (self.states[:, :0], self.states[:, :0])
        prefix = _TextPrefix(keys, values, visible if text is not None else visible[:, :0])
        self.states = self.vision.layers[number](self.states, self.mask, hvp_prefix=prefix)
        assert prefix.seen is not None
        return prefix.seen

    def keys_values(self, number: int) -> tuple[Tensor, Tensor]:
        """Compute the keys and values [B, 1+S, d] of a layer without running it."""
        layer: Any = self.vision.layers[number]
        normed = layer.layer_norm1(self.states)
        return layer.self_attn.k_proj(normed), layer.self_attn.v_proj(normed)


class _TextPrefix(Prefix):
    """Keys and values of the text for one vision layer; remembers the layer's own."""

    def __init__(self, keys: Tensor, values: Tensor, mask: Tensor) -> None:
        super().__init__((keys,), (values,), mask)
        self.seen: tuple[Tensor, Tensor] | None = None

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        self.seen = merge_heads(text_keys), merge_heads(text_values)
        return super().for_layer(layer, text_keys, text_values)


def _load_model(context: FusionContext, fusion: str, clip: str | None) -> Any:  # noqa: ANN401 - transformers' classes
    text = context.text
    if context.folder is not None:
        model = build_vision_model(CLIPVisionConfig.from_pretrained(context.folder))
    elif clip is None:
        model = build_vision_model(_config_like(text))
    else:
        model = load_vision_model(clip, "vision layers", "fusion.clip")
    config = model.config
    found = [config.hidden_size, config.num_hidden_layers, config.num_attention_heads]
    expected = [text.width, text.num_layers, text.num_attention_heads]
    if found != expected:
        raise ComponentError("clip-sizes-differ", fusion=fusion, found=found, expected=expected)
    return model


def _config_like(text: TextEncoder) -> CLIPVisionConfig:
    """Build a configuration of the text encoder's sizes; patches and image size belong to modules that are not used."""
    return CLIPVisionConfig(
        hidden_size=text.width,
        num_hidden_layers=text.num_layers,
        num_attention_heads=text.num_attention_heads,
        intermediate_size=4 * text.width,
    )


def _tokens_by_region(cells: list[int], pooled: int, num_large: int | None, num_regions: int) -> list[int]:
    """Return the number of tokens of each image region."""
    if num_large is not None:
        return [cells[0]] * num_large + [cells[1]] * (num_regions - num_large)
    return [cells[-1] if cells else pooled] * num_regions


def _token_cells(sizes: list[int], cells: int) -> Tensor:
    """Return the cell v*P + p of each token, where square grids of tokens are read by rows, [S]."""
    grid = round(cells**0.5)
    by_token = []
    for region, size in enumerate(sizes):
        side = round(size**0.5)
        for token in range(size):
            if side * side == size and grid * grid == cells:
                cell = (token // side) * grid // side * grid + (token % side) * grid // side
            else:
                cell = token * cells // size
            by_token.append(region * cells + cell)
    return torch.tensor(by_token)
