"""Phrases: cleaned of what is not for people, names and things by rules, mentions of a pair, added up."""

from __future__ import annotations

import pytest
from raising import raises

from hvpkit.detection.noun_phrases import clean, noun_phrases
from hvpkit.detection.phrases import MAX_PHRASES, TYPES, build_phrase_extractor, check_phrases, default_phrases
from hvpkit.errors import ComponentError, InputError, did_you_mean
from hvpkit.labels.word_tokenizer import tokenize
from hvpkit.types import Example, Span


def words(text):
    return tuple(word.text for word in tokenize(text))


PAIR = Example("1", ("Ann", "of", "#", "NewYork"), head=Span(0, 1), tail=Span(2, 4))


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("RT @bob: Taylor Hill holding Jun's GQ japan lol. https://t.co/x", ["Taylor Hill", "Jun", "GQ"]),
        ("greetings from #NewYorkCity !", ["New York City"]),
        ("the University of Oxford has a new red car and two dogs", ["University of Oxford", "new red car", "dogs"]),
        ("Kevin Durant and Steph Curry after the win", ["Kevin Durant", "Steph Curry"]),
        ("WATCHING WITH MY OLD FRIENDS", ["OLD FRIENDS"]),
        ("@a https://t.co/b ... !", []),
    ],
)
def test_rules_extract_names_and_noun_groups(text, phrases):
    assert noun_phrases(words(text)) == phrases


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        ("RT", []),
        ("@bob", []),
        ("http://x.co/1", []),
        ("t.co/x", []),
        ("#NBAFinals2016", ["NBA", "Finals", "2016"]),
        ("Ann", ["Ann"]),
    ],
)
def test_tokens_are_cleaned(token, parts):
    assert clean(token) == parts


def test_mentions_are_head_and_tail_without_marks():
    assert build_phrase_extractor(["mentions"])(PAIR) == ("Ann", "NewYork")


def test_two_pairs_of_one_tweet_have_phrases_of_their_own():
    other = Example("2", PAIR.words, head=Span(2, 4), tail=Span(0, 1))
    assert build_phrase_extractor(["mentions"])(PAIR) != build_phrase_extractor(["mentions"])(other)


def test_extractors_are_combined_without_duplicates():
    assert build_phrase_extractor(["mentions", "types", "mentions"])(PAIR) == ("Ann", "NewYork", *TYPES)
    many = Example("3", tuple(word for i in range(40) for word in ("the", f"thing{chr(97 + i % 26)}{i}", ",")))
    assert len(build_phrase_extractor(["rules"])(many)) == MAX_PHRASES


def test_mentions_are_the_default_of_pairs_alone():
    assert (default_phrases("mre"), default_phrases("mner")) == (["mentions"], ["rules"])
    check_phrases(["mentions", "types"], "mre")
    with raises(InputError, "mentions-need-pairs"):
        check_phrases(["mentions"], "mner")
    with raises(InputError, "unknown-phrases", name="rule", hint=did_you_mean("rule", ["rules"])):
        check_phrases(["rule"], "mner")


def test_missing_pipeline_is_reported_with_advice(tmp_path):
    pytest.importorskip("spacy")
    with raises(ComponentError, "spacy-pipeline-unopenable", pipeline=str(tmp_path / "none"), default="en_core_web_sm"):
        build_phrase_extractor([f"spacy:{tmp_path / 'none'}"])


def test_noun_chunks_of_a_pipeline_are_phrases_read_once(tmp_path, monkeypatch):
    spacy = pytest.importorskip("spacy")
    from spacy.training import Example as Lesson

    language = spacy.blank("en")
    language.add_pipe("tagger")
    language.add_pipe("morphologizer")
    language.add_pipe("parser")
    text = {
        "words": ["the", "cat", "sees", "a", "dog"],
        "pos": ["DET", "NOUN", "VERB", "DET", "NOUN"],
        "tags": ["DT", "NN", "VBZ", "DT", "NN"],
        "heads": [1, 2, 2, 4, 2],
        "deps": ["det", "nsubj", "ROOT", "det", "dobj"],
    }
    lesson = Lesson.from_dict(language.make_doc("the cat sees a dog"), text)
    step = language.initialize(lambda: [lesson] * 40)  # rarer labels are left out
    for _ in range(25):
        language.update([lesson], sgd=step)
    language.to_disk(tmp_path / "pipeline")
    phrases, read = build_phrase_extractor([f"spacy:{tmp_path / 'pipeline'}"]), []
    monkeypatch.setattr(
        spacy.Language,
        "__call__",
        lambda self, text, call=spacy.Language.__call__: read.append(text) or call(self, text),
    )
    for name in "12":
        assert phrases(Example(name, ("RT", "the", "cat", "sees", "a", "dog"))) == ("cat", "dog")
    assert read == ["the cat sees a dog"]
