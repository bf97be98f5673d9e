"""Hugging Face models of a few thousand random weights, saved as a user would have them.

Encoders with tokenizers, visual backbones.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoModelForImageClassification, PreTrainedTokenizerBase

SENTENCES = (
    "Ada Lovelace visits New York with Zoë and Bob !",
    "unbelievable words are cut into pieces, naïve cafés too",
    "RT @bob : the cat sat on the mat in Paris 😀",
)
POSITIONS = 40  # position embeddings of each encoder
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
}
DISTIL = {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": POSITIONS}
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": POSITIONS}


def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Cut the machine off; the list contains the calls that were made nevertheless."""
    called: list[object] = []

    def refuse(*arguments: object, **options: object) -> None:
        called.append(arguments[-1] if arguments else options)
        raise OSError("the network is unreachable")

    for place, name in ((socket.socket, "connect"), (socket, "create_connection"), (socket, "getaddrinfo")):
        monkeypatch.setattr(place, name, refuse)
    return called


# ---------------------------------------------------------------------------------------------------------------
# tokenizers
def wordpiece_tokenizer() -> PreTrainedTokenizerBase:
    """Make BERT's: words in lower case, cut into WordPieces."""
    blank = transformers.BertTokenizer(
        vocab={token: i for i, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}
    )
    return blank.train_new_from_iterator(SENTENCES * 3, vocab_size=90, show_progress=False)


def roberta_tokenizer() -> PreTrainedTokenizerBase:
    """Make RoBERTa's: byte-level BPE whose file puts no blank before the first word."""
    specials = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    blank = transformers.RobertaTokenizer(vocab={token: i for i, token in enumerate(specials)})
    return blank.train_new_from_iterator(SENTENCES * 3, vocab_size=300, show_progress=False)


def modernbert_tokenizer() -> PreTrainedTokenizerBase:
    """Make ModernBERT's: byte-level BPE of no class of its own."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.BPE())
    made.normalizer, made.decoder = normalizers.NFC(), decoders.ByteLevel()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        SENTENCES * 3, trainers.BpeTrainer(vocab_size=300, special_tokens=specials, initial_alphabet=alphabet)
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def sentencepiece_tokenizer() -> PreTrainedTokenizerBase:
    """Make XLM-R's: a unigram model over words that begin with a block; what cannot be seen is normalised away."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex("[\u200b-\u200d\ufeff]"), "")]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=specials, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(SENTENCES * 3, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "mask_token": "<mask>",
    }
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", **names)


# -----------------------------------------------------------------------------------------------------------------
# encoders
Tokenizers = Callable[[], PreTrainedTokenizerBase]
WITH_PREFIX: dict[str, tuple[Tokenizers, str, dict[str, Any]]] = {
    "bert": (wordpiece_tokenizer, "BertConfig", SIZES),
    "roberta": (roberta_tokenizer, "RobertaConfig", SIZES),
    "xlm-roberta": (sentencepiece_tokenizer, "XLMRobertaConfig", SIZES),
    "electra": (wordpiece_tokenizer, "ElectraConfig", {**SIZES, "embedding_size": 16}),
    "modernbert": (modernbert_tokenizer, "ModernBertConfig", {**SIZES, "num_hidden_layers": 4, "local_attention": 8}),
    "camembert": (sentencepiece_tokenizer, "CamembertConfig", SIZES),
    "ernie": (wordpiece_tokenizer, "ErnieConfig", SIZES),
    "distilbert": (wordpiece_tokenizer, "DistilBertConfig", DISTIL),
}
WITHOUT_PREFIX: dict[str, tuple[Tokenizers, str, dict[str, Any]]] = {
    "mpnet": (wordpiece_tokenizer, "MPNetConfig", SIZES),
    "deberta-v2": (wordpiece_tokenizer, "DebertaV2Config", SIZES),
    "roformer": (wordpiece_tokenizer, "RoFormerConfig", SIZES),
    "albert": (wordpiece_tokenizer, "AlbertConfig", {**SIZES, "embedding_size": 16}),
    "gpt2": (roberta_tokenizer, "GPT2Config", GPT),  # causal: a masked prefix would not leave it unchanged
    # fewer key heads than query heads
    "llama": (roberta_tokenizer, "LlamaConfig", {**SIZES, "num_key_value_heads": 1}),
}


def save_encoder(folder: Path, kind: str) -> Path:
    """Write config, weights and tokenizer of one of the encoders above."""
    make, config_name, sizes = (WITH_PREFIX | WITHOUT_PREFIX)[kind]
    tokenizer = make()
    ids = {
        name: getattr(tokenizer, name)
        for name in ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    }
    config = getattr(transformers, config_name)(**sizes, **ids, vocab_size=len(tokenizer))
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# ----------------------------------------------------------------------------------------------------------------
# backbones
PYRAMID: dict[str, Any] = {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]}
SWIN: dict[str, Any] = {
    "image_size": 64,
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 2,
}
DINO: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
}
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNetConfig", {**PYRAMID, "embedding_size": 8, "layer_type": "basic"}),
    "convnextv2": ("ConvNextV2Config", PYRAMID),
    "swin": ("SwinConfig", SWIN),
    "dinov2": ("Dinov2Config", DINO),
}


def save_backbone(folder: Path, kind: str) -> Path:
    """Write config and weights of an image classifier, as they stand on the hub."""
    name, sizes = BACKBONES[kind]
    AutoModelForImageClassification.from_config(getattr(transformers, name)(**sizes)).save_pretrained(folder)
    return folder


CLIP_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 64,
    "patch_size": 16,
}


def save_clip(folder: Path, **sizes: int) -> Path:
    """Write a CLIP of text and images, as on the hub; its vision model has the sizes of the encoders above."""
    torch.manual_seed(0)
    vision = {**CLIP_VISION, **sizes}
    config = transformers.CLIPConfig(text_config={**CLIP_TEXT, "vocab_size": 60}, vision_config=vision)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


# ----------------------------------------------------------------------------------------------------------------
# detectors
WINDOWS: dict[str, Any] = {**SWIN, "out_features": ["stage2", "stage3", "stage4"]}
DINO_DETECTOR: dict[str, Any] = {
    "d_model": 32,  # its group norms have 32 groups
    "encoder_layers": 2,  # what is tied between layers asks for two
    "decoder_layers": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "num_queries": 6,
}
CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
    "projection_dim": 16,
}
OMDET: dict[str, Any] = {
    "image_size": 64,
    "apply_layernorm_after_vision_backbone": False,  # it would norm channels that timm's Swin has last
    "num_queries": 6,
    "text_projection_in_dim": 24,
    "text_projection_out_dim": 24,
    "task_encoder_hidden_dim": 16,
    "class_embed_dim": 24,  # the library takes another width than the decoder's for granted
    "encoder_hidden_dim": 16,
    "decoder_hidden_dim": 16,
    "vision_features_channels": [16, 16, 16],
    "encoder_in_channels": [16, 32, 64],
    "backbone_feat_channels": [16, 32, 64],
    "encoder_dim_feedforward": 16,
    "decoder_num_layers": 1,
    "decoder_num_heads": 2,
    "decoder_dim_feedforward": 16,
}


def clip_tokenizer() -> PreTrainedTokenizerBase:
    """Make CLIP's: letters and a few words."""
    letters = [f"{letter}{end}" for letter in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
    tokens = [
        "!",
        *letters,
        "<|startoftext|>",
        "<|endoftext|>",
    ]  # OWLv2 looks for no text that begins with 0, and reads the last id
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], pad_token="!", model_max_length=16)


def save_detector(folder: Path, kind: str) -> Path:
    """Write config, random weights and processor of a detector of phrases, as on the hub."""
    torch.manual_seed(0)
    if kind == "owlv2":
        tokenizer = clip_tokenizer()
        sight = {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "image_size": 64,
        }
        words = {**CLIP_TEXT, **_ids(tokenizer)}
        config: Any = transformers.Owlv2Config(text_config=words, vision_config=sight, projection_dim=16)
        image_processor = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
        processor: Any = transformers.Owlv2Processor(image_processor=image_processor, tokenizer=tokenizer)
    elif kind == "omdet-turbo":
        tokenizer = clip_tokenizer()
        words = transformers.CLIPTextConfig(
            **{**CLIP_TEXT, "hidden_size": 24, "max_position_embeddings": 77}, **_ids(tokenizer)
        )
        config = transformers.OmDetTurboConfig(
            backbone_config=transformers.SwinConfig(**WINDOWS), text_config=words, **OMDET
        )
        image_processor = transformers.DetrImageProcessor(size={"height": 64, "width": 64})
        processor = transformers.OmDetTurboProcessor(image_processor=image_processor, tokenizer=tokenizer)
    else:
        tokenizer = wordpiece_tokenizer()
        words = transformers.BertConfig(**{**SIZES, "num_hidden_layers": 1}, vocab_size=len(tokenizer))
        named = {
            "grounding-dino": transformers.GroundingDinoConfig,
            "mm-grounding-dino": transformers.MMGroundingDinoConfig,
        }
        config = named[kind](backbone_config=transformers.SwinConfig(**WINDOWS), text_config=words, **DINO_DETECTOR)
        image_processor = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
        processor = transformers.GroundingDinoProcessor(image_processor=image_processor, tokenizer=tokenizer)
    transformers.AutoModelForZeroShotObjectDetection.from_config(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    return {"vocab_size": len(tokenizer), **ids}
