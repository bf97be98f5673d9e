from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from raising import raises
from small_models import POSITIONS, SIZES, no_network, save_encoder
from transformers import AutoModel

from hvpkit.batching import pad_texts
from hvpkit.errors import DataError, ModelFolderError
from hvpkit.interfaces import TextContext, Trace
from hvpkit.messages import Message
from hvpkit.registry import load_registry
from hvpkit.types import Example, Span

WORDS = ("Ada", "Lovelace", "visits", "unbelievable", "Paris", "!")
PAIR = Example("7", WORDS, head=Span(0, 2), tail=Span(4, 5))


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    called = no_network(monkeypatch)
    yield
    assert not called


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    return save_encoder(tmp_path_factory.mktemp("encoder") / "bert", "bert")


@pytest.fixture
def copy(bert, tmp_path) -> Path:
    """A copy to be damaged."""
    return shutil.copytree(bert, tmp_path / "bert")


def opened(folder: Path, task: str = "mner", **options: object):
    return (
        load_registry()
        .build("text encoder", "hugging-face", TextContext(task), {"name": str(folder), **options})
        .eval()
    )


def configure(folder: Path, **settings: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


# wordpieces
def test_texts_are_padded_with_the_tokenizer_s_own_token(tmp_path):
    encoder = opened(save_encoder(tmp_path / "roberta", "roberta"))
    assert encoder.tokenizer.pad_token_id == 1
    batch = pad_texts([encoder.encode(Example("1", words), 32) for words in (("Ada",), WORDS)], encoder.pad_values())
    assert batch.features["input_ids"][0][~batch.mask[0]].unique().tolist() == [1]


def test_tokenizer_without_word_ids_splits_word_by_word(tmp_path):
    """BERTweet's is written in Python."""
    (tmp_path / "vocab.txt").write_text("Ada 9\nPar@@ 8\nis 7\nhas 6\n")
    (tmp_path / "bpe.codes").write_text("A d 1\nAd a</w> 1\nP a 1\nPa r 1\ni s</w> 1\nh a 1\nha s</w> 1\n")
    tokenizer = transformers.BertweetTokenizer(str(tmp_path / "vocab.txt"), str(tmp_path / "bpe.codes"))
    config = transformers.RobertaConfig(
        **SIZES, vocab_size=len(tokenizer), pad_token_id=1, tokenizer_class="BertweetTokenizer"
    )
    AutoModel.from_config(config).save_pretrained(tmp_path / "bertweet")
    tokenizer.save_pretrained(tmp_path / "bertweet")
    for file in ("vocab.txt", "bpe.codes"):  # as they stand on the hub
        shutil.copy(tmp_path / file, tmp_path / "bertweet" / file)
    encoder = opened(tmp_path / "bertweet", "mre")
    encoder.enable_prefix()
    example = Example("1", ("Paris", "has", "Ada"), head=Span(2, 3), tail=Span(0, 1))
    encoded = encoder.encode(example, 32)
    wordpieces = encoder.tokenizer.convert_ids_to_tokens(encoded.features["input_ids"].tolist())
    assert wordpieces == ["<s>", "<tail>", "Par@@", "is", "</tail>", "has", "<head>", "Ada", "</head>", "</s>"]
    assert encoded.word_starts.tolist() == [2, 5, 7]
    (tmp_path / "saved").mkdir()
    encoder.save(tmp_path / "saved")
    again = load_registry().build(
        "text encoder", "hugging-face", TextContext("mre", folder=tmp_path / "saved"), {"name": "x"}
    )
    assert torch.equal(again.encode(example, 32).features["input_ids"], encoded.features["input_ids"])


def test_words_keep_apart_however_they_are_written(bert):
    encoder = opened(bert)
    encoded = encoder.encode(Example("1", ("New York", "a-b", "[SEP]", "...")), 64)
    assert encoded.num_truncated_words == 0
    assert len(set(encoded.word_starts.tolist())) == 4


@pytest.mark.parametrize("most", [8, 11, 20, 1000])
def test_a_text_takes_as_many_whole_words_as_fit(bert, most):
    encoder = opened(bert)
    encoded = encoder.encode(Example("1", WORDS * 10), most)
    limit = min(most, POSITIONS)
    count = len(encoded.word_starts)
    following = encoder.encode(Example("1", (WORDS * 10)[count : count + 1]), 64)
    assert len(encoded.word_ids) <= limit < len(encoded.word_ids) + len(following.word_ids) - 2
    assert encoded.num_truncated_words == 60 - count


def test_a_pair_is_kept_with_the_words_around_it(bert):
    encoder = opened(bert, "mre")
    long = Example("7", ("cat",) * 40 + WORDS + ("mat",) * 40, head=Span(40, 42), tail=Span(44, 45))
    encoded = encoder.encode(long, 34)
    assert 0 < encoded.first_word <= 40
    assert 45 <= encoded.first_word + len(encoded.word_starts) < 86
    assert encoded.num_truncated_words == 86 - len(encoded.word_starts)
    assert (
        encoder.tokenizer.convert_ids_to_tokens(encoded.features["input_ids"].tolist())[encoded.head_position]
        == "<head>"
    )


@pytest.mark.parametrize(("options", "markers"), [({}, 4), ({"markers": False}, 0)])
def test_pair_that_does_not_fit_is_reported_with_its_example(bert, options, markers):
    encoder = opened(bert, "mre", **options)
    far = Example("far", ("cat",) * 60, head=Span(0, 1), tail=Span(59, 60))
    with raises(DataError, "pair-too-far-apart", example="far", wordpieces=60, limit=POSITIONS - 2 - markers):
        encoder.encode(far, 1000)


def test_max_length_without_room_for_words_is_reported(bert):
    with raises(DataError, "first-word-too-long", example="1", wordpieces=1, limit=0):
        opened(bert).encode(Example("1", ("cat",)), 2)


# states
def test_pooled_is_the_first_state_and_no_pooler_is_kept(bert):
    encoder = opened(bert)
    batch = pad_texts([encoder.encode(PAIR, 32)], encoder.pad_values())
    read = encoder(batch)
    assert torch.equal(read.pooled, read.states[:, 0])
    assert not any("pooler" in name for name in encoder.state_dict())


@torch.no_grad()
def test_states_are_the_library_s_own(bert):
    encoder, theirs = opened(bert), AutoModel.from_pretrained(bert, attn_implementation="eager").eval()
    batch = pad_texts([encoder.encode(Example("1", words), 32) for words in (WORDS, ("cat",))], encoder.pad_values())
    expected = theirs(input_ids=batch.features["input_ids"], attention_mask=batch.mask.long()).last_hidden_state
    torch.testing.assert_close(encoder(batch).states[batch.mask], expected[batch.mask], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_trace_without_a_prefix_shows_the_library_s_own_attention(bert):
    encoder, theirs = opened(bert), AutoModel.from_pretrained(bert, attn_implementation="eager").eval()
    batch = pad_texts([encoder.encode(Example("1", words), 32) for words in (WORDS, ("cat",))], encoder.pad_values())
    trace = Trace()
    encoder(batch, trace=trace)
    expected = theirs(
        input_ids=batch.features["input_ids"], attention_mask=batch.mask.long(), output_attentions=True
    ).attentions
    for own, attention in zip(trace.attention, expected, strict=True):
        torch.testing.assert_close(own, attention, atol=1e-5, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_trying_a_prefix_leaves_the_mode_and_the_weights_as_they_were(bert, training):
    encoder = opened(bert).train(training)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.enable_prefix()
    encoder.enable_prefix()
    assert all(module.training is training for module in encoder.modules())
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


# open
def test_a_saved_encoder_is_opened_from_its_folder_alone(bert, tmp_path):
    encoder = opened(bert, "mre")
    encoder.save(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    for options in ({"name": "/gone/bert"}, {"name": "bert-base-uncased", "weights": "random"}):
        again = load_registry().build("text encoder", "hugging-face", TextContext("mre", folder=tmp_path), options)
        assert {n: v.shape for n, v in again.state_dict().items()} == {
            n: v.shape for n, v in encoder.state_dict().items()
        }
        assert (
            again.encode(PAIR, 32).features["input_ids"].tolist()
            == encoder.encode(PAIR, 32).features["input_ids"].tolist()
        )


def test_room_in_the_vocabulary_is_used_for_markers_and_never_lost(copy):
    configure(copy, vocab_size=200)
    table = AutoModel.from_config(transformers.AutoConfig.from_pretrained(copy))
    table.save_pretrained(copy)
    encoder = opened(copy, "mre")
    assert encoder.model.get_input_embeddings().num_embeddings == encoder.model.config.vocab_size == 200
    assert max(encoder.encode(PAIR, 32).features["input_ids"]) < 200


# opened
def cut_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])


def drop_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_weights, "deserializing header"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no file named model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"garbage" * 9), "deserializing header"),
        (lambda folder: (folder / "config.json").unlink(), "model_type"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON"),
        (lambda folder: configure(folder, model_type="nonsense"), "nonsense"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "line 1 column 2"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_library_s_reason_in_one_line(damage, reason, copy):
    damage(copy)
    with raises(ModelFolderError, "pretrained-not-opened", kind="text encoder", name=str(copy)) as refused:
        opened(copy)
    assert reason in refused.value.fields["reason"]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("damage", "code", "fields"),
    [
        (lambda folder: configure(folder, num_hidden_layers=4), "weights-incomplete", {"count": 16}),
        (lambda folder: configure(folder, hidden_size=64), "weights-incomplete", {}),
        (lambda folder: configure(folder, vocab_size=50), "tokenizer-too-large", {"found": 90, "expected": 50}),
        (drop_tokenizer, "tokenizer-missing", {}),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_with_its_fault(damage, code, fields, copy):
    damage(copy)
    with raises(ModelFolderError, "pretrained-not-opened", kind="text encoder", name=str(copy)) as refused:
        opened(copy)
    reason = refused.value.fields["reason"]
    assert (reason.code, {name: reason.fields[name] for name in fields}) == (code, fields)
    if fields == {"count": 16}:
        assert all(name == "..." or name.startswith("encoder.layer.3.") for name in reason.fields["names"])


def test_an_encoder_with_a_decoder_is_refused(tmp_path, bert):
    folder = shutil.copytree(bert, tmp_path / "t5")
    transformers.T5Config(vocab_size=90, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2).save_pretrained(
        folder
    )
    with raises(ModelFolderError, "pretrained-not-opened", reason=Message("encoder-with-decoder", type="t5")):
        opened(folder, weights="random")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_code_in_a_weights_file_is_not_run(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (copy / "model.safetensors").unlink()
    torch.save({"embeddings.LayerNorm.bias": Evil()}, copy / "pytorch_model.bin")
    with raises(ModelFolderError, "pretrained-not-opened", name=str(copy)):
        opened(copy)
    assert not Path("pwned").exists()


def test_remote_code_is_not_run_and_no_prompt_is_shown(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda *prompt: pytest.fail("it asks whether to run code"))
    (copy / "evil.py").write_text("import os\nos.mkdir('pwned')\n")
    configure(copy, model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    with raises(ModelFolderError, "pretrained-not-opened", name=str(copy)):
        opened(copy)
    assert not Path("pwned").exists()
