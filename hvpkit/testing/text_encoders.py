"""The contract of text encoders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvpkit.errors import ComponentError, DataError
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, Trace
from hvpkit.messages import Message
from hvpkit.testing.assertions import (
    build_checked,
    check_gradients,
    check_state,
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
        encoder = build_checked(factory, TextContext(task, examples), **options).eval()
        encoded = encode(encoder, examples)
        for example, one in zip(examples, encoded, strict=True):
            _check_encoded(one, example, POSITIONS)
            require(_equal(one, encoder.encode(example, POSITIONS)), Message("encoding-not-deterministic"))
        _check_cutting(encoder, task)
        text = text_batch(encoder, encoded)
        _check_states(encoder, encoded, text)
        if prefix:
            encoder.enable_prefix()
            _check_prefix(encoder, text)
        else:
            require_raises(ComponentError, encoder.enable_prefix, Message("undeclared-prefix"))
        _check_vocabularies(encoder)
        with tempfile.TemporaryDirectory() as folder:
            encoder.save(Path(folder))
            saved = TextContext(task, folder=Path(folder))
            again = encode(factory(saved, **options), examples)
            require(all(map(_equal, again, encoded)), Message("saved-encoder-differs"))
            check_state(encoder, lambda: factory(saved, **options), lambda module: [module(text).states])
        check_gradients(encoder, lambda module: [module(text).states])


def _check_vocabularies(encoder: TextEncoder) -> None:
    parameters = dict(encoder.named_parameters())
    for name, rows in encoder.vocabularies().items():
        require(name in parameters, Message("vocabulary-without-parameter", name=name))
        size = Message("vocabulary-size", found=len(rows), name=name, expected=len(parameters[name]))
        require(len(rows) == len(parameters[name]), size)


def _check_encoded(one: EncodedText, example: Example, most: int) -> None:
    lengths = {name: len(feature) for name, feature in one.features.items()} | {"word_of": len(one.word_of)}
    positions = len(one.word_of)
    require(set(lengths.values()) == {positions}, Message("feature-lengths", lengths=lengths))
    require(positions <= most, Message("too-many-positions", found=positions, maximum=most))
    kept, words = len(one.word_starts), len(example.words)
    require(kept >= 1 and kept + one.words_cut == words, Message("lost-words", kept=kept, cut=one.words_cut, words=words))
    first = [one.word_of.tolist().index(word) if word in one.word_of else -1 for word in range(kept)]
    starts = one.word_starts.tolist()
    require(starts == first, Message("wrong-word-starts", found=starts, expected=first))
    require(int(one.word_of.max()) < kept and int(one.word_of.min()) >= -1, Message("wrong-word-of"))
    if example.head is None or example.tail is None:
        require(one.head_position is None and one.tail_position is None, Message("positions-without-pair"))
        return
    for span, start in ((example.head, one.head_position), (example.tail, one.tail_position)):
        require(one.first_word <= span.start and span.end <= one.first_word + kept, Message("pair-cut"))
        require(start is not None and 0 <= start < positions, Message("pair-without-position"))


def _check_cutting(encoder: TextEncoder, task: Task) -> None:
    long = Example("long", LONG)
    if task == "mre":
        apart = replace(long, head=Span(0, 1), tail=Span(79, 80))
        require_raises(DataError, lambda: encoder.encode(apart, FEW), Message("long-pair-accepted"))
        long = replace(long, head=Span(41, 42), tail=Span(40, 41))
    one = encoder.encode(long, FEW)
    _check_encoded(one, long, FEW)
    require(one.words_cut > 0, Message("long-text-uncut", words=len(LONG), maximum=FEW))


def _check_states(encoder: TextEncoder, encoded: Sequence[EncodedText], text: TextBatch) -> None:
    read = encoder(text)
    require_shape("states", read.states, (*text.mask.shape, encoder.width))
    if read.pooled is not None:
        require_shape("pooled", read.pooled, (len(encoded), encoder.width))
    for row, one in enumerate(encoded):
        alone = encoder(text_batch(encoder, [one]))
        require_close(
            alone.states[0],
            read.states[row, : len(one.word_of)],
            lambda off: Message("batch-changes-output", output="a text's states", difference=off),
        )
        if read.pooled is not None:
            require_close(
                alone.pooled[0],
                read.pooled[row],
                lambda off: Message("batch-changes-output", output="a text's pooled state", difference=off),
            )
    require_equal([encoder(text, trace=Trace()).states], [read.states], Message("trace-changes-output", output="states"))


def _check_prefix(encoder: TextEncoder, text: TextBatch) -> None:
    keys = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.num_layers)]
    values = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.num_layers)]
    mask = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])
    plain, trace = encoder(text).states, Trace()
    seen = encoder(text, prefix=Prefix(keys, values, mask), trace=trace).states
    require_shape("states with a prefix", seen, tuple(plain.shape))
    require_close(seen[2], plain[2], lambda off: Message("masked-prefix-counts", difference=off))
    moved = all(float((seen - plain)[row].detach().abs().max()) > 1e-4 for row in (0, 1))
    require(moved, Message("prefix-ignored"))
    noise = [torch.where(mask[..., None], tensor, torch.randn_like(tensor)) for tensor in (*keys, *values)]
    hidden = Prefix(noise[: encoder.num_layers], noise[encoder.num_layers :], mask)
    require_close(encoder(text, prefix=hidden).states, seen, lambda off: Message("masked-position-counts", difference=off))
    gradients = torch.autograd.grad((seen[text.mask] * torch.rand_like(seen[text.mask])).sum(), [*keys, *values])
    require(all(bool(gradient.any()) for gradient in gradients), Message("prefix-without-gradient"))
    _check_attention(trace.attention, encoder, text)


def _check_attention(attention: Sequence[Tensor], encoder: TextEncoder, text: TextBatch) -> None:
    require(len(attention) == encoder.num_layers, Message("attention-count", layers=encoder.num_layers, found=len(attention)))
    rows, positions = text.mask.shape
    for one in attention:
        require_shape("an attention map", one, (rows, encoder.num_attention_heads, positions, 5 + positions))
        sums = one.sum(-1).transpose(1, 2)[text.mask]
        ones = torch.ones_like(sums)
        require_close(sums, ones, lambda off: Message("sum-not-one", output="a row of an attention map", difference=off))
        require(not bool(one[2, ..., :5].any()), Message("masked-prefix-attended"))


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
