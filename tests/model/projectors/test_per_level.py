from __future__ import annotations

import torch
from torch import nn

from hvpkit.interfaces import ImageBatch, PrefixConfig, Visual
from hvpkit.registry import load_registry

CHANNELS, GRID, WIDTH = (3, 5, 8), 2, 6


def test_each_level_has_its_own_1x1_convolution():
    torch.manual_seed(0)
    projector = load_registry().build("projector", "per-level", PrefixConfig(CHANNELS, GRID**2, WIDTH, 4), {})
    mask = torch.tensor([[True, False], [True, True]])
    visual = Visual(
        tuple(torch.randn(2, 2, channels, GRID**2) for channels in CHANNELS), ImageBatch(mask, torch.zeros(2, 2, 4))
    )
    levels = projector(visual)
    assert levels.shape == (2, 2, len(CHANNELS), GRID**2, WIDTH)
    for i, (channels, linear) in enumerate(zip(CHANNELS, projector.maps, strict=True)):
        convolution = nn.Conv2d(channels, WIDTH, 1)
        convolution.load_state_dict({"weight": linear.weight[..., None, None], "bias": linear.bias})
        maps = convolution(visual.levels[i].view(4, channels, GRID, GRID))  # [B*V, d, h, w]
        torch.testing.assert_close(levels[:, :, i], maps.flatten(2).transpose(1, 2).view(2, 2, GRID**2, WIDTH))


def test_its_width_is_the_text_s():
    assert load_registry().build("projector", "per-level", PrefixConfig(CHANNELS, 4, WIDTH, 4), {}).width == WIDTH
