"""Contract check for text encoders."""

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

MAX_LENGTH, SHORT_LENGTH = 64, 16
LONG_TEXT = tuple(f"word{i}" for i in range(80))


def check_text_encoder(
    factory: Callable[..., TextEncoder],
    *,
    task: Task = "mner",
    prefix: bool = False,
    layers: bool = False,
    **options: Any,  # noqa: ANN401
) -> None:
    """Check a text encoder.

    Every word has a position; long texts are truncated, for relations around both entities; the states depend neither
    on padding nor on the batch; it has gradients, is deterministic, and is restored from its saved files. A visual
    prefix changes the states unless it is masked; an encoder that takes none raises ComponentError. All methods of a
    prefix are called in every layer, if the encoder provides "layers".

    Args:
        factory: Factory of the text encoder.
        task: Task of the encoder.
        prefix: Whether the encoder takes a visual prefix.
        layers: Whether it provides "layers".
        options: Options of the factory.

    Raises:
        CheckFailed: If a check fails.
    """
    with seeded():
        examples = EXAMPLES[task]
        encoder = build_checked(factory, TextContext(task, examples), **options).eval()
        encoded = encode(encoder, examples)
        for example, one in zip(examples, encoded, strict=True):
            _check_encoded(one, example, MAX_LENGTH)
            require(_equal(one, encoder.encode(example, MAX_LENGTH)), Message("encoding-not-deterministic"))
        _check_truncation(encoder, task)
        text = text_batch(encoder, encoded)
        _check_states(encoder, encoded, text)
        if prefix:
            encoder.enable_prefix()
            _check_prefix(encoder, text)
        else:
            require_raises(ComponentError, encoder.enable_prefix, Message("undeclared-prefix"))
        if layers:
            encoder.enable_layers()
            _check_layers(encoder, text)
        else:
            require_raises(ComponentError, encoder.enable_layers, Message("undeclared-layers"))
        _check_vocabularies(encoder)
        with tempfile.TemporaryDirectory() as folder:
            encoder.save(Path(folder))
            saved = TextContext(task, folder=Path(folder))
            restored = encode(factory(saved, **options), examples)
            require(all(map(_equal, restored, encoded)), Message("saved-encoder-differs"))
            check_state(encoder, lambda: factory(saved, **options), lambda module: [module(text).states])
        check_gradients(encoder, lambda module: [module(text).states])


def _check_vocabularies(encoder: TextEncoder) -> None:
    parameters = dict(encoder.named_parameters())
    for name, rows in encoder.vocabularies().items():
        require(name in parameters, Message("vocabulary-without-parameter", name=name))
        size = Message("vocabulary-size", found=len(rows), name=name, expected=len(parameters[name]))
        require(len(rows) == len(parameters[name]), size)


def _check_encoded(one: EncodedText, example: Example, max_length: int) -> None:
    lengths = {name: len(feature) for name, feature in one.features.items()} | {"word_ids": len(one.word_ids)}
    positions = len(one.word_ids)
    require(set(lengths.values()) == {positions}, Message("feature-lengths", lengths=lengths))
    require(positions <= max_length, Message("too-many-positions", found=positions, maximum=max_length))
    kept, words = len(one.word_starts), len(example.words)
    require(
        kept >= 1 and kept + one.num_truncated_words == words,
        Message("lost-words", kept=kept, cut=one.num_truncated_words, words=words),
    )
    first = [one.word_ids.tolist().index(word) if word in one.word_ids else -1 for word in range(kept)]
    starts = one.word_starts.tolist()
    require(starts == first, Message("wrong-word-starts", found=starts, expected=first))
    require(int(one.word_ids.max()) < kept and int(one.word_ids.min()) >= -1, Message("wrong-word-of"))
    if example.head is None or example.tail is None:
        require(one.head_position is None and one.tail_position is None, Message("positions-without-pair"))
        return
    for span, start in ((example.head, one.head_position), (example.tail, one.tail_position)):
        require(one.first_word <= span.start and span.end <= one.first_word + kept, Message("pair-cut"))
        require(start is not None and 0 <= start < positions, Message("pair-without-position"))


def _check_truncation(encoder: TextEncoder, task: Task) -> None:
    long = Example("long", LONG_TEXT)
    if task == "mre":
        apart = replace(long, head=Span(0, 1), tail=Span(79, 80))
        require_raises(DataError, lambda: encoder.encode(apart, SHORT_LENGTH), Message("long-pair-accepted"))
        long = replace(long, head=Span(41, 42), tail=Span(40, 41))
    one = encoder.encode(long, SHORT_LENGTH)
    _check_encoded(one, long, SHORT_LENGTH)
    require(one.num_truncated_words > 0, Message("long-text-uncut", words=len(LONG_TEXT), maximum=SHORT_LENGTH))


def _check_states(encoder: TextEncoder, encoded: Sequence[EncodedText], text: TextBatch) -> None:
    output = encoder(text)
    require_shape("states", output.states, (*text.mask.shape, encoder.width))
    if output.pooled is not None:
        require_shape("pooled", output.pooled, (len(encoded), encoder.width))
    for row, one in enumerate(encoded):
        alone = encoder(text_batch(encoder, [one]))
        require_close(
            alone.states[0],
            output.states[row, : len(one.word_ids)],
            lambda difference: Message("batch-changes-output", output="a text's states", difference=difference),
        )
        if output.pooled is not None:
            require_close(
                alone.pooled[0],
                output.pooled[row],
                lambda difference: Message(
                    "batch-changes-output", output="a text's pooled state", difference=difference
                ),
            )
    require_equal(
        [encoder(text, trace=Trace()).states], [output.states], Message("trace-changes-output", output="states")
    )


def _check_prefix(encoder: TextEncoder, text: TextBatch) -> None:
    keys = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.num_layers)]
    values = [3 * torch.randn(3, 5, encoder.width, requires_grad=True) for _ in range(encoder.num_layers)]
    mask = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])
    plain, trace = encoder(text).states, Trace()
    with_prefix = encoder(text, prefix=Prefix(keys, values, mask), trace=trace).states
    require_shape("states with a prefix", with_prefix, tuple(plain.shape))
    require_close(with_prefix[2], plain[2], lambda difference: Message("masked-prefix-counts", difference=difference))
    has_effect = all(float((with_prefix - plain)[row].detach().abs().max()) > 1e-4 for row in (0, 1))
    require(has_effect, Message("prefix-ignored"))
    noise = [torch.where(mask[..., None], tensor, torch.randn_like(tensor)) for tensor in (*keys, *values)]
    changed = Prefix(noise[: encoder.num_layers], noise[encoder.num_layers :], mask)
    require_close(
        encoder(text, prefix=changed).states,
        with_prefix,
        lambda difference: Message("masked-position-counts", difference=difference),
    )
    gradients = torch.autograd.grad(
        (with_prefix[text.mask] * torch.rand_like(with_prefix[text.mask])).sum(), [*keys, *values]
    )
    require(all(bool(gradient.any()) for gradient in gradients), Message("prefix-without-gradient"))
    _check_attention(trace.attention, encoder, text)


class _RecordingPrefix(Prefix):
    """Empty prefix that records its calls and adds constant inner values.

    Args:
        encoder: The text encoder.
        text: The texts.
        added: Value that is added to all inner values.
    """

    def __init__(self, encoder: TextEncoder, text: TextBatch, added: float) -> None:
        super().__init__((), (), text.mask[:, :0])
        rows = text.mask.shape
        self.empty, self.calls = torch.zeros(rows[0], 0, encoder.width), list[tuple[str, int, tuple[int, ...]]]()
        self.added = torch.full((*rows, encoder.feed_forward_width), added)

    def enter_layer(self, layer: int, states: Tensor) -> None:
        self.calls.append(("enter_layer", layer, tuple(states.shape)))

    def for_layer(self, layer: int, text_keys: Tensor, text_values: Tensor) -> tuple[Tensor, Tensor]:
        self.calls.append(("for_layer", layer, ()))
        return self.empty, self.empty

    def receive_context(self, layer: int, context: Tensor) -> None:
        self.calls.append(("receive_context", layer, tuple(context.shape)))

    def feed_forward_input(self, layer: int) -> Tensor | None:
        self.calls.append(("feed_forward_input", layer, ()))
        return self.added


def _check_layers(encoder: TextEncoder, text: TextBatch) -> None:
    plain, shape = encoder(text).states, (*text.mask.shape, encoder.width)
    without, added = _RecordingPrefix(encoder, text, 0.0), _RecordingPrefix(encoder, text, 1.0)
    require_close(
        encoder(text, prefix=without).states,
        plain,
        lambda difference: Message("masked-prefix-counts", difference=difference),
    )
    calls = (("enter_layer", shape), ("for_layer", ()), ("receive_context", shape), ("feed_forward_input", ()))
    expected = [(name, layer, size) for layer in range(encoder.num_layers) for name, size in calls]
    require(without.calls == expected, Message("prefix-calls", found=[name for name, *_ in without.calls]))
    changed = encoder(text, prefix=added).states
    require(float((changed - plain).detach().abs().max()) > 1e-4, Message("feed-forward-input-ignored"))
    require_equal([encoder(text).states], [plain], Message("prefix-remembered"))


def _check_attention(attention: Sequence[Tensor], encoder: TextEncoder, text: TextBatch) -> None:
    require(
        len(attention) == encoder.num_layers,
        Message("attention-count", layers=encoder.num_layers, found=len(attention)),
    )
    rows, positions = text.mask.shape
    for attention_map in attention:
        require_shape("an attention map", attention_map, (rows, encoder.num_attention_heads, positions, 5 + positions))
        sums = attention_map.sum(-1).transpose(1, 2)[text.mask]
        ones = torch.ones_like(sums)
        require_close(
            sums,
            ones,
            lambda difference: Message("sum-not-one", output="a row of an attention map", difference=difference),
        )
        require(not bool(attention_map[2, ..., :5].any()), Message("masked-prefix-attended"))


def _equal(first: EncodedText, second: EncodedText) -> bool:
    """Compare all fields of two encodings."""
    tensors = {field.name for field in fields(EncodedText) if isinstance(getattr(first, field.name), Tensor)}
    plain = {field.name for field in fields(EncodedText)} - tensors - {"features"}
    return (
        first.features.keys() == second.features.keys()
        and all(torch.equal(value, second.features[name]) for name, value in first.features.items())
        and all(torch.equal(getattr(first, name), getattr(second, name)) for name in tensors)
        and all(getattr(first, name) == getattr(second, name) for name in plain)
    )
