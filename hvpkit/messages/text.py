"""Messages about text encoders, tokenizers, vocabularies and word vectors."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # --------------------------------------------------------------------------------------------- hub ids and local folders
    "pretrained-folder-missing": Template(
        "{kind}: there is no folder {folder}; {option} takes a hub id or a local folder",
        {"kind": "text encoder", "folder": "./bert", "option": "text.name"},
    ),
    "pretrained-not-opened": Template(
        "{kind} {name!r} cannot be opened: {reason}",
        {"kind": "text encoder", "name": "./bert", "reason": "it holds no tokenizer (tokenizer.json)"},
    ),
    "hub-offline": Template(
        "{kind} {name!r} is not in the local cache and HF_HUB_OFFLINE is set; give a local folder instead: --set {option}=/path/to/folder",
        {"kind": "text encoder", "name": "bert-base-uncased", "option": "text.name"},
    ),
    "hub-refused": Template(
        "{kind} {name!r}: the model hub answers {reason}; check the name, or give a local folder instead: --set {option}=/path/to/folder",
        {"kind": "text encoder", "name": "brt-base", "option": "text.name", "reason": "404 Client Error"},
    ),
    "hub-unreachable": Template(
        "{kind} {name!r} is not in the local cache and the model hub cannot be reached; give a local folder instead: "
        "--set {option}=/path/to/folder",
        {"kind": "text encoder", "name": "bert-base-uncased", "option": "text.name"},
    ),
    "weights-incomplete": Template(
        "its weights lack {count} tensors that its config asks for, or have them in another shape ({names})",
        {"count": 16, "names": ["encoder.layer.3.output.dense.bias", "encoder.layer.3.output.dense.weight"]},
    ),
    # ---------------------------------------------------------------------------------------------------------- text encoders
    "encoder-with-decoder": Template("{type} is an encoder with a decoder; take a model that is an encoder alone", {"type": "t5"}),
    "tokenizer-missing": Template("it holds no tokenizer (tokenizer.json)"),
    "tokenizer-too-large": Template("its tokenizer has {found} pieces, its model knows {expected}", {"found": 30526, "expected": 30522}),
    "prefix-unsupported": Template(
        "the text encoder {encoder} takes no visual prefix: use one like BERT, RoBERTa, XLM-R, ELECTRA, CamemBERT, ERNIE, DistilBERT or "
        "ModernBERT, or `fusion: none` without vision",
        {"encoder": "fnet"},
    ),
    "width-not-divisible": Template(
        "text encoder {encoder!r}: width {width} does not split into {heads} heads of an even width; make it a multiple of {multiple}",
        {"encoder": "bert-from-scratch", "width": 18, "heads": 6, "multiple": 12},
    ),
    "text-encoder-random": Template("the text encoder was trained from random weights"),
    "text-encoder-and-word-vectors-random": Template("the text encoder, with its word vectors, was trained from random weights"),
    "text-encoder-random-but-word-vectors": Template(
        "the text encoder was trained from random weights, but for its word vectors: {coverage}",
        {"coverage": "glove.6B.100d.txt has vectors for 2 of 8 words of the training text"},
    ),
    # ------------------------------------------------------------------------------------------------------------ texts to ids
    "first-word-too-long": Template(
        "example {example}: its first word has {wordpieces} pieces, but only {limit} fit; raise data.max_length",
        {"example": "7", "wordpieces": 5, "limit": 3},
    ),
    "pair-too-far-apart": Template(
        "example {example}: its two entities lie {wordpieces} pieces apart, but only {limit} fit; raise data.max_length",
        {"example": "7", "wordpieces": 90, "limit": 76},
    ),
    "entity-cut-off": Template(
        "example {example}: its {role} starts at position {position}, but only {limit} are read; raise data.max_length, or take "
        "text.layout `words`, whose window is around both entities",
        {"example": "7", "role": "tail", "position": 90, "limit": 80},
    ),
    "word-not-encoded": Template(
        "example {example}: the text encoder keeps nothing of word {position}, {word!r:.40}",
        {"example": "7", "position": 1, "word": "Ada"},
    ),
    # ------------------------------------------------------------------------------------------- vocabularies and word vectors
    "vocabulary-without-examples": Template(
        "{encoder} learns its vocabulary from training examples, and there are none", {"encoder": "text encoder 'bert-from-scratch'"}
    ),
    "vocabulary-unreadable": Template(
        "{file} is no vocabulary ({reason}); copy the model folder again, or train it again",
        {"file": "runs/model/text/words.json", "reason": "KeyError('items')"},
    ),
    "vocabulary-without-items": Template(
        "{file} is no vocabulary (it holds no list of items with the number of those that are repeated); copy the model folder again, or "
        "train it again",
        {"file": "runs/model/text/words.json"},
    ),
    "word-vectors-unreadable": Template(
        "word vectors {file}: {reason}; text.glove takes a text file such as glove.6B.100d.txt",
        {"file": "glove.txt", "reason": "No such file or directory"},
    ),
    "word-vectors-no-numbers": Template(
        "{file}:{line}: expected a word and {expected} numbers ({reason}); is it a text file of word vectors?",
        {"file": "glove.txt", "line": 2, "expected": 100, "reason": "could not convert string to float: 'one'"},
    ),
    "word-vectors-width": Template(
        "{file}:{line}: expected a word and {expected} numbers, found {found}; set text.word_width to the file's",
        {"file": "glove.txt", "line": 2, "expected": 100, "found": 50},
    ),
    "word-vectors-not-finite": Template(
        "{file}:{line}: a number is not finite; the file is damaged",
        {"file": "glove.txt", "line": 2},
    ),
    "word-vectors-coverage": Template(
        "{file} has vectors for {found} of {words} words of the training text ({fraction:.1%}; {exact} as written, {lower_case} in lower "
        "case), {running:.1%} of its running words",
        {"file": "glove.txt", "found": 3, "words": 4, "fraction": 0.75, "exact": 2, "lower_case": 1, "running": 0.7},
    ),
}
