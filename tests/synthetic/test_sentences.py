from itertools import groupby
from random import Random

import pytest

from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import SyntheticSettings
from hvpkit.synthetic.sentences import split_names
from hvpkit.synthetic.tweets import TweetStream
from hvpkit.types import SPLITS, Span

LEXICON = load_lexicon()
TEMPLATES = [
    *(
        template
        for by_label in (LEXICON.unambiguous, LEXICON.ambiguous, LEXICON.second_clause, LEXICON.unambiguous_pairs)
        for templates in by_label.values()
        for template in templates
    ),
    *LEXICON.ambiguous_pairs,
    *LEXICON.without_entity,
]
FRAME = {*(f"@{name}" for name in LEXICON.handles), *(f"#{tag}" for tag in LEXICON.hashtags), *LEXICON.emoji, "RT"}
FRAME |= {":", ","}
KNOWN = FRAME | {word for line in (*TEMPLATES, *LEXICON.openers, *LEXICON.closers) for word in line.split()}


def examples(tmp_path, task, split="test", **settings):
    return [tweet.example for tweet in TweetStream(SyntheticSettings(task, 400, **settings), split, tmp_path).tweets]


def spans_of(example):
    if example.head is not None:
        return {example.head, example.tail}
    starts = [i for i, tag in enumerate(example.tags) if tag[0] == "B"]
    return {
        Span(i, next(j for j in range(i + 1, len(example.tags) + 1) if (*example.tags, "O")[j][0] != "I"))
        for i in starts
    }


def test_sentences_are_unique():
    assert len(set(TEMPLATES)) == len(TEMPLATES)


def test_no_word_of_a_name_occurs_in_a_sentence_or_in_another_name():
    words = [word.lower() for name in LEXICON.names for word in name.split()]
    assert len(set(words)) == len(words)
    assert not set(words) & {word.lower() for word in KNOWN}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_name_belongs_to_one_split(seed):
    names = split_names(seed)
    assert sorted(name for split in SPLITS for name in names[split]) == sorted(LEXICON.names)


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_spans_are_names_of_the_split(tmp_path, task):
    names = set(split_names(0)["test"])
    for example in examples(tmp_path, task):
        assert {" ".join(example.words[span.start : span.end]) for span in spans_of(example)} <= names


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_names_are_the_words_outside_of_templates(tmp_path, task):
    for example in examples(tmp_path, task):
        runs = groupby(enumerate(example.words), lambda place: place[1] not in KNOWN)
        found = [list(run) for unknown, run in runs if unknown]
        assert {Span(run[0][0], run[-1][0] + 1) for run in found} == spans_of(example)


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_ambiguous_sentence_occurs_verbatim_with_each_label(tmp_path, task):
    by_scenario = {}
    for example in examples(tmp_path, task):
        if example.metadata["ambiguous"] == "yes":
            by_scenario.setdefault(example.id.rpartition("-")[0], []).append(example)
    wanted = (
        {frozenset(pair) for pair in LEXICON.ambiguous} if task == "mner" else {frozenset(LEXICON.ambiguous_relations)}
    )
    assert {frozenset(example.metadata["type"] for example in same) for same in by_scenario.values()} == wanted
    for same in by_scenario.values():
        assert len({example.words for example in same}) == 1
        assert len({frozenset(spans_of(example)) for example in same}) == 1


def test_second_names_have_the_type_that_their_clause_settles(tmp_path):
    two = [example for example in examples(tmp_path, "mner") if len(spans_of(example)) == 2]
    assert two
    for example in two:
        types = {example.tags[span.start][2:] for span in spans_of(example)}
        assert any(
            " ".join(example.words).count(_without(line)) for type_ in types for line in LEXICON.second_clause[type_]
        )


def _without(line):
    return max(line.split("{}"), key=len).strip()


def test_decoration_does_not_depend_on_the_label(tmp_path):
    # the frame is drawn before anything of the answer is known: two settled stories differ in nothing else than their
    # template
    from hvpkit.synthetic.scenarios import Scenario
    from hvpkit.synthetic.sentences import entity_sentence

    frames = []
    for type_ in LEXICON.unambiguous:
        scenario = Scenario(0, (type_,), (type_,), "shape", True)
        sentence = entity_sentence(scenario, ("Atlas", "Titan"), Random(7))
        frames.append([word for word in sentence.words if word in FRAME])
    assert all(frame == frames[0] for frame in frames)
