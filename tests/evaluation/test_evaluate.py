from __future__ import annotations

import json

import pytest
import tiny
from raising import raises

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError
from hvpkit.evaluation.evaluate import evaluate, group_scores, score_predictions, write_predictions
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.synthetic.generate import generate
from hvpkit.synthetic.upper_bounds import group_examples, upper_bounds
from hvpkit.types import Entity, Relation, Span


@pytest.fixture(scope="module", params=["mner", "mre"])
def demo(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / request.param
    generate(folder, task=request.param, size=96)
    return open_prepared(folder)


@pytest.fixture(scope="module")
def demo_model(demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    recipe = tiny.recipe(folder, demo.folder, demo.manifest.task, images=False)
    return open_model_folder(tiny.save_tiny_model(folder / "model", recipe, demo))


def gold(example):
    """Return the gold labels of an example as decoded predictions."""
    if example.tags is None:
        return Relation(example.relation, 1.0, ((example.relation, 1.0),))
    starts = [i for i, tag in enumerate(example.tags) if tag.startswith("B-")]
    return [
        Entity(
            i,
            next(j for j in range(i + 1, len(example.words) + 1) if (*example.tags, "O")[j][:2] != "I-"),
            example.tags[i][2:],
            1.0,
        )
        for i in starts
    ]


def test_groups_of_a_generated_split_are_scored_with_upper_bounds(demo, demo_model):
    found = evaluate(demo_model)
    facts = demo.manifest.facts["upper_bounds"]["test"]
    assert (
        set(found.groups)
        == set(facts)
        >= {"all", "ambiguous", "unambiguous", "none", "texture", "shape", "small", "scene"}
    )
    for name, group in found.groups.items():
        assert (group.examples, group.gold) == (facts[name]["examples"], facts[name]["gold"])
        assert (group.text_upper_bound, group.image_upper_bound) == (facts[name]["text"], facts[name]["image"])
        assert 0 <= group.f1 <= 1
    assert found.groups["all"].f1 == found.scores.overall.f1


def test_a_group_counts_its_own_examples_alone(demo):
    examples = demo.examples("test")
    answers = [gold(example) if example.metadata["ambiguous"] == "yes" else [] for example in examples]
    found = group_scores(demo.manifest.facts["upper_bounds"]["test"], examples, answers)
    settled = [example for example in examples if example.metadata["ambiguous"] == "no"]
    assert found["ambiguous"].f1 == 1.0
    assert found["unambiguous"].f1 == 0.0 < found["all"].f1 == score_predictions(examples, answers).overall.f1 < 1.0
    assert found["unambiguous"].examples == len(settled)


def test_who_knows_all_answers_scores_one_in_every_group(demo):
    examples = demo.examples("dev")
    found = group_scores(demo.manifest.facts["upper_bounds"]["dev"], examples, [gold(example) for example in examples])
    assert {group.f1 for group in found.values()} == {1.0}


def test_groups_share_the_examples_out_by_openness_and_by_clue(demo):
    examples = demo.examples("test")
    found = group_examples(examples)
    assert found["all"] == examples
    assert len(found["ambiguous"]) + len(found["unambiguous"]) == len(examples)
    assert sum(len(found[clue]) for clue in set(found) - {"all", "ambiguous", "unambiguous"}) == len(examples)
    assert list(upper_bounds(examples)) == list(found)


def test_groups_without_examples_are_left_out(demo):
    settled = [example for example in demo.examples("test") if example.metadata["ambiguous"] == "no"]
    assert "ambiguous" not in group_examples(settled)


def test_split_without_upper_bounds_has_no_groups(demo_model):
    assert evaluate(demo_model, "train").groups == {}


def test_data_that_was_not_generated_has_no_groups(mner_text_model):
    assert evaluate(open_model_folder(mner_text_model)).groups == {}


def test_data_of_another_task_is_refused(mner_text_model, mre_data):
    with raises(DataError, "task-mismatch", data=mre_data.folder, found="mre", expected="mner"):
        evaluate(open_model_folder(mner_text_model), data_folder=mre_data.folder)


def test_predictions_are_written_a_line_an_example(mre_text_model, mre_data, tmp_path, bars):
    evaluate(open_model_folder(mre_text_model), predictions=tmp_path / "out" / "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out" / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    examples = mre_data.examples("test")
    assert [(line["id"], line["relation"]) for line in lines] == [
        (example.id, example.relation) for example in examples
    ]
    assert [(bar.description, bar.total, bar.done) for bar in bars] == [("examples", len(examples), len(examples))]
    assert all(line["confidence"] == max(line["probabilities"].values()) for line in lines)
    assert [Span(**line["head"]) for line in lines] == [example.head for example in examples]


def test_an_example_that_cannot_be_read_is_written_with_its_error_and_code(mner_data, tmp_path):
    examples = mner_data.examples("test")[:2]
    write_predictions(tmp_path / "p.jsonl", examples, [DataError("no-words"), []])
    bad, good = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (bad["id"], bad["code"], bad["error"]) == (examples[0].id, "no-words", str(DataError("no-words")))
    assert "predicted" not in bad
    assert {"code", "error"}.isdisjoint(good)


def test_examples_that_cannot_be_read_count_as_finding_nothing(mner_data):
    examples = mner_data.examples("test")
    assert score_predictions(examples, [DataError("no-words") for _ in examples]).overall.recall == 0.0
