from __future__ import annotations

import json

import pytest
import torch

import train_speed
from as_in_2022 import PaddingBatcher
from hvpkit.batching import Batcher
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.types import Example
from subject import SHAPES, make_subject, without_dropout


class Asked:
    """One end of a pipe whose other end asked for some things and went away; keeps the answers."""

    def __init__(self, *questions: object) -> None:
        self.questions, self.answers = list(questions), []

    def recv(self) -> object:
        if not self.questions:
            raise EOFError
        return self.questions.pop(0)

    def send(self, answer: object) -> None:
        self.answers.append(answer)


SMALL = ("train.precision=fp32", "train.batch_size=4")


@pytest.fixture(scope="module", params=["mner", "mre"])
def subject(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return without_dropout(
        make_subject(folder, request.param, SHAPES["tiny"], size=80, images=3, settings=SMALL), folder / "fixed"
    )


def losses(subject, setting, folder):
    pipe = Asked(20)
    train_speed.train(pipe, subject, setting, folder, same_batches=True)
    [block] = pipe.answers
    assert (block.examples, len(block.losses)) == (80, 20)
    return block.losses


def test_the_shipped_setting_has_the_loss_curve_of_2022_on_the_same_batches(subject, tmp_path):
    shipped, plain = (losses(subject, setting, tmp_path / setting) for setting in ("fp32", "2022"))
    assert len(set(plain)) == 20
    assert shipped == pytest.approx(plain, rel=1e-4)


def test_the_setting_of_2022_pads_to_the_longest_and_keeps_no_pyramids(subject):
    recipe, data = subject.recipe, subject.data
    examples = data.examples("train")[:3]
    model = build_model(recipe, load_registry(), data.labels, examples).eval()
    tight, wide = (
        batcher.collate([batcher.encode(example, labeled=True) for example in examples])
        for batcher in (Batcher(model, recipe), PaddingBatcher(model, recipe))
    )
    assert wide.text.mask.shape == wide.text.word_mask.shape == (3, recipe.data.max_length)
    assert tight.text.mask.shape[1] < 60
    assert wide.text.mask.sum() == tight.text.mask.sum()
    assert wide.images.features is None and wide.images.pixels.shape[0] == 12
    assert float(model(wide).loss.detach()) == pytest.approx(float(model(tight).loss.detach()), rel=1e-5)


def test_sampled_texts_are_as_long_as_tweets_and_keep_their_labels(tmp_path):
    made = make_subject(tmp_path, "mner", SHAPES["tiny"], size=300, images=1)
    examples: list[Example] = made.data.examples("train")
    assert 14 < sum(len(example.words) for example in examples) / 300 < 18
    assert all(len(example.tags or ()) == len(example.words) and len(example.objects) == 3 for example in examples)


def test_the_longest_batch_comes_second_and_every_example_once():
    lengths = [5, 6, 9, 9, 7, 30, 8]
    assert list(train_speed.LongestSecond(range(7), lengths, 2)) == [0, 1, 4, 5, 2, 3, 6]


def test_flops_are_counted_for_training_without_padding(subject):
    flops, positions = train_speed.work_of(subject, 3)
    text = SHAPES["tiny"].text
    weights = text["num_hidden_layers"] * (
        4 * text["hidden_size"] ** 2 + 2 * text["hidden_size"] * text["intermediate_size"]
    )
    assert flops > 3 * 2 * weights * positions
    assert 10 < positions < 60


def test_the_benchmark_reports_both_settings_and_writes_json(tmp_path, capsys):
    train_speed.main(
        [
            *"--task mner --shape tiny --size 32 --batch-size 2 --blocks 1 --steps 1 --curve 0 --setting fp32".split(),
            "--out",
            str(tmp_path),
        ]
    )
    name = "train_speed_gpu" if torch.cuda.is_available() else "train_speed"
    [found] = json.loads((tmp_path / f"{name}.json").read_text())["runs"]
    assert (found["task"], found["shape"], found["batch_size"]) == ("mner", "tiny", 2)
    assert set(found["settings"]) - {train_speed.TF32} == {"2022", "fp32"}
    assert all(each["examples_a_second"] > 0 and each["memory_mb"]["peak"] > 100 for each in found["settings"].values())
    assert found["ratios"]["2022"] == {"speed": 1.0, "memory": 1.0}
    assert "| mner, tiny, batch 2 | fp32 |" in capsys.readouterr().out
    page = (tmp_path / "results" / "train_speed.md").read_text()
    assert f"<!-- generated: {name} -->" in page and "| mner, tiny, batch 2 | fp32 |" in page
