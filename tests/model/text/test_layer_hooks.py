"""Prefixes that run between the layers of an encoder: what is added, what is kept, and who shares it."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from raising import raises
from small_models import save_encoder
from torch import Tensor

from hvpkit.errors import ComponentError
from hvpkit.interfaces import Prefix, TextBatch, TextContext, TextEncoder
from hvpkit.registry import load_registry
from hvpkit.testing.inputs import EXAMPLES, encode, text_batch

hugging_face = load_registry().get("text encoder", "hugging-face").factory


class Adding(Prefix):
    """Adds a number to the inner values of one layer."""

    def __init__(self, encoder: TextEncoder, text: TextBatch, layer: int, added: float) -> None:
        super().__init__((), (), text.mask[:, :0])
        self.empty, self.layer = torch.zeros(len(text.mask), 0, encoder.width), layer
        self.added = torch.full((*text.mask.shape, encoder.feed_forward_width), added)

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        return self.empty, self.empty

    def feed_forward_input(self, layer: int) -> Tensor | None:
        return self.added if layer == self.layer else None


def system_of(folder, kind="bert"):
    encoder = hugging_face(TextContext("mner"), name=str(save_encoder(folder, kind))).eval()
    encoder.enable_layers()
    return encoder, text_batch(encoder, encode(encoder, EXAMPLES["mner"]))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bert", "modernbert", "distilbert"])
def test_what_is_added_has_the_effect_of_a_bias_before_the_activation(kind, tmp_path):
    encoder, text = system_of(tmp_path, kind)
    encoder.enable_layers()  # hooks are added once
    added = encoder(text, prefix=Adding(encoder, text, 1, 0.3)).states
    linear = next(
        module
        for name, module in encoder.model.named_modules()
        if name.endswith(("layer.1.intermediate.dense", "layer.1.ffn.lin1", "layers.1.mlp.Wi"))
    )
    assert not torch.allclose(added, encoder(text).states, atol=1e-4)
    bias = torch.zeros(linear.out_features)
    bias[: encoder.feed_forward_width] = 0.3
    linear.register_forward_hook(lambda module, inputs, output: output + bias)
    torch.testing.assert_close(encoder(text).states, added, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_prefix_is_not_kept_after_its_forward_pass(tmp_path):
    encoder, text = system_of(tmp_path)
    prefix = Adding(encoder, text, 0, 1.0)
    gone = weakref.ref(prefix.added)
    encoder(text, prefix=prefix)
    del prefix
    gc.collect()
    assert gone() is None


@torch.no_grad()
def test_threads_do_not_share_a_prefix(tmp_path):
    encoder, text = system_of(tmp_path)
    amounts = [0.1 * number for number in range(12)]

    def run(added: float) -> Tensor:
        with torch.no_grad():
            return encoder(text, prefix=Adding(encoder, text, 1, added)).states

    alone = [run(added) for added in amounts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, amounts))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["mpnet", "gpt2"])
def test_an_encoder_without_prefix_is_refused(kind, tmp_path):
    encoder = hugging_face(TextContext("mner"), name=str(save_encoder(tmp_path, kind)))
    with raises(ComponentError, "layers-unsupported", encoder=kind):
        encoder.enable_layers()
