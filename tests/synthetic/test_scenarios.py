import math
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from raising import raises

from hvpkit.errors import InputError
from hvpkit.synthetic.lexicon import AMBIGUOUS, AMBIGUOUS_RELATIONS, UNAMBIGUOUS, UNAMBIGUOUS_PAIRS
from hvpkit.synthetic.scenarios import CLUES, MIN_EXAMPLES, SyntheticSettings, assign, plan_scenarios
from hvpkit.types import SPLITS


def told(stories):
    return [(story, answer) for story in stories for answer in story.labels]


@pytest.mark.parametrize(
    ("wrong", "code", "fields"),
    [
        ({"uninformative": -0.1}, "demo-fraction-invalid", {"option": "uninformative", "value": -0.1}),
        ({"ambiguous": 1.5}, "demo-fraction-invalid", {"option": "ambiguous", "value": 1.5}),
        ({"test_uninformative": 30.0}, "demo-fraction-invalid", {"option": "test-uninformative", "value": 30.0}),
        ({"uninformative": math.nan}, "demo-fraction-invalid", {"option": "uninformative", "value": math.nan}),
        ({"size": 23}, "demo-too-small", {"size": 23, "what": "type", "minimum": 24}),
        ({"size": 0, "task": "mre"}, "demo-too-small", {"size": 0, "what": "relation"}),
        ({"seed": -1}, "demo-seed-negative", {"seed": -1}),
        ({"task": "ner"}, "demo-task-unknown", {"task": "ner"}),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, code, fields):
    with raises(InputError, code, **fields):
        SyntheticSettings(**wrong)


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("ambiguous", [0.0, 0.01, 0.3, 0.6, 0.95, 1.0])
def test_the_smallest_size_holds_every_answer_in_every_split(task, ambiguous):
    settings = SyntheticSettings(task, MIN_EXAMPLES, ambiguous=ambiguous)
    wanted = set(UNAMBIGUOUS) if task == "mner" else set(UNAMBIGUOUS_PAIRS if ambiguous < 1 else AMBIGUOUS_RELATIONS)
    for split in SPLITS:
        assert wanted <= {answer for _, answer in told(plan_scenarios(settings, split))}


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("ambiguous", [0.0, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("uninformative", [0.0, 0.3, 1.0])
def test_shares_come_out_as_asked(task, ambiguous, uninformative):
    settings = SyntheticSettings(task, 2000, ambiguous=ambiguous, uninformative=uninformative)
    for split in SPLITS:
        named = [(story, answer) for story, answer in told(plan_scenarios(settings, split)) if answer != "none"]
        names = len(named) + sum(story.second is not None for story, _ in named)
        assert sum(story.is_ambiguous for story, _ in named) / names == pytest.approx(ambiguous, abs=0.006)
        assert sum(not story.is_informative for story, _ in named) / len(named) == pytest.approx(
            uninformative, abs=0.006
        )


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_sizes_are_those_asked_for_and_a_quarter(task):
    counts = [len(told(plan_scenarios(SyntheticSettings(task, 1000), split))) for split in SPLITS]
    assert counts == [1000, 250, 250]


def test_open_names_have_each_type_equally_often_under_every_clue_and_relevance():
    stories = [story for story in plan_scenarios(SyntheticSettings(size=4000), "train") if story.is_ambiguous]
    for relevant in (True, False):
        cells = Counter((answer, story.clue) for story, answer in told(stories) if story.is_informative is relevant)
        assert set(cells) == {(type_, clue) for type_ in UNAMBIGUOUS for clue in CLUES}
        assert max(cells.values()) - min(cells.values()) <= 4


def test_ambiguous_pairs_are_none_twice_as_often_as_each_other_relation():
    counts = Counter(
        answer
        for story, answer in told(plan_scenarios(SyntheticSettings("mre", ambiguous=1.0, size=600), "train"))
        if story.is_ambiguous
    )
    assert counts == {"None": 200, **dict.fromkeys(set(AMBIGUOUS_RELATIONS) - {"None"}, 100)}


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_more_uninformative_images_change_nothing_else_and_only_add_to_the_uninformative_ones(task):
    settings = SyntheticSettings(task, 400, uninformative=0.3)
    some, more = (plan_scenarios(replace(settings, test_uninformative=share), "test") for share in (0.3, 0.6))
    assert [replace(story, is_informative=True) for story in some] == [
        replace(story, is_informative=True) for story in more
    ]
    assert all(one.is_informative or not other.is_informative for one, other in zip(some, more, strict=True))
    assert plan_scenarios(replace(settings, test_uninformative=0.6), "train") == plan_scenarios(settings, "train")


@pytest.mark.parametrize("answers", [list(UNAMBIGUOUS), list(AMBIGUOUS), list(UNAMBIGUOUS_PAIRS), ["one"]])
def test_a_deal_gives_each_answer_each_clue_once_a_round_and_spreads_both(answers):
    cells = assign(answers, CLUES, len(answers) * len(CLUES), Random(1))
    assert len(set(cells)) == len(cells)
    first = cells[: len(answers)]
    assert {answer for answer, _ in first} == set(answers)
    assert len({clue for _, clue in first}) == min(len(answers), len(CLUES))
