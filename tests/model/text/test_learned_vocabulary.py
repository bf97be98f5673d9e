from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hvpkit.model.text.bert_from_scratch import SPECIALS, train_tokenizer

TEXTS = [
    "Ada Lovelace visits New York !",
    "Bob loves Paris , don't you ?",
    "Taylor Hill leaves Oslo",
    "Jun visits Oslo 😀",
] * 3
PROGRAM = """
import json
from hvpkit.model.text.bert_from_scratch import train_tokenizer
print(json.dumps(sorted(train_tokenizer(json.loads(input()), 150).get_vocab().items())))
"""


def test_the_same_texts_give_the_same_vocabulary_in_every_process():
    """A resumed run trains it again, and the weights of before must fit."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(TEXTS), capture_output=True, text=True, check=True
    )
    theirs = {wordpiece: number for wordpiece, number in json.loads(done.stdout)}
    for _ in range(3):
        assert train_tokenizer(TEXTS, 150).get_vocab() == theirs


def test_names_and_new_words_of_known_characters_split_into_wordpieces():
    tokenizer = train_tokenizer(TEXTS, 4000)
    assert tokenizer.tokenize("visits loves leaves !") == ["visits", "loves", "leaves", "!"]
    for word in ("visitor", "Oslo", "Osada", "Yord", "Israel", "XQz"):
        wordpieces = tokenizer.tokenize(word)
        assert wordpieces[0] + "".join(wordpiece.removeprefix("##") for wordpiece in wordpieces[1:]) == word
    assert tokenizer.tokenize("Ω") == ["[UNK]"]


def test_special_tokens_come_first_and_numbers_have_no_gaps():
    vocabulary = train_tokenizer(TEXTS, 4000).get_vocab()
    assert [wordpiece for wordpiece, _ in sorted(vocabulary.items(), key=lambda item: item[1])][
        : len(SPECIALS)
    ] == list(SPECIALS)
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


@pytest.mark.parametrize("most", [200, 4000])
def test_vocabulary_has_at_most_vocab_size_wordpieces(most):
    rare = [*TEXTS, "".join(chr(0x4E00 + i) for i in range(500))]
    assert len(train_tokenizer(rare, most)) <= most
