"""Figures of chosen examples: drawn in each format, whatever stands in a tweet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from raising import raises

import hvpkit
from hvpkit.errors import DataError, InputError
from hvpkit.explain.explain_example import explain_example
from hvpkit.explain.output_files import check_figures, figure_kind
from hvpkit.explain.render.figures import gates_figure, write_figure
from hvpkit.explain.request import parse_crop
from hvpkit.inference.inputs import parse_example
from hvpkit.types import Box, VisualObject

pytest.importorskip("matplotlib", reason="figures are drawn with matplotlib, which is not installed")


@pytest.fixture(scope="module")
def explained(mner_model, mner_data):
    predictor = hvpkit.load(mner_model, device="cpu")
    return [
        explain_example(predictor, parse_example(example, predictor.folder.recipe))
        for example in mner_data.examples("test")[:3]
    ]


@pytest.mark.parametrize("name", ["gates.png", "gates-test.pdf", "attention.svg", "attention.png"])
def test_each_figure_is_drawn_in_each_format(explained, tmp_path, name):
    write_figure(tmp_path / "new" / name, explained)
    content = (tmp_path / "new" / name).read_bytes()
    if name.endswith("png"):
        with Image.open(tmp_path / "new" / name) as drawn:
            assert min(drawn.size) > 200
    else:
        assert content.startswith(b"%PDF" if name.endswith("pdf") else b"<?xml")


def test_figure_4_has_a_map_a_layer_with_examples_by_levels(explained):
    maps = [axis for axis in gates_figure(explained).axes if axis.images]
    assert [int(axis.get_title().split()[-1]) for axis in maps] == [1, 2]
    for layer, axis in enumerate(maps):
        shown = axis.images[0].get_array()
        assert shown.shape == (3, 4)
        for row, each in enumerate(explained):
            expected = [
                sum(image[layer][level] for image in each.gates.weights) / len(each.images) for level in range(4)
            ]
            assert shown[row].tolist() == pytest.approx(expected)


def test_slices_are_never_called_levels(explained):
    figure = gates_figure([replace(e, gates=replace(e.gates, level_name="slice")) for e in explained])
    said = [text.get_text() for text in figure.findobj(lambda thing: hasattr(thing, "get_text"))]
    assert any("slice" in text for text in said)
    assert not any("level" in text for text in said)


def test_formulas_and_emoji_in_a_tweet_are_drawn_as_they_stand(explained, tmp_path):
    odd = replace(explained[0], prediction=replace(explained[0].prediction, text="$x_1^{$ costs $5 😀 \u4f60"))
    write_figure(tmp_path / "attention.svg", [odd])


def test_nothing_to_draw_is_an_error(explained, tmp_path):
    bare = [replace(e, gates=None, mentions=()) for e in explained]
    for name, code in (("gates.png", "figure-without-gates"), ("attention.png", "figure-without-attention")):
        with raises(InputError, code):
            write_figure(tmp_path / name, bare)
        assert not (tmp_path / name).exists()


def test_names_say_what_to_draw(tmp_path, monkeypatch):
    assert figure_kind(tmp_path / "gates.pdf") == "gates"
    assert figure_kind(tmp_path / "attention_2017.SVG") == "attention"
    for name in ("figure4.pdf", "gates.jpg", "gates"):
        with raises(InputError, "figure-name", file=tmp_path / name, formats=(".pdf", ".png", ".svg")):
            check_figures([tmp_path / name])
    monkeypatch.setattr("hvpkit.explain.output_files.find_spec", lambda name: None)
    with raises(InputError, "figure-needs-matplotlib"):
        check_figures([tmp_path / "gates.pdf"])
    check_figures([])


def test_objects_are_crops_or_boxes(tmp_path):
    assert parse_crop("a.png") == VisualObject(tmp_path.__class__("a.png"))
    assert parse_crop("1,2.5,30,40") == VisualObject(box=Box(1, 2.5, 30, 40))
    for wrong, code in (("1,2,3,x", "crop-malformed"), ("10,2,3,4", "crop-inverted")):
        with raises(DataError, code, given=wrong):
            parse_crop(wrong)
