"""Messages about text encoders, tokenizers, vocabularies and word vectors."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # hub ids and local folders
    "pretrained-folder-missing": Template(
        "Folder '{folder}' of the {kind} does not exist. Set {option} to a hub id or a local folder.",
        {"kind": "text encoder", "folder": "./bert", "option": "text.name"},
    ),
    "pretrained-not-opened": Template(
        "Cannot load {kind} {name!r}: {reason}.",
        {"kind": "text encoder", "name": "./bert", "reason": "it has no tokenizer (tokenizer.json)"},
    ),
    "hub-offline": Template(
        "The {kind} {name!r} is not in the local cache, and HF_HUB_OFFLINE is set. Use a local folder: "
        "--set {option}=/path/to/folder.",
        {"kind": "text encoder", "name": "bert-base-uncased", "option": "text.name"},
    ),
    "hub-refused": Template(
        "The model hub rejected the request for {kind} {name!r}: {reason}. Check the name, or use a local folder: "
        "--set {option}=/path/to/folder.",
        {"kind": "text encoder", "name": "brt-base", "option": "text.name", "reason": "404 Client Error"},
    ),
    "hub-unreachable": Template(
        "The {kind} {name!r} is not in the local cache, and the model hub cannot be reached. Use a local folder: "
        "--set {option}=/path/to/folder.",
        {"kind": "text encoder", "name": "bert-base-uncased", "option": "text.name"},
    ),
    "weights-incomplete": Template(
        "{count} tensors of its configuration are missing in its weights or have another shape ({names})",
        {"count": 16, "names": ["encoder.layer.3.output.dense.bias", "encoder.layer.3.output.dense.weight"]},
    ),
    # text encoders
    "encoder-with-decoder": Template(
        "a model of type {type!r} has a decoder; use an encoder-only model", {"type": "t5"}
    ),
    "tokenizer-missing": Template("it has no tokenizer (tokenizer.json)"),
    "tokenizer-too-large": Template(
        "its tokenizer has {found} wordpieces, but its model only {expected}", {"found": 30526, "expected": 30522}
    ),
    "prefix-unsupported": Template(
        "Text encoder {encoder!r} does not support a visual prefix. Use an encoder such as BERT, RoBERTa, XLM-R, "
        "ELECTRA, "
        "CamemBERT, ERNIE, DistilBERT or ModernBERT, or set `fusion: none` without vision.",
        {"encoder": "fnet"},
    ),
    "layers-unsupported": Template(
        "Text encoder {encoder!r} does not support fusions that run between its layers. Use an encoder such as BERT, "
        "RoBERTa, XLM-R, ELECTRA, CamemBERT, ERNIE, DistilBERT or ModernBERT.",
        {"encoder": "fnet"},
    ),
    "width-not-divisible": Template(
        "Width {width} of text encoder {encoder!r} cannot be split into {heads} attention heads of even width. Set it "
        "to a "
        "multiple of {multiple}.",
        {"encoder": "bert-from-scratch", "width": 18, "heads": 6, "multiple": 12},
    ),
    "text-encoder-random": Template("The text encoder was trained from random weights."),
    "text-encoder-and-word-vectors-random": Template(
        "The text encoder, including its word vectors, was trained from random weights."
    ),
    "text-encoder-random-but-word-vectors": Template(
        "The text encoder was trained from random weights, except for its word vectors. {coverage}",
        {"coverage": "File 'glove.6B.100d.txt' has vectors for 2 of 8 words of the training text."},
    ),
    # texts to ids
    "first-word-too-long": Template(
        "The first word of example {example!r} has {wordpieces} wordpieces, but only {limit} fit. Increase "
        "data.max_length.",
        {"example": "7", "wordpieces": 5, "limit": 3},
    ),
    "pair-too-far-apart": Template(
        "The two entities of example {example!r} and the words between them have {wordpieces} wordpieces, but only "
        "{limit} "
        "fit. Increase data.max_length.",
        {"example": "7", "wordpieces": 90, "limit": 76},
    ),
    "entity-cut-off": Template(
        "The {role} entity of example {example!r} starts at position {position}, but only {limit} positions are "
        "encoded. "
        "Increase data.max_length, or set text.layout to 'words', which keeps both entities.",
        {"example": "7", "role": "tail", "position": 90, "limit": 80},
    ),
    "word-not-encoded": Template(
        "The text encoder returned no wordpiece for word {position} of example {example!r}, {word!r:.40}.",
        {"example": "7", "position": 1, "word": "Ada"},
    ),
    # vocabularies and word vectors
    "vocabulary-without-examples": Template(
        "The vocabulary of {encoder} is built from training examples, but there are none.",
        {"encoder": "text encoder 'bert-from-scratch'"},
    ),
    "vocabulary-unreadable": Template(
        "Cannot read the vocabulary '{file}': {reason}. Copy the model folder again, or train the model again.",
        {"file": "runs/model/text/words.json", "reason": "KeyError('items')"},
    ),
    "vocabulary-without-items": Template(
        "The file '{file}' is not a vocabulary: it has no list of items with the number of repeated ones. Copy the "
        "model "
        "folder again, or train the model again.",
        {"file": "runs/model/text/words.json"},
    ),
    "word-vectors-unreadable": Template(
        "Cannot read the word vectors '{file}': {reason}. Set text.glove to a text file such as glove.6B.100d.txt.",
        {"file": "glove.txt", "reason": "No such file or directory"},
    ),
    "word-vectors-no-numbers": Template(
        "{file}:{line}: Expected a word and {expected} numbers ({reason}). Check that the file is a text file of word "
        "vectors.",
        {"file": "glove.txt", "line": 2, "expected": 100, "reason": "could not convert string to float: 'one'"},
    ),
    "word-vectors-width": Template(
        "{file}:{line}: Expected a word and {expected} numbers, found {found}. Set text.word_width to the width of "
        "the file.",
        {"file": "glove.txt", "line": 2, "expected": 100, "found": 50},
    ),
    "word-vectors-not-finite": Template(
        "{file}:{line}: A number is NaN or infinite. The file is corrupt; download it again.",
        {"file": "glove.txt", "line": 2},
    ),
    "word-vectors-coverage": Template(
        "File '{file}' has vectors for {found} of {words} words of the training text ({fraction:.1%}; {exact} as "
        "written, "
        "{lower_case} in lower case), which are {running:.1%} of all its tokens.",
        {"file": "glove.txt", "found": 3, "words": 4, "fraction": 0.75, "exact": 2, "lower_case": 1, "running": 0.7},
    ),
}
