from __future__ import annotations

import torch
from raising import raises

from hvpkit.batching import pad_texts
from hvpkit.errors import ComponentError
from hvpkit.interfaces import TextContext
from hvpkit.registry import load_registry
from hvpkit.types import Example, Span

EXAMPLES = [
    Example("1", ("yesterday", "Adele", "visits", "Oslo", "!"), head=Span(1, 2), tail=Span(3, 4)),
    Example("2", ("Jordan", "sleeps"), head=Span(0, 1), tail=Span(1, 2)),
]


def build(**options):
    examples = [
        Example("0", (*example.words, "Berta", "Carlo"), head=example.head, tail=example.tail) for example in EXAMPLES
    ]
    sizes = {"width": 16, "num_layers": 1, "num_attention_heads": 2}
    return load_registry().build("text encoder", "bert-from-scratch", TextContext("mre", examples * 5), sizes | options)


def hide(encoder):
    torch.manual_seed(0)
    batch = pad_texts([encoder.encode(example, 64) for example in EXAMPLES], encoder.pad_values())
    return batch, batch.features["input_ids"], encoder.hide.mask_ids(batch)


def test_replaced_names_keep_their_shape_and_other_words_stay():
    encoder = build(name_replacement=1.0, word_dropout=0.0)
    batch, before, after = hide(encoder)
    named = (batch.word_ids == 1) | (batch.word_ids == 3)
    named[1] = batch.word_ids[1] == 0
    assert torch.equal(after[~named], before[~named])
    assert not torch.equal(after[named], before[named])
    for old, new in zip(
        *(encoder.tokenizer.convert_ids_to_tokens(ids[named].tolist()) for ids in (before, after)), strict=True
    ):
        assert (old[0].isupper(), old.startswith("##")) == (new[0].isupper(), new.startswith("##"))


def test_masks_cover_whole_words_and_never_specials_or_markers():
    encoder = build(name_replacement=0.0, word_dropout=1.0)
    mask = encoder.tokenizer.mask_token_id
    seen: set[float] = set()
    for _ in range(50):
        batch = pad_texts([encoder.encode(example, 64) for example in EXAMPLES], encoder.pad_values())
        after = encoder.hide.mask_ids(batch)
        assert not (after == mask)[batch.word_ids < 0].any()
        words = [(after[0] == mask)[batch.word_ids[0] == word] for word in range(5)]
        assert all(is_masked.all() or not is_masked.any() for is_masked in words)
        seen.add(sum(bool(is_masked.any()) for is_masked in words) / 5)
    assert len(seen) > 3  # the share differs from sentence to sentence


def test_nothing_is_masked_by_default():
    _, before, after = hide(build(name_replacement=0.0, word_dropout=0.0))
    assert torch.equal(before, after)


def test_words_are_hidden_in_training_alone():
    encoder = build(name_replacement=1.0, word_dropout=1.0).eval()
    batch = pad_texts([encoder.encode(example, 64) for example in EXAMPLES], encoder.pad_values())
    assert torch.equal(encoder(batch).states, encoder(batch).states)


def test_heads_must_have_an_even_width():
    with raises(ComponentError, "width-not-divisible", encoder="bert-from-scratch", width=18, heads=6, multiple=12):
        build(width=18, num_attention_heads=6)
