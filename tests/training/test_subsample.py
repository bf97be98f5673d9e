from __future__ import annotations

import random
from collections import Counter

import pytest
from pydantic import ValidationError
from raising import raises

from hvpkit.config.recipe import TrainSpec
from hvpkit.errors import RecipeError, did_you_mean
from hvpkit.training.subsample import subsample
from hvpkit.types import Example, Span

EXAMPLES = [Example(str(i), ("a",)) for i in range(40)]
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0)


def _relations() -> list[Example]:
    chance = random.Random(0)
    names = ["None"] * 300 + ["/per/per/peer"] * 120 + ["/loc/loc/contain"] * 70 + ["/per/misc/race"] * 10
    chance.shuffle(names)
    return [
        Example(f"r{i}", ("a", "b"), head=Span(0, 1), tail=Span(1, 2), relation=name) for i, name in enumerate(names)
    ]


def _sentences() -> list[Example]:
    chance = random.Random(1)
    kinds = [
        ["O"],
        ["B-PER", "O"],
        ["B-PER", "I-PER", "B-LOC"],
        ["B-ORG"],
        ["B-LOC", "B-LOC", "O"],
        ["B-MISC", "B-PER", "O"],
    ]
    tags = [chance.choices(kinds, (30, 25, 20, 10, 10, 2))[0] for _ in range(400)]
    return [Example(f"s{i}", tuple("w" for _ in row), tags=tuple(row)) for i, row in enumerate(tags)]


def drawn(**settings) -> list[int]:
    return [int(example.id) for example in subsample(EXAMPLES, TrainSpec(**settings))]


def ids(examples, **settings) -> set[str]:
    return {example.id for example in subsample(examples, TrainSpec(**settings))}


def entities(examples) -> Counter[str]:
    return Counter(tag[2:] for example in examples for tag in example.tags if tag.startswith("B-"))


@pytest.mark.parametrize("sampling", ["without-replacement", "with-replacement"])
def test_the_seed_draws_a_share_in_order(sampling):
    found = drawn(fraction=0.5, seed=3, sampling=sampling)
    assert len(found) == 20
    assert found == sorted(found) == drawn(fraction=0.5, seed=3, sampling=sampling)
    assert found != drawn(fraction=0.5, seed=4, sampling=sampling)
    assert (len(set(found)) == 20) == (sampling == "without-replacement")


def test_all_of_it_is_taken_once_and_a_small_share_is_one_example():
    assert drawn(sampling="with-replacement") == list(range(40))
    assert len(drawn(fraction=0.001)) == 1


@pytest.mark.parametrize("examples", [_relations(), _sentences()], ids=["mre", "mner"])
@pytest.mark.parametrize("seed", [1, 49, 1234])
def test_a_smaller_share_lies_inside_every_larger_one(examples, seed):
    parts = [ids(examples, fraction=share, seed=seed) for share in SHARES]
    assert [len(part) for part in parts] == [round(share * len(examples)) for share in SHARES]
    assert all(one < other for one, other in zip(parts, parts[1:], strict=False))


@pytest.mark.parametrize("seed", range(5))
def test_a_share_holds_each_relation_by_its_share_up_to_two_examples(seed):
    examples = _relations()
    whole = Counter(example.relation for example in examples)
    for share in SHARES:
        part = Counter(example.relation for example in subsample(examples, TrainSpec(fraction=share, seed=seed)))
        assert all(abs(part[name] - share * count) <= 2 for name, count in whole.items())


@pytest.mark.parametrize("seed", range(5))
def test_a_share_holds_each_set_of_entity_types_by_its_share_up_to_two_sentences(seed):
    examples = _sentences()

    def count(part) -> Counter[frozenset[str]]:
        return Counter(frozenset(entities([example])) for example in part)

    for share in SHARES:
        part = count(subsample(examples, TrainSpec(fraction=share, seed=seed)))
        assert all(abs(part[kind] - share * n) <= 2 for kind, n in count(examples).items())


def test_a_rare_class_is_in_a_small_share_as_often_as_the_share_says():
    examples = [
        Example(str(i), ("a", "b"), head=Span(0, 1), tail=Span(1, 2), relation="r" if i else "rare") for i in range(100)
    ]
    often = sum("0" in ids(examples, fraction=0.2, seed=seed) for seed in range(500))
    assert 70 <= often <= 130


@pytest.mark.parametrize("shots", [1, 3, 8, 20])
def test_shots_of_relations_are_that_many_of_each_or_all_there_are(shots):
    examples = _relations()
    part = Counter(example.relation for example in subsample(examples, TrainSpec(shots=shots)))
    assert part == {name: min(shots, count) for name, count in Counter(e.relation for e in examples).items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shots_of_entities_reach_each_type_and_every_sentence_was_needed(seed):
    examples = _sentences()
    whole = entities(examples)
    for shots in (1, 5, 10):
        part = subsample(examples, TrainSpec(shots=shots, seed=seed))
        found = entities(part)
        assert all(found[name] >= min(shots, count) for name, count in whole.items())
        assert all(set(entities([example])) for example in part)
        assert len(part) <= sum(min(shots, count) for count in whole.values())


@pytest.mark.parametrize(("rare", "frequent"), [("LOC", "PER"), ("PER", "LOC")])
def test_the_rarest_class_is_drawn_first_so_that_its_sentences_count_for_the_others(rare, frequent):
    both = Example("both", ("w", "w"), tags=(f"B-{rare}", f"B-{frequent}"))
    others = [Example(str(i), ("w",), tags=(f"B-{frequent}",)) for i in range(30)]
    assert all(ids([*others, both], shots=1, seed=seed) == {"both"} for seed in range(5))


@pytest.mark.parametrize("examples", [_relations(), _sentences()], ids=["mre", "mner"])
def test_fewer_shots_lie_inside_more(examples):
    parts = [ids(examples, shots=shots, seed=5) for shots in (1, 2, 4, 8, 16)]
    assert all(one < other for one, other in zip(parts, parts[1:], strict=False))
    assert parts[0] != ids(examples, shots=1, seed=6)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"fraction": 0.5, "shots": 3}, "fraction-and-shots"),
        ({"shots": 3, "sampling": "with-replacement"}, "shots-with-replacement"),
    ],
)
def test_two_ways_to_draw_are_refused(settings, code):
    with pytest.raises(ValidationError) as refused:
        TrainSpec(**settings)
    [fault] = refused.value.errors()
    assert fault["ctx"]["error"].args[0].code == code


def test_recipe_sets_init_from_and_misspelled_key_is_reported(tmp_path):
    from hvpkit.config.loading import load_recipe

    recipe = load_recipe("quickstart", ["train.init_from=runs/other"])
    assert str(recipe.train.init_from) == "runs/other"
    file = tmp_path / "again.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(file) == recipe
    with raises(RecipeError, "recipe-invalid") as refused:
        load_recipe("quickstart", ["train.init_frm=runs/other"])
    [problem] = refused.value.problems
    assert (problem.location, problem.message.code) == ("--set train.init_frm=runs/other", "unknown-key")
    assert problem.message.fields == {"key": "train.init_frm", "hint": did_you_mean("init_frm", ["init_from"])}
