"""The contract of text encoders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvpkit.contracts import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, Trace
from hvpkit.errors import ComponentError, DataError
from hvpkit.testing.assertions import (
    check_gradients,
    check_state,
    made,
    require,
    require_close,
    require_equal,
    require_raises,
    require_shape,
    seeded,
)
from hvpkit.testing.inputs import EXAMPLES, encode, text_batch
from hvpkit.types import Example, Span, Task

POSITIONS, FEW = 64, 16
LONG = tuple(f"word{i}" for i in range(80))


def check_text_encoder(
    factory: Callable[..., TextEncoder],
    *,
    task: Task = "mner",
    prefix: bool = False,
    **options: Any,  # noqa: ANN401 - its own
) -> None:
    """Check a text encoder, with `prefix` one that takes a visual prefix.

    Every word has a position; long texts are cut, for relations around both entities; padding and other rows change nothing; gradients,
    determinism, and what it saves. A prefix moves the states unless it is masked; an encoder without one refuses it. Raises
    AssertionError for what is broken.
    """
    with seeded():
        examples = EXAMPLES[task]
        encoder = made(factory, TextContext(task, examples), **options).eval()
        encoded = encode(encoder, examples)
        for example, one in zip(examples, encoded, strict=True):
            _check_encoded(one, example, POSITIONS)
            require(_equal(one, encoder.encode(example, POSITIONS)), "it encodes the same example otherwise the second time")
        _check_cutting(encoder, task)
        text = text_batch(encoder, encoded)
        _check_states(encoder, encoded, text)
        if prefix:
            encoder.accept_prefix()
            _check_prefix(encoder, text)
        else:
            require_raises(ComponentError, encoder.accept_prefix, "it accepts a prefix, though it was not said to take one")
        _check_vocabularies(encoder)
        with tempfile.TemporaryDirectory() as folder:
            encoder.save(Path(folder))
            saved = TextContext(task, folder=Path(folder))
            again = encode(factory(saved, **options), examples)
            require(all(map(_equal, again, encoded)), "opened from the folder that it wrote, it encodes otherwise")
            check_state(encoder, lambda: factory(saved, **options), lambda module: [module(text).states])
        check_gradients(encoder, lambda module: [module(text).states])


def _check_vocabularies(encoder: TextEncoder) -> None:
    parameters = dict(encoder.named_parameters())
    for name, rows in encoder.vocabularies().items():
        require(name in parameters, f"vocabularies names {name}, which is no parameter of it")
        require(len(rows) == len(parameters[name]), f"vocabularies names {len(rows)} rows of {name}, which has {len(parameters[name])}")


def _check_encoded(one: EncodedText, example: Example, most: int) -> None:
    lengths = {name: len(feature) for name, feature in one.features.items()} | {"word_of": len(one.word_of)}
    positions = len(one.word_of)
    require(set(lengths.values()) == {positions}, f"features and word_of differ in length: {lengths}")
    require(positions <= most, f"it uses {positions} positions, of {most} at most")
    kept, words = len(one.word_starts), len(example.words)
    require(kept >= 1 and kept + one.words_cut == words, f"{kept} words kept and {one.words_cut} cut are not {words}")
    first = [one.word_of.tolist().index(word) if word in one.word_of else -1 for word in range(kept)]
    require(one.word_starts.tolist() == first, f"word_starts {one.word_starts.tolist()} are not the words' first positions {first}")
    require(int(one.word_of.max()) < kept and int(one.word_of.min()) >= -1, "word_of names a word that was not kept")
    if example.head is None or example.tail is None:
        require(one.head_start is None and one.tail_start is None, "an example without a pair has positions for one")
        return
    for span, start in ((example.head, one.head_start), (example.tail, one.tail_start)):
        require(one.first_word <= span.start and span.end <= one.first_word + kept, "an entity of the pair was cut away")
        require(start is not None and 0 <= start < positions, "an entity of the pair has no position of its own")


def _check_cutting(encoder: TextEncoder, task: Task) -> None:
    long = Example("long", LONG)
    if task == "mre":
        apart = replace(long, head=Span(0, 1), tail=Span(79, 80))
        require_raises(DataError, lambda: encoder.encode(apart, FEW), "a pair that does not fit is not refused with DataError")
        long = replace(long, head=Span(41, 42), tail=Span(40, 41))
    one = encoder.encode(long, FEW)
    _check_encoded(one, long, FEW)
    require(one.words_cut > 0, "a text of 80 words was not cut to 16 positions")


def _check_states(encoder: TextEncoder, encoded: Sequence[EncodedText], text: TextBatch) -> None:
    read = encoder(text)
    require_shape("states", read.states, (*text.mask.shape, encoder.width))
    if read.pooled is not None:
        require_shape("pooled", read.pooled, (len(encoded), encoder.width))
    for row, one in enumerate(encoded):
        alone = encoder(text_batch(encoder, [one]))
        require_close("a text's states alone and in a padded batch", alone.states[0], read.states[row, : len(one.word_of)])
        if read.pooled is not None:
            require_close("a text's pooled state alone and in a padded batch", alone.pooled[0], read.pooled[row])
    require_equal("states with and without a trace", [encoder(text, trace=Trace()).states], [read.states])


def _check_prefix(encoder: TextEncoder, text: TextBatch) -> None:
    keys = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.layers)]
    values = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.layers)]
    mask = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])
    plain, trace = encoder(text).states, Trace()
    seen = encoder(text, prefix=Prefix(keys, values, mask), trace=trace).states
    require_shape("states with a prefix", seen, tuple(plain.shape))
    require_close("states with a masked prefix and without one", seen[2], plain[2])
    require(all(float((seen - plain)[row].detach().abs().max()) > 1e-4 for row in (0, 1)), "a prefix does not move the states")
    noise = [torch.where(mask[..., None], tensor, torch.randn_like(tensor)) for tensor in (*keys, *values)]
    hidden = Prefix(noise[: encoder.layers], noise[encoder.layers :], mask)
    require_close("states before and after masked positions of a prefix change", encoder(text, prefix=hidden).states, seen)
    gradients = torch.autograd.grad((seen[text.mask] * torch.rand_like(seen[text.mask])).sum(), [*keys, *values])
    require(all(bool(gradient.any()) for gradient in gradients), "no gradient reaches the prefix of some layer")
    _check_attention(trace.attention, encoder, text)


def _check_attention(attention: Sequence[Tensor], encoder: TextEncoder, text: TextBatch) -> None:
    require(len(attention) == encoder.layers, f"a trace of {encoder.layers} layers holds {len(attention)} attention maps")
    rows, positions = text.mask.shape
    for one in attention:
        require_shape("an attention map", one, (rows, encoder.heads, positions, 5 + positions))
        sums = one.sum(-1).transpose(1, 2)[text.mask]
        require_close("a row of an attention map added up, and 1,", sums, torch.ones_like(sums))
        require(not bool(one[2, ..., :5].any()), "a masked prefix gets attention")


def _equal(first: EncodedText, second: EncodedText) -> bool:
    """Compare all that two encodings hold."""
    tensors = {field.name for field in fields(EncodedText) if isinstance(getattr(first, field.name), Tensor)}
    plain = {field.name for field in fields(EncodedText)} - tensors - {"features"}
    return (
        first.features.keys() == second.features.keys()
        and all(torch.equal(value, second.features[name]) for name, value in first.features.items())
        and all(torch.equal(getattr(first, name), getattr(second, name)) for name in tensors)
        and all(getattr(first, name) == getattr(second, name) for name in plain)
    )
