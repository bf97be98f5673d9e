import math
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from raising import raises

from hvpkit.errors import InputError
from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import CLUES, MIN_EXAMPLES, SyntheticSettings, assign, plan_scenarios
from hvpkit.types import SPLITS

LEXICON = load_lexicon()


def examples_of(scenarios):
    return [(scenario, label) for scenario in scenarios for label in scenario.labels]


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
def test_invalid_settings_are_refused(wrong, code, fields):
    with raises(InputError, code, **fields):
        SyntheticSettings(**wrong)


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("ambiguous", [0.0, 0.01, 0.3, 0.6, 0.95, 1.0])
def test_smallest_size_has_every_label_in_every_split(task, ambiguous):
    settings = SyntheticSettings(task, MIN_EXAMPLES, ambiguous=ambiguous)
    wanted = (
        set(LEXICON.entity_types)
        if task == "mner"
        else set(LEXICON.relations if ambiguous < 1 else LEXICON.ambiguous_relations)
    )
    for split in SPLITS:
        assert wanted <= {label for _, label in examples_of(plan_scenarios(settings, split))}


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("ambiguous", [0.0, 0.25, 0.6, 1.0])
@pytest.mark.parametrize("uninformative", [0.0, 0.3, 1.0])
def test_fractions_are_as_requested(task, ambiguous, uninformative):
    settings = SyntheticSettings(task, 2000, ambiguous=ambiguous, uninformative=uninformative)
    for split in SPLITS:
        named = [
            (scenario, label) for scenario, label in examples_of(plan_scenarios(settings, split)) if label != "none"
        ]
        names = len(named) + sum(scenario.second is not None for scenario, _ in named)
        assert sum(scenario.is_ambiguous for scenario, _ in named) / names == pytest.approx(ambiguous, abs=0.006)
        assert sum(not scenario.is_informative for scenario, _ in named) / len(named) == pytest.approx(
            uninformative, abs=0.006
        )


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_sizes_are_as_requested_and_a_quarter(task):
    counts = [len(examples_of(plan_scenarios(SyntheticSettings(task, 1000), split))) for split in SPLITS]
    assert counts == [1000, 250, 250]


def test_open_names_have_each_type_equally_often_under_every_clue_and_relevance():
    scenarios = [
        scenario for scenario in plan_scenarios(SyntheticSettings(size=4000), "train") if scenario.is_ambiguous
    ]
    for relevant in (True, False):
        cells = Counter(
            (label, scenario.clue) for scenario, label in examples_of(scenarios) if scenario.is_informative is relevant
        )
        assert set(cells) == {(type_, clue) for type_ in LEXICON.entity_types for clue in CLUES}
        assert max(cells.values()) - min(cells.values()) <= 4


def test_ambiguous_pairs_are_none_twice_as_often_as_each_other_relation():
    counts = Counter(
        label
        for scenario, label in examples_of(plan_scenarios(SyntheticSettings("mre", ambiguous=1.0, size=600), "train"))
        if scenario.is_ambiguous
    )
    assert counts == {"None": 200, **dict.fromkeys(set(LEXICON.ambiguous_relations) - {"None"}, 100)}


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_more_uninformative_images_change_nothing_else_and_only_add_to_the_uninformative_ones(task):
    settings = SyntheticSettings(task, 400, uninformative=0.3)
    some, more = (plan_scenarios(replace(settings, test_uninformative=share), "test") for share in (0.3, 0.6))
    assert [replace(scenario, is_informative=True) for scenario in some] == [
        replace(scenario, is_informative=True) for scenario in more
    ]
    assert all(one.is_informative or not other.is_informative for one, other in zip(some, more, strict=True))
    assert plan_scenarios(replace(settings, test_uninformative=0.6), "train") == plan_scenarios(settings, "train")


@pytest.mark.parametrize("labels", [LEXICON.entity_types, list(LEXICON.ambiguous), LEXICON.relations, ["one"]])
def test_assignment_balances_labels_and_clues(labels):
    cells = assign(labels, CLUES, len(labels) * len(CLUES), Random(1))
    assert len(set(cells)) == len(cells)
    first = cells[: len(labels)]
    assert {label for label, _ in first} == set(labels)
    assert len({clue for _, clue in first}) == min(len(labels), len(CLUES))
