"""Every kind of Hugging Face encoder that takes a prefix, opened from a folder as a user's would be.

And those that take none.
"""

from __future__ import annotations

import math

import pytest
import torch
from raising import raises
from small_models import POSITIONS, SENTENCES, WITH_PREFIX, WITHOUT_PREFIX
from torch import Tensor, nn
from transformers import AttentionInterface, AutoModel

from hvpkit.batching import pad_texts
from hvpkit.errors import ComponentError
from hvpkit.interfaces import Prefix, TextContext
from hvpkit.model.text import prefix_attention as ours
from hvpkit.model.text.input_layout import MARKERS
from hvpkit.registry import load_registry
from hvpkit.testing import check_text_encoder
from hvpkit.types import Example, Span

hugging_face = load_registry().get("text encoder", "hugging-face").factory
KINDS = sorted(WITH_PREFIX)
BYTES = {"roberta": "Ġ", "modernbert": "Ġ"}
BLOCKS = {"xlm-roberta": "▁", "camembert": "▁"}
LIMITS = {
    "roberta": POSITIONS - 2,
    "xlm-roberta": POSITIONS - 2,
    "camembert": POSITIONS - 2,
}  # their tables begin after the padding


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_contract(kind, task, encoder_folder):
    check_text_encoder(hugging_face, task=task, prefix=True, layers=True, name=str(encoder_folder(kind)))


@pytest.mark.parametrize("kind", sorted(WITHOUT_PREFIX))
def test_encoder_that_ignores_a_prefix_is_refused(kind, encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind)))
    with raises(ComponentError, "prefix-unsupported", encoder=kind):
        encoder.enable_prefix()


@pytest.mark.parametrize(
    "kind", sorted({*WITHOUT_PREFIX} - {"roformer"})
)  # whose sinusoids are weights that nothing trains
def test_without_a_prefix_it_keeps_the_contract(kind, encoder_folder):
    check_text_encoder(hugging_face, prefix=False, name=str(encoder_folder(kind)))


@pytest.mark.parametrize("kind", sorted(WITHOUT_PREFIX))
@torch.no_grad()
def test_padding_changes_nothing_for_encoders_with_attention_of_their_own(kind, encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind))).eval()
    texts = [encoder.encode(Example("1", tuple(words.split())), 64) for words in ("Ada visits", SENTENCES[0])]
    together, alone = (encoder(pad_texts(batch, encoder.pad_values())).states for batch in (texts, texts[:1]))
    torch.testing.assert_close(together[0, : alone.shape[1]], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_attention_in_every_layer_is_the_written_out_one(kind, encoder_folder, monkeypatch):
    """Stand before our function.

    And hold each layer's output against a plain softmax over that layer's prefix and own keys.
    """
    torch.manual_seed(5)
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind))).eval()
    encoder.enable_prefix()
    texts = [encoder.encode(Example("1", tuple(words.split())), 64) for words in SENTENCES]
    text = pad_texts(texts, encoder.pad_values())
    keys, values = ([torch.randn(3, 5, encoder.width) for _ in range(encoder.num_layers)] for _ in range(2))
    prefix = Prefix(keys, values, torch.tensor([[True] * 5, [False, True, True, False, False], [False] * 5]))
    windows = iter(range(encoder.num_layers))

    def compared(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: object
    ) -> tuple:
        layer = next(windows)
        output, weights = ours.prefix_attention(module, query, key, value, mask, **options)
        allowed = text.mask[:, None, :].expand(-1, text.mask.shape[1], -1) & near(
            text.mask.shape[1], window(encoder.model.config, layer)
        )
        expected = written_out(query, key, value, allowed, keys[layer], values[layer], prefix.mask)
        torch.testing.assert_close(output[text.mask], expected[text.mask], atol=1e-5, rtol=1e-4)
        return output, weights

    AttentionInterface.register(ours.PREFIX_ATTENTION, compared)
    try:
        encoder(text, prefix=prefix)
    finally:
        AttentionInterface.register(ours.PREFIX_ATTENTION, ours.prefix_attention)
    assert next(windows, None) is None


def window(config: object, layer: int) -> int | None:
    """Return how far a layer attends to each side; None: everywhere."""
    kinds = getattr(config, "layer_types", None)
    return config.local_attention // 2 if kinds and kinds[layer] == "sliding_attention" else None


def near(positions: int, max_distance: int | None) -> Tensor:
    apart = (torch.arange(positions)[:, None] - torch.arange(positions)[None, :]).abs()
    return apart <= (positions if max_distance is None else max_distance)


def written_out(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, keys: Tensor, values: Tensor, exists: Tensor
) -> Tensor:
    heads, width = query.shape[1], query.shape[3]
    found = torch.zeros_like(query)
    for b in range(len(query)):
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            for t in range(query.shape[2]):
                k = torch.cat([keys[b, exists[b], part], key[b, h, allowed[b, t]]])
                v = torch.cat([values[b, exists[b], part], value[b, h, allowed[b, t]]])
                exponents = (k @ query[b, h, t] / math.sqrt(width)).exp()
                found[b, h, t] = exponents @ v / exponents.sum()
    return found.transpose(1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_split_as_in_running_text_and_start_at_their_first_wordpiece(kind, encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind)))
    for sentence in ("Ada Lovelace visits", "Zoë , unbelievable", "Bob 😀 in Paris !"):
        encoded = encoder.encode(Example("1", tuple(sentence.split())), 64)
        ids = encoded.features["input_ids"].tolist()
        running = f" {sentence}" if kind in BYTES else sentence
        assert ids[1:-1] == encoder.tokenizer(running, add_special_tokens=False)["input_ids"]
        assert (ids[0], ids[-1]) == (encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id)
        wordpieces = encoder.tokenizer.convert_ids_to_tokens(ids)
        starts = encoded.word_starts.tolist()
        if kind in BYTES | BLOCKS:
            begins = (BYTES | BLOCKS)[kind]
            assert starts == [i for i, wordpiece in enumerate(wordpieces) if wordpiece.startswith(begins)]
        else:
            assert starts == [i for i, wordpiece in enumerate(wordpieces[:-1]) if i and not wordpiece.startswith("##")]


@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
def test_word_spelled_like_a_special_token_is_a_word(kind, encoder_folder):
    encoder = hugging_face(TextContext("mre"), name=str(encoder_folder(kind)))
    words = ("Ada", encoder.tokenizer.sep_token, "<head>", "in", "Paris", encoder.tokenizer.mask_token)
    ids = encoder.encode(Example("1", words, head=Span(0, 1), tail=Span(4, 5)), 64).features["input_ids"].tolist()
    assert ids.count(encoder.tokenizer.sep_token_id) == 1
    assert encoder.tokenizer.mask_token_id not in ids
    assert [ids.count(marker) for marker in encoder.marker_ids() or ()] in ([], [1, 1, 1, 1])


def test_the_release_s_layout_reads_special_tokens_as_the_release_does(encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder("bert")), layout="wordpieces")
    ids = encoder.encode(Example("1", ("Ada", "[MASK]")), 64).features["input_ids"].tolist()
    assert encoder.tokenizer.mask_token_id in ids


@pytest.mark.parametrize("kind", KINDS)
def test_word_without_wordpieces_still_has_a_position(kind, encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind)))
    encoded = encoder.encode(Example("1", ("Ada", "\u200b", "Bob")), 64)
    assert len(encoded.word_starts) == len(set(encoded.word_starts.tolist())) == 3
    if kind not in BYTES:
        assert encoded.features["input_ids"][encoded.word_starts[1]] == encoder.tokenizer.unk_token_id


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_long_texts_are_cut_at_the_model_s_own_limit(kind, encoder_folder):
    encoder = hugging_face(TextContext("mner"), name=str(encoder_folder(kind))).eval()
    words = ("cat",) * 200
    encoded = encoder.encode(Example("1", words), 10_000)
    most, cost = LIMITS.get(kind, POSITIONS), int(encoded.word_starts[1] - encoded.word_starts[0])
    assert most - cost < len(encoded.word_ids) <= most
    assert encoded.num_truncated_words == 200 - len(encoded.word_starts)
    assert encoder(pad_texts([encoded], encoder.pad_values())).states.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_markers_are_new_tokens_around_head_and_tail_for_relations_alone(kind, encoder_folder):
    folder = str(encoder_folder(kind))
    plain, marked = (hugging_face(TextContext(task), name=folder) for task in ("mner", "mre"))
    assert marked.model.config.vocab_size == plain.model.config.vocab_size + len(MARKERS)
    assert marked.model.get_input_embeddings().num_embeddings == marked.model.config.vocab_size
    example = Example("1", ("Paris", "has", "Ada", "Bob"), head=Span(2, 4), tail=Span(0, 1))
    encoded = marked.encode(example, 64)
    wordpieces = marked.tokenizer.convert_ids_to_tokens(encoded.features["input_ids"].tolist())
    stands = [(wordpiece, i) for i, wordpiece in enumerate(wordpieces) if wordpiece in MARKERS]
    starts = [*encoded.word_starts.tolist(), len(wordpieces) - 2]
    assert [wordpiece for wordpiece, _ in stands] == ["<tail>", "</tail>", "<head>", "</head>"]
    assert [i for _, i in stands] == [starts[0] - 1, starts[1] - 1, starts[2] - 1, len(wordpieces) - 2]
    assert (encoded.head_position, encoded.tail_position) == (stands[2][1], stands[0][1])
    unmarked = hugging_face(TextContext("mre"), name=folder, markers=False)
    bare = unmarked.encode(example, 64)
    assert unmarked.model.config.vocab_size == plain.model.config.vocab_size
    assert (bare.head_position, bare.tail_position) == (int(bare.word_starts[2]), int(bare.word_starts[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_loaded_unless_random_ones_are_requested(kind, encoder_folder):
    folder = str(encoder_folder(kind))
    saved = AutoModel.from_pretrained(folder).state_dict()
    opened = hugging_face(TextContext("mner"), name=folder).model.state_dict()
    random = hugging_face(TextContext("mner"), name=folder, weights="random").model.state_dict()
    assert opened.keys() == random.keys() == {name for name in saved if not name.startswith("pooler.")}
    assert all(torch.equal(saved[name], value) for name, value in opened.items())
    assert any(not torch.equal(saved[name], value) for name, value in random.items())
