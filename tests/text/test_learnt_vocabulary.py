from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hvpkit.text.bert_from_scratch import SPECIALS, BertShape, learn_tokenizer

TEXTS = ["Ada Lovelace visits New York !", "Bob loves Paris , don't you ?", "Taylor Hill leaves Oslo", "Jun visits Oslo 😀"] * 3
PROGRAM = """
import json
from hvpkit.text.bert_from_scratch import BertShape, learn_tokenizer
texts = json.loads(input())
print(json.dumps(sorted(learn_tokenizer(texts, BertShape(8, 1, 1, 80, False, 0.0)).get_vocab().items())))
"""


def learnt(vocabulary: int = 4000, lowercase: bool = False, texts: list[str] = TEXTS):
    return learn_tokenizer(texts, BertShape(8, 1, 1, vocabulary, lowercase, 0.0))


def test_the_same_texts_give_the_same_vocabulary_in_every_process():
    """A resumed run learns it anew, and the weights of before must fit."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    theirs = {piece: number for piece, number in json.loads(done.stdout)}
    for _ in range(3):
        assert learnt(80).get_vocab() == theirs


def test_known_words_are_one_piece_and_new_ones_are_cut():
    tokenizer = learnt()
    assert tokenizer.tokenize("Ada visits Oslo !") == ["Ada", "visits", "Oslo", "!"]
    assert tokenizer.tokenize("Adas") == ["Ada", "##s"]
    assert "[UNK]" not in tokenizer.tokenize("visitor OsloNew")
    assert tokenizer.tokenize("Ω") == ["[UNK]"]


def test_special_tokens_come_first_and_numbers_have_no_gaps():
    vocabulary = learnt().get_vocab()
    assert [piece for piece, _ in sorted(vocabulary.items(), key=lambda item: item[1])][: len(SPECIALS)] == list(SPECIALS)
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


@pytest.mark.parametrize("most", [60, 80, 4000])
def test_it_has_at_most_as_many_pieces_as_asked_for(most):
    rare = [*TEXTS, "".join(chr(0x4E00 + i) for i in range(500))]
    assert len(learnt(most, texts=rare)) <= most


def test_letters_keep_their_case_unless_told_otherwise():
    assert learnt().tokenize("ADA ada") != learnt().tokenize("ada ada")
    assert learnt(lowercase=True).tokenize("ADA Ada") == ["ada", "ada"]
