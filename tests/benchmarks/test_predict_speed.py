from __future__ import annotations

import sys

import pytest

import predict_speed
import report
from subject import SHAPES, make_subject
from turns import Spent


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict-speed")
    subject = make_subject(folder, "mner", SHAPES["tiny"], size=32, images=2)
    return folder, subject, predict_speed.save(subject, folder / "model")


def test_both_sides_take_turns_and_the_first_turn_does_not_count():
    done: list[str] = []
    took = {"ours": 3.0, "bare": 2.0}

    def timed(work):
        work()
        return Spent(1.0, 99.0 if len(done) <= 2 else took[done[-1]])

    compared = predict_speed.in_turns(lambda: done.append("ours"), lambda: done.append("bare"), 2, timed)
    assert done == ["ours", "bare"] * 3
    predict_speed.in_turns(lambda: done.append("ours"), lambda: done.append("bare"), 2, timed, warm=True)
    assert done == ["ours", "bare"] * 5
    of_processor = {"cpu_seconds": 3.0, "cpu_seconds_of_yardstick": 2.0, "cpu_seconds_ratio": 1.5}
    assert compared.summary() == of_processor | {"seconds": 1.0, "seconds_of_yardstick": 1.0, "seconds_ratio": 1.0}


def test_the_processor_time_of_processes_that_work_begins_counts():
    busy = predict_speed.command(sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass")
    assert predict_speed.time_of(busy).cpu_seconds >= 0.3


def test_one_pair_and_a_file_of_pairs_are_set_beside_the_bare_networks(made):
    folder, subject, model = made
    compared = predict_speed.warm(model, subject, 8, 1, folder)
    one, many = list(predict_speed.TARGETS)[2:]
    assert list(compared) == [one, f"8 {many}"]
    assert all(each["cpu_seconds"] > 0 and each["cpu_seconds_of_yardstick"] > 0 for each in compared.values())
    assert len((folder / "out.jsonl").read_text().splitlines()) == 8
    text = predict_speed.section({"machine": report.machine(1), "shape": "tiny", "compared": compared})
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert [(row[0], row[-1]) for row in rows[2:]] == [
        (one, predict_speed.TARGETS[one]),
        (f"8 {many}", predict_speed.TARGETS[many]),
    ]


def test_the_bare_networks_read_every_text_and_every_image(made):
    import hvpkit

    _, subject, model = made
    ready = predict_speed._ready(hvpkit.load(model), subject.data.examples("train")[:10])
    assert [len(mask) for _, _, mask in ready] == [8, 2]
    assert [len(pixels) for pixels, _, _ in ready] == [32, 8]
