"""Hugging Face text encoders: words to wordpieces to states, with a visual prefix where the architecture takes one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, TextStates, Trace
from hvpkit.messages import Message
from hvpkit.model.text.input_layout import build_inputs, build_inputs_2022
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.model.text.prefix_attention import NAME as PREFIX_ATTENTION
from hvpkit.types import Example
from hvpkit.utils.hub import load_pretrained, require_weights


@dataclass(frozen=True)
class TokenizationStyle:
    """How words are laid out: marker tokens (head's start and end, tail's start and end; or none), and whether as the release does."""

    markers: Sequence[str] = ()
    layout_2022: bool = False


def load_encoder(context: TextContext, *, name: str, random: bool, style: TokenizationStyle) -> HuggingFaceEncoder:
    """Open an encoder by hub id or folder, or from the folder it was saved in (then without weights).

    Raises ModelFolderError when it cannot be found, lacks its tokenizer or weights, or is no encoder.
    """
    style = style if context.task == "mre" else replace(style, markers=())
    if context.folder is not None:
        return load_pretrained(str(context.folder), "text encoder", "text.name", lambda place, local: _open(place, local, True, style))
    return load_pretrained(name, "text encoder", "text.name", lambda place, local: _open(place, local, random, style))


def _open(place: str, local: bool, random: bool, style: TokenizationStyle) -> HuggingFaceEncoder:
    source: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(place, **source)
    tokenizer = load_tokenizer(place, local)
    check_tokenizer_matches(tokenizer, config)
    if config.is_encoder_decoder:
        raise ValueError(Message("encoder-with-decoder", type=config.model_type))
    build: dict[str, Any] = {"attn_implementation": PREFIX_ATTENTION, "dtype": torch.float32}
    if random:
        return HuggingFaceEncoder(AutoModel.from_config(config, trust_remote_code=False, **build), tokenizer, style, random=True)
    build |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, report = AutoModel.from_pretrained(place, config=config, **source, **build)
    require_weights(report, optional="pooler.")
    return HuggingFaceEncoder(model, tokenizer, style)


def load_tokenizer(place: str, local: bool) -> PreTrainedTokenizerBase:
    """Read the tokenizer of a folder or hub id; raises FileNotFoundError where there is none."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        place, use_fast=True, add_prefix_space=True, local_files_only=local, trust_remote_code=False
    )
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # transformers makes an empty one where there are no files
        raise FileNotFoundError(Message("tokenizer-missing"))
    return tokenizer


def check_tokenizer_matches(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    """Refuse a tokenizer with more pieces than the model knows; raises ValueError."""
    if len(tokenizer) > config.vocab_size:
        raise ValueError(Message("tokenizer-too-large", found=len(tokenizer), expected=config.vocab_size))


class HuggingFaceEncoder(TextEncoder):
    """An encoder and its tokenizer; the style's markers are added to the vocabulary, head and tail stand between them.

    `accept_prefix` must be called once before a prefix is given.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, style: TokenizationStyle, *, random: bool = False
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.style, self.random = model, tokenizer, style, random
        self._byte_level = tokenizer.is_fast and "ByteLevel" in repr(tokenizer.backend_tokenizer.pre_tokenizer)  # blanks are part of words
        if getattr(model, "pooler", None) is not None:
            model._modules["pooler"] = None  # no head reads it, and distributed training refuses parameters without gradients
        if style.markers and tokenizer.add_tokens(list(style.markers), special_tokens=True):
            model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size), mean_resizing=False)
        self.width = model.config.hidden_size
        self.num_layers = model.config.num_hidden_layers
        self.num_attention_heads = model.config.num_attention_heads
        if not self._calls_ours():
            model.config._attn_implementation = "eager"  # attention of its own reads other masks than our function does

    # ------------------------------------------------------------------------------------------------------ words to pieces
    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Cut words into pieces, each word alone; [CLS] and [SEP] (or their like) stand around, markers around head and tail."""
        start, end = self._specials()
        place = build_inputs_2022 if self.style.layout_2022 else build_inputs
        layout = place(self._pieces(example.words), example, min(max_length, self._longest()) - len(start) - len(end), self.marker_ids())
        return EncodedText(
            features={"input_ids": torch.tensor([*start, *layout.ids, *end])},
            word_starts=torch.tensor(layout.word_starts, dtype=torch.long) + len(start),
            word_of=torch.tensor([*[-1] * len(start), *layout.word_of, *[-1] * len(end)]),
            words_cut=layout.words_cut,
            first_word=layout.first_word,
            head_position=None if layout.head_position is None else layout.head_position + len(start),
            tail_position=None if layout.tail_position is None else layout.tail_position + len(start),
        )

    def _pieces(self, words: tuple[str, ...]) -> list[list[int]]:
        """Give the piece ids of each word; one of which nothing is left becomes the unknown token, or stays without as in the release."""
        texts = [f" {word}" for word in words] if self._byte_level else list(words)
        plain: dict[str, Any] = {"add_special_tokens": False, "truncation": False, "verbose": False}
        plain["split_special_tokens"] = not self.style.layout_2022  # whoever writes "[SEP]" has not ended a sentence
        if self.tokenizer.is_fast:
            pieces: list[list[int]] = [[] for _ in words]
            encoded = self.tokenizer(texts, is_split_into_words=True, **plain)
            for piece, word in zip(encoded["input_ids"], encoded.word_ids(), strict=True):
                pieces[word].append(piece)
        else:
            pieces = [self.tokenizer(text, **plain)["input_ids"] for text in texts]
        if self.style.layout_2022:
            return pieces
        unknown = self.tokenizer.unk_token_id
        return [ids or [self.tokenizer.pad_token_id if unknown is None else unknown] for ids in pieces]

    def _specials(self) -> tuple[list[int], list[int]]:
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [] if first is None else [first], [] if last is None else [last]

    def marker_ids(self) -> list[int] | None:
        """Give the ids of the markers, head's start and end, then tail's; None without."""
        ids = [int(self.tokenizer.convert_tokens_to_ids(marker)) for marker in self.style.markers]  # type: ignore[arg-type]
        return ids or None

    def _longest(self) -> int:
        """Give the most positions the model has; RoBERTa's tables begin after the padding index."""
        positions = getattr(getattr(self.model, "embeddings", None), "position_embeddings", None)
        if isinstance(positions, nn.Embedding):
            return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)
        longest: int = getattr(self.model.config, "max_position_embeddings", None) or -1
        return longest if longest > 0 else 1_000_000

    def pad_values(self) -> dict[str, int]:
        """Pad with the tokenizer's padding id."""
        return {"input_ids": self.tokenizer.pad_token_id or 0}

    def vocabularies(self) -> dict[str, list[str | None]]:
        """Name the table of piece embeddings, and the piece of each row."""
        table: Any = self.model.get_input_embeddings().weight
        pieces: list[str | None] = [None] * len(table)
        for piece, row in self.tokenizer.get_vocab().items():
            pieces[row] = piece
        return {name: pieces for name, parameter in self.named_parameters() if parameter is table}

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Train the vectors of these texts' pieces and of padding alone, where the model's table is a plain one."""
        table = self.model.get_input_embeddings()
        pieces = torch.cat([*(text.features["input_ids"] for text in texts), torch.tensor([*self.pad_values().values()])])
        used = torch.tensor(sorted(set(pieces.tolist())))
        if type(table) is nn.Embedding and len(used) < table.num_embeddings:
            self.model.set_input_embeddings(PartialEmbedding(table, used))

    # ----------------------------------------------------------------------------------------------------- pieces to states
    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Give the last hidden states [B, T, d] and, as `pooled`, the first position's [B, d]."""
        extras: dict[str, Any] = {} if prefix is None else {"hvp_prefix": prefix}
        if trace is not None:
            extras["hvp_trace"] = trace
        states: Tensor = self.model(**text.features, attention_mask=text.mask.long(), **extras).last_hidden_state
        return TextStates(states, states[:, 0])

    def provenance_notes(self) -> list[str]:
        """Name random weights."""
        return [Message("text-encoder-random")] if self.random else []

    def enable_prefix(self) -> None:
        """Number the attention modules and try a prefix on a few tokens.

        Raises ComponentError for an encoder that would ignore it, or that a masked one would change.
        """
        modules = self._attention_modules()
        if len(modules) != self.num_layers or len(set(modules)) != self.num_layers:
            raise self._refusal()
        for layer, module in enumerate(modules):
            module.hvp_layer = layer  # type: ignore[assignment]
        plain, seen, masked = self._try(), self._try(hvp_prefix=self._loud(True)), self._try(hvp_prefix=self._loud(False))
        if torch.equal(plain, seen) or not torch.allclose(plain, masked, atol=1e-4):
            raise self._refusal()

    def _calls_ours(self) -> bool:
        try:
            return bool(self._attention_modules())
        except ComponentError:  # it takes no extra arguments, so it hands none on
            return False

    def _refusal(self) -> ComponentError:
        return ComponentError("prefix-unsupported", encoder=self.model.config.model_type)

    def _attention_modules(self) -> list[nn.Module]:
        calls: list[nn.Module] = []
        self._try(hvp_probe=calls)
        return calls

    def _loud(self, seen: bool) -> Prefix:
        """Make a prefix of one position whose keys and values are all 1."""
        parameter = next(self.model.parameters())
        ones = parameter.new_ones(1, 1, self.width)
        mask = torch.full((1, 1), seen, device=parameter.device)
        return Prefix([ones] * self.num_layers, [ones] * self.num_layers, mask)

    @torch.no_grad()
    def _try(self, **extras: object) -> Tensor:
        """Run four tokens through the model in evaluation mode; an encoder that rejects the extras takes no prefix."""
        training = self.model.training
        ids = torch.arange(4, device=next(self.model.parameters()).device)[None] % self.model.config.vocab_size
        try:
            states: Tensor = self.model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids), **extras).last_hidden_state
            return states
        except (TypeError, ValueError, RuntimeError) as error:  # unknown extras, or keys of another shape than the width
            raise self._refusal() from error
        finally:
            self.model.train(training)

    def save(self, folder: Path) -> None:
        """Write config and tokenizer; weights go with the whole model's."""
        self.tokenizer.save_pretrained(folder)
        self.model.config.save_pretrained(folder)
        if not self.tokenizer.is_fast:  # some write files that they do not read back as they were (BERTweet's merges)
            for name, file in self.tokenizer.vocab_files_names.items():
                source = Path(getattr(self.tokenizer, name, None) or "")
                if source.is_file() and source.parent != folder:
                    shutil.copyfile(source, folder / file)
