from __future__ import annotations

import pytest
from raising import raises

import scaling
from hvpkit.errors import MissingImageError
from subject import SHAPES
from turns import memory


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaling")
    predictor = scaling.open_predictor(folder, SHAPES["tiny"], None, 64, 2)
    return predictor, scaling.asked(predictor, folder), sorted((folder / "objects").iterdir())


def test_stream_is_measured_at_each_doubling_with_constant_memory(small):
    predictor, given, _ = small
    bare = [{"tokens": one["tokens"]} for one in given]
    scaling.consume(predictor.predict_many(bare))
    before = memory()["own"]
    rows = scaling.stream(predictor, bare, 256, 1024)
    assert [row["examples"] for row in rows] == [256, 512, 1024]
    assert rows[0]["cpu_seconds"] < rows[1]["cpu_seconds"] < rows[2]["cpu_seconds"]
    assert rows[-1]["own_mb"] - before < 30  # 1024 answers kept with their examples' tensors and scores would show


def test_every_table_has_a_row_for_each_size(small, monkeypatch):
    predictor, given, crops = small
    for name, few in (("WORDS", (4, 150)), ("OBJECTS", (0, 2)), ("BATCHES", (1, 8))):
        monkeypatch.setattr(scaling, name, few)
    tables = {
        "words": scaling.lengths(predictor, given, 1),
        "objects": scaling.objects(predictor, given, crops, 1),
        "batch size": scaling.batches(predictor, given[:8], 1),
    }
    for column, rows in tables.items():
        assert len(rows) == 2
        assert all(row["seconds"] > 0 and row["examples_a_second"] > 0 for row in rows), column
    text = scaling.section({"machine": scaling.report.machine(1), "shape": "tiny", "tables": tables})
    assert "| batch size | CPU seconds per example | examples/s |" in text


def test_a_failed_prediction_ends_the_measurement(small, tmp_path):
    predictor, given, _ = small
    with raises(MissingImageError, "image-missing", file=tmp_path / "gone.jpg"):
        scaling.consume(predictor.predict_many([given[0] | {"image": tmp_path / "gone.jpg"}]))
