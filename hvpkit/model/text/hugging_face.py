"""Hugging Face text encoders, with a visual prefix if the architecture supports one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hvpkit.errors import ComponentError
from hvpkit.interfaces import EncodedText, Prefix, TextBatch, TextContext, TextEncoder, TextStates, Trace
from hvpkit.messages import Message
from hvpkit.model.text.input_layout import build_inputs, build_inputs_2022
from hvpkit.model.text.layer_hooks import add_layer_hooks, inner_maps
from hvpkit.model.text.partial_embedding import PartialEmbedding
from hvpkit.model.text.prefix_attention import PREFIX_ATTENTION
from hvpkit.types import Example
from hvpkit.utils.hub import load_pretrained, require_weights


@dataclass(frozen=True)
class TokenizationStyle:
    """How text is tokenized.

    Attributes:
        markers: Marker tokens: start and end of the head entity, start and end of the tail entity; empty for none.
        layout_2022: Build inputs as the code released with Chen et al. 2022 does.
    """

    markers: Sequence[str] = ()
    layout_2022: bool = False


def load_encoder(context: TextContext, *, name: str, random: bool, style: TokenizationStyle) -> HuggingFaceEncoder:
    """Load an encoder by hub id or folder; from `context.folder` without weights.

    Args:
        context: What the encoder is built from.
        name: Hub id or local folder.
        random: Use random weights.
        style: How text is tokenized; markers are ignored for MNER.

    Raises:
        ModelFolderError: If it cannot be found, lacks its tokenizer or weights, or is not an encoder.
    """
    style = style if context.task == "mre" else replace(style, markers=())
    if context.folder is not None:
        return load_pretrained(
            str(context.folder), "text encoder", "text.name", lambda source, local: _load(source, local, True, style)
        )
    return load_pretrained(name, "text encoder", "text.name", lambda source, local: _load(source, local, random, style))


def _load(source: str, local: bool, random: bool, style: TokenizationStyle) -> HuggingFaceEncoder:
    access_options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(source, **access_options)
    tokenizer = load_tokenizer(source, local)
    check_tokenizer_matches(tokenizer, config)
    if config.is_encoder_decoder:
        raise ValueError(Message("encoder-with-decoder", type=config.model_type))
    build: dict[str, Any] = {"attn_implementation": PREFIX_ATTENTION, "dtype": torch.float32}
    if random:
        return HuggingFaceEncoder(
            AutoModel.from_config(config, trust_remote_code=False, **build), tokenizer, style, random=True
        )
    build |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, loading_info = AutoModel.from_pretrained(source, config=config, **access_options, **build)
    require_weights(loading_info, optional="pooler.")
    return HuggingFaceEncoder(model, tokenizer, style)


def load_tokenizer(source: str, local: bool) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder or hub id.

    Args:
        source: Local folder or hub id.
        local: Whether to use local files only.

    Raises:
        FileNotFoundError: "tokenizer-missing" if there is none.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        source, use_fast=True, add_prefix_space=True, local_files_only=local, trust_remote_code=False
    )
    # without files, transformers returns a tokenizer that has only special tokens
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise FileNotFoundError(Message("tokenizer-missing"))
    return tokenizer


def check_tokenizer_matches(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> None:
    """Check that a tokenizer has no more wordpieces than the model.

    Raises:
        ValueError: "tokenizer-too-large" if it has more.
    """
    if len(tokenizer) > config.vocab_size:
        raise ValueError(Message("tokenizer-too-large", found=len(tokenizer), expected=config.vocab_size))


class HuggingFaceEncoder(TextEncoder):
    """A Hugging Face encoder with its tokenizer.

    `enable_prefix` must be called once before a prefix is used.

    Args:
        model: The transformer.
        tokenizer: Its tokenizer; the markers of the style are added to its vocabulary.
        style: How text is tokenized.
        random: Whether the weights are random.
    """

    graph_safe = True

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        style: TokenizationStyle,
        *,
        random: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.style, self.random = model, tokenizer, style, random
        self._keeps_vocabulary = self._has_layer_hooks = False
        # byte-level tokenizers treat the space before a word as part of it
        self._byte_level = tokenizer.is_fast and "ByteLevel" in repr(tokenizer.backend_tokenizer.pre_tokenizer)
        if getattr(model, "pooler", None) is not None:
            model._modules["pooler"] = None  # unused, and distributed training rejects parameters without gradients
        if style.markers and tokenizer.add_tokens(list(style.markers), special_tokens=True):
            model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size), mean_resizing=False)
        self.width = model.config.hidden_size
        self.num_layers = model.config.num_hidden_layers
        self.num_attention_heads = model.config.num_attention_heads
        self.feed_forward_width = min((inner.width for inner in inner_maps(model)), default=0)
        if not self._uses_attention_interface():
            model.config._attn_implementation = "eager"  # our attention masks do not fit its own attention functions

    def encode(self, example: Example, max_length: int) -> EncodedText:
        """Split each word into wordpieces and add special tokens, and markers around head and tail."""
        start, end = self._special_ids()
        max_tokens = min(max_length, self._max_positions()) - len(start) - len(end)
        build = build_inputs_2022 if self.style.layout_2022 else build_inputs
        layout = build(self._wordpieces(example.words), example, max_tokens, self.marker_ids())
        return EncodedText(
            features={"input_ids": torch.tensor([*start, *layout.ids, *end])},
            word_starts=torch.tensor(layout.word_starts, dtype=torch.long) + len(start),
            word_ids=torch.tensor([*[-1] * len(start), *layout.word_ids, *[-1] * len(end)]),
            num_truncated_words=layout.num_truncated_words,
            first_word=layout.first_word,
            head_position=None if layout.head_position is None else layout.head_position + len(start),
            tail_position=None if layout.tail_position is None else layout.tail_position + len(start),
        )

    def _wordpieces(self, words: tuple[str, ...]) -> list[list[int]]:
        """Return the wordpiece ids of each word; without any, the unknown id (in the 2022 layout, an empty list)."""
        texts = [f" {word}" for word in words] if self._byte_level else list(words)
        options: dict[str, Any] = {"add_special_tokens": False, "truncation": False, "verbose": False}
        options["split_special_tokens"] = not self.style.layout_2022  # "[SEP]" in a text is not a special token
        if self.tokenizer.is_fast:
            wordpieces: list[list[int]] = [[] for _ in words]
            encoded = self.tokenizer(texts, is_split_into_words=True, **options)
            for wordpiece, word in zip(encoded["input_ids"], encoded.word_ids(), strict=True):
                wordpieces[word].append(wordpiece)
        else:
            wordpieces = [self.tokenizer(text, **options)["input_ids"] for text in texts]
        if self.style.layout_2022:
            return wordpieces
        unknown = self.tokenizer.unk_token_id
        return [ids or [self.tokenizer.pad_token_id if unknown is None else unknown] for ids in wordpieces]

    def _special_ids(self) -> tuple[list[int], list[int]]:
        cls_id, sep_id = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [] if cls_id is None else [cls_id], [] if sep_id is None else [sep_id]

    def marker_ids(self) -> list[int] | None:
        """Return the ids of the markers: start and end of the head, start and end of the tail; None for none."""
        convert: Any = self.tokenizer.convert_tokens_to_ids
        ids = [int(convert(marker)) for marker in self.style.markers]
        return ids or None

    def _max_positions(self) -> int:
        """Return the number of positions of the model; RoBERTa counts from the padding index + 1."""
        positions = getattr(getattr(self.model, "embeddings", None), "position_embeddings", None)
        if isinstance(positions, nn.Embedding):
            return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)
        max_positions: int = getattr(self.model.config, "max_position_embeddings", None) or -1
        return max_positions if max_positions > 0 else 1_000_000

    def pad_values(self) -> dict[str, int]:
        """Return the padding id of the tokenizer."""
        return {"input_ids": self.tokenizer.pad_token_id or 0}

    def vocabularies(self) -> dict[str, list[str | None]]:
        """Return the wordpiece of each row of the embedding table."""
        table: Any = self.model.get_input_embeddings().weight
        wordpieces: list[str | None] = [None] * len(table)
        for wordpiece, row in self.tokenizer.get_vocab().items():
            wordpieces[row] = wordpiece
        return {name: wordpieces for name, parameter in self.named_parameters() if parameter is table}

    def keep_vocabulary(self) -> None:
        """Leave all embeddings trainable."""
        self._keeps_vocabulary = True

    def restrict_vocabulary(self, texts: Iterable[EncodedText]) -> None:
        """Train only the embeddings of wordpieces in these texts, if the table is an `nn.Embedding`."""
        if self._keeps_vocabulary:
            return
        table = self.model.get_input_embeddings()
        padding = torch.tensor([*self.pad_values().values()])
        ids = torch.cat([*(text.features["input_ids"] for text in texts), padding])
        used = torch.tensor(sorted(set(ids.tolist())))
        if type(table) is nn.Embedding and len(used) < table.num_embeddings:
            self.model.set_input_embeddings(PartialEmbedding(table, used))

    def forward(self, text: TextBatch, prefix: Prefix | None = None, trace: Trace | None = None) -> TextStates:
        """Compute the last hidden states [B, T, d]; `pooled` [B, d] is the state of the first position."""
        extras: dict[str, Any] = {} if prefix is None else {"hvp_prefix": prefix}
        if trace is not None:
            extras["hvp_trace"] = trace
        states: Tensor = self.model(**text.features, attention_mask=text.mask.long(), **extras).last_hidden_state
        return TextStates(states, states[:, 0])

    def provenance_notes(self) -> list[str]:
        """Return a note if the weights are random."""
        return [Message("text-encoder-random")] if self.random else []

    def enable_prefix(self) -> None:
        """Number the attention modules, and check on a few tokens that a prefix changes the output.

        Raises:
            ComponentError: "prefix-unsupported" if a prefix has no effect, or a masked prefix has one.
        """
        modules = self._attention_modules()
        if len(modules) != self.num_layers or len(set(modules)) != self.num_layers:
            raise self._prefix_unsupported()
        for layer, module in enumerate(modules):
            module.hvp_layer = layer  # type: ignore[assignment]
        without_prefix = self._probe()
        with_prefix = self._probe(hvp_prefix=self._probe_prefix(True))
        with_masked_prefix = self._probe(hvp_prefix=self._probe_prefix(False))
        if torch.equal(without_prefix, with_prefix) or not torch.allclose(
            without_prefix, with_masked_prefix, atol=1e-4
        ):
            raise self._prefix_unsupported()

    def enable_layers(self) -> None:
        """Enable prefixes and add hooks to all layers.

        Raises:
            ComponentError: "layers-unsupported" if prefixes or the layers of this architecture are not supported.
        """
        try:
            self.enable_prefix()
        except ComponentError as error:
            raise ComponentError("layers-unsupported", encoder=self.model.config.model_type) from error
        maps = inner_maps(self.model)
        if [inner.attention for inner in maps] != self._attention_modules():
            raise ComponentError("layers-unsupported", encoder=self.model.config.model_type)
        if not self._has_layer_hooks:
            add_layer_hooks(maps)
            self._has_layer_hooks = True

    def _uses_attention_interface(self) -> bool:
        """Check whether the model calls the registered attention function."""
        try:
            return bool(self._attention_modules())
        except ComponentError:  # the model rejects extra arguments, so they cannot reach the attention function
            return False

    def _prefix_unsupported(self) -> ComponentError:
        return ComponentError("prefix-unsupported", encoder=self.model.config.model_type)

    def _attention_modules(self) -> list[nn.Module]:
        """Return the attention modules in the order of their calls."""
        calls: list[nn.Module] = []
        self._probe(hvp_probe=calls)
        return calls

    def _probe_prefix(self, is_visible: bool) -> Prefix:
        """Build a prefix of one position whose keys and values are all 1."""
        parameter = next(self.model.parameters())
        ones = parameter.new_ones(1, 1, self.width)
        mask = torch.full((1, 1), is_visible, device=parameter.device)
        return Prefix([ones] * self.num_layers, [ones] * self.num_layers, mask)

    @torch.no_grad()
    def _probe(self, **extras: object) -> Tensor:
        """Run four tokens in evaluation mode; raises ComponentError if the model rejects the extras."""
        training = self.model.training
        ids = torch.arange(4, device=next(self.model.parameters()).device)[None] % self.model.config.vocab_size
        try:
            output = self.model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids), **extras)
            states: Tensor = output.last_hidden_state
            return states
        except (TypeError, ValueError, RuntimeError) as error:  # unknown argument, or prefix of the wrong width
            raise self._prefix_unsupported() from error
        finally:
            self.model.train(training)

    def save(self, folder: Path) -> None:
        """Write configuration and tokenizer; the weights are saved with those of the model."""
        self.tokenizer.save_pretrained(folder)
        self.model.config.save_pretrained(folder)
        if not self.tokenizer.is_fast:  # BERTweet's tokenizer cannot read back the merges that it writes
            for name, file in self.tokenizer.vocab_files_names.items():
                source = Path(getattr(self.tokenizer, name, None) or "")
                if source.is_file() and source.parent != folder:
                    shutil.copyfile(source, folder / file)
