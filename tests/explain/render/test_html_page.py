"""The page as text: whole, escaped, and with a policy that lets nothing in."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image
from raising import raises

import hvpkit
from hvpkit.errors import MissingImageError
from hvpkit.explain.explain_example import explain_example
from hvpkit.explain.explanation import GateWeights, missing_reasons
from hvpkit.explain.render.format import STEPS, opacity_step, percentage_points
from hvpkit.explain.render.html_page import render, write_html
from hvpkit.inference.inputs import parse_example
from hvpkit.utils.percent import percent


@pytest.fixture(scope="module")
def explained(mner_model, mner_data):
    predictor = hvpkit.load(mner_model, device="cpu")
    return explain_example(predictor, parse_example(mner_data.examples("test")[0], predictor.folder.recipe))


@pytest.fixture(scope="module")
def page(explained):
    return render(explained, Path("runs/m"))


def having(page: str, tag: str, *classes: str) -> int:
    """Count the tags that have these classes."""
    return sum(set(classes) <= set(found.split()) for found in re.findall(rf'<{tag}\b[^>]*? class="([^"]*)"', page))


def test_nothing_is_loaded_and_everything_is_inside(page):
    assert not re.search(r"(src|href)=\"(?!data:image/jpeg;base64,|#)", page)
    assert "url(" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    allowed = dict(each.split(maxsplit=1) for each in html.unescape(policy).split(";"))
    assert (allowed["default-src"], allowed["img-src"]) == ("'none'", "data:")
    assert "unsafe" not in policy
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)


def test_it_says_that_attention_need_not_be_explanation(page, explained):
    assert explained.caution.code == "attention-caution"
    assert page.count(str(escape(explained.caution))) == 1


def test_words_images_and_tables_are_there(page, explained):
    assert having(page, "button", "word") == len(explained.words)
    assert having(page, "button", "crop") == 3
    assert having(page, "table", "gates") == 3
    assert having(page, "table", "cells") == 3 * len(explained.mentions)
    for change in explained.counterfactuals:
        assert change.name in page
    for decision in explained.decisions:
        assert percent(decision.confidence) in page


@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>", "{{ 7 * 7 }}", "&lt;b&gt;"]
)
def test_markup_in_texts_and_names_stays_text(explained, evil):
    word = replace(explained.words[0], text=evil, start=0, end=len(evil))
    mention = replace(explained.mentions[0], span=word, role=evil)
    spoilt = replace(
        explained,
        prediction=replace(explained.prediction, text=evil),
        words=(word,),
        attention=explained.attention[:1],
        mentions=(mention, *explained.mentions[1:]),
        images=tuple(replace(image, phrase=evil) for image in explained.images),
        counterfactuals=tuple(replace(change, name=evil) for change in explained.counterfactuals),
        gold=(evil,),
        notes=(evil,),
    )
    made = render(spoilt, Path(evil))
    assert ("{{ 7 * 7 }}" in made) == ("{{" in evil)
    assert str(escape(evil)) in made
    assert evil == "{{ 7 * 7 }}" or evil not in made
    assert made.count("<script>") == made.count("</script>") == made.count("<style>") == 1


def test_slices_are_never_called_levels_nor_their_parts_places(explained):
    released = replace(explained, gates=GateWeights(explained.gates.weights, "slice"), cells_are_spatial=False)
    made = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", render(released, Path("m")), flags=re.DOTALL)
    assert "slice" in made
    assert "level" not in made
    assert 'data-cells="parts"' in made
    assert having(made, "figure", "map") and not having(made, "figure", "map", "over")
    notes = list(missing_reasons(released))
    assert [note.code for note in notes] == ["slices-not-levels", "channel-groups-not-regions"]
    assert all(str(escape(note)) in made for note in notes)


def test_parts_that_are_places_lie_over_the_image(page, explained):
    assert 'data-cells="spatial"' in page
    assert having(page, "figure", "map", "over") == having(page, "figure", "map") > 0
    assert list(missing_reasons(explained)) == []


def test_missing_parts_of_an_explanation_are_noted(explained):
    bare = replace(explained, attention=(), gates=None)
    assert [note.code for note in missing_reasons(bare)] == ["attention-without-images", "gates-missing"]


def test_images_are_reencoded_without_metadata(explained, tmp_path):
    secret = Image.new("RGB", (40, 30), "red")
    exif = Image.Exif()
    exif[0x010E] = "SECRETPLACE"
    secret.save(tmp_path / "x.jpg", exif=exif)
    images = (replace(explained.images[0], file=tmp_path / "x.jpg"), *explained.images[1:])
    made = render(replace(explained, image=tmp_path / "x.jpg", images=images), Path("m"))
    for found in re.findall(r"base64,([^\"]+)", made):
        assert b"SECRETPLACE" not in base64.b64decode(found)


def test_a_text_without_images_has_a_page_too(explained):
    bare = replace(explained, images=(), attention=(), gates=None, counterfactuals=(), groups=(), image=None)
    bare = replace(bare, mentions=tuple(replace(mention, attention=None) for mention in bare.mentions))
    made = render(bare, Path("m"))
    assert 'id="no-counterfactuals"' in made
    assert not having(made, "table", "counterfactuals")
    assert "<img" not in made


def test_deleted_image_is_an_error_and_nothing_is_written(explained, tmp_path):
    with raises(MissingImageError, "image-missing", file=tmp_path / "gone.png"):
        write_html(tmp_path / "page.html", replace(explained, image=tmp_path / "gone.png"), Path("m"))
    assert not (tmp_path / "page.html").exists()


def test_scales():
    assert [opacity_step(share) for share in (0, 0.5, 1, 2, -1)] == [0, STEPS // 2, STEPS, STEPS, 0]
    assert opacity_step(0.1, 0.2) == STEPS // 2
    assert opacity_step(0.1, 0.0) == 0
    assert [percentage_points(change) for change in (0.123, -0.5, 0.0001)] == ["+12.3", "\u221250.0", "0.0"]
