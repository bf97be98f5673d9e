from __future__ import annotations

import shlex

import pytest
import tiny

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError
from hvpkit.messages import Message
from hvpkit.synthetic.generate import contrast_pairs, generate
from hvpkit.types import Entity, Example, Relation, Span


@pytest.fixture(scope="module")
def contrast(load):
    return load("contrast")


def count_message(kind):
    return Example(kind, ("missing", "Red", "Bull", "!"), tags=("O", f"B-{kind}", f"I-{kind}", "O"))


def test_pair_counts_when_both_predictions_are_right(contrast):
    pair = (count_message("PER"), count_message("ORG"))
    says = {kind: [Entity(1, 3, kind, 0.9)] for kind in ("PER", "ORG")}
    assert contrast.right(pair, [says["PER"], says["ORG"]])
    assert not contrast.right(pair, [says["PER"], says["PER"]])
    assert not contrast.right(pair, [says["PER"], []])
    assert not contrast.right(pair, [says["PER"], DataError("custom", text="unreadable")])


def test_pair_of_relations_is_compared_by_labels(contrast):
    pair = tuple(Example(name, ("a", "b"), head=Span(0, 1), tail=Span(1, 2), relation=name) for name in ("x", "None"))
    answers = [Relation(name, 1.0, ()) for name in ("x", "None")]
    assert contrast.right(pair, answers)
    assert not contrast.right(pair, answers[::-1])


def test_untrained_model_distinguishes_no_pair(contrast, tmp_path, capsys):
    generate(tmp_path / "data", size=96)
    data = open_prepared(tmp_path / "data")
    model = tiny.save_tiny_model(tmp_path / "model", tiny.recipe(tmp_path, data.folder, "mner", images=False), data)
    contrast.main(model)
    output = capsys.readouterr().out
    commands = [shlex.split(line)[1:] for line in output.splitlines() if line.startswith("$ ")]
    assert [command[:4] for command in commands] == [["hvp", "predict", "--model", str(model)]] * 2
    assert Message("contrast-confused") in output
    assert Message("contrast-counted", right=0, pairs=len(contrast_pairs(data.examples("test")))) in output


def test_data_that_is_not_synthetic_is_refused(contrast, mner_text_model, mner_data):
    with pytest.raises(SystemExit) as ended:
        contrast.main(mner_text_model)
    assert (ended.value.code.code, ended.value.code.fields) == ("contrast-without-pairs", {"data": mner_data.folder})
