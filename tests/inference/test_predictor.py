"""Prediction from Python: typed, with characters that are right, in order, and nothing kept or left behind."""

from __future__ import annotations

import subprocess
import sys
from itertools import count, islice
from pathlib import Path

import pytest
import tiny
from PIL import Image
from raising import raises

import hvpkit
from hvpkit.errors import DataError, ImageError, InputError, MissingImageError, ModelFolderError
from hvpkit.inference.inputs import PredictionInput
from hvpkit.inference.predictions import EntityPrediction, RelationPrediction
from hvpkit.records.issues import RecordError
from hvpkit.types import Box, TextSpan, VisualObject


@pytest.fixture(scope="module")
def mner(mner_model):
    return hvpkit.load(mner_model, device="cpu")


@pytest.fixture(scope="module")
def mre(mre_model):
    return hvpkit.load(mre_model, device="cpu")


@pytest.fixture(scope="module")
def text_only(mner_text_model):
    return hvpkit.load(str(mner_text_model), device="cpu")


@pytest.fixture
def image(tmp_path) -> Path:
    return tiny.draw(tmp_path / "a.png", 5, (48, 40))


def confidences(prediction) -> list[float]:
    """Return the numbers of a prediction."""
    if isinstance(prediction, EntityPrediction):
        return [entity.confidence for entity in prediction.entities]
    return [share for _, share in prediction.relation.probabilities]


# ------------------------------------------------------------------------------------------------------------------
# loading
def test_importing_hvpkit_imports_no_torch():
    program = (
        "import sys, hvpkit; hvpkit.__version__; dir(hvpkit); "
        "print([m for m in ('torch', 'transformers', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with raises(ModelFolderError, "model-folder-missing", folder=tmp_path / "no"):
        hvpkit.load(tmp_path / "no")


def test_a_predictor_knows_its_task(mner, mre):
    assert (mner.task, mre.task) == ("mner", "mre")


def test_a_plugin_file_may_be_named_at_any_time(mner, mner_text_model, tmp_path):
    plugin = tmp_path / "a_reader.py"
    plugin.write_text(
        "from hvpkit.hookspecs import hookimpl\n\n\n@hookimpl\ndef register_readers(register):\n    register('mine', print)\n",  # noqa: E501
        encoding="utf-8",
    )
    assert hvpkit.load(mner_text_model, [plugin]).folder.registry.names("reader").count("mine") == 1


# -----------------------------------------------------------------------------------------------------------------
# entities
@pytest.mark.parametrize(
    "text",
    [
        "Taylor Hill holding Jun's GQ japan lol.",
        "😂👨\u200d👩\u200d👧 Ada 🇩🇪 visits New York 👍🏽!",
        "שלום Ada עולם, ب Bob",
        "Zoe\u0301  in\nOslo",
        "x",
    ],
)
def test_entities_stand_at_their_characters(mner, text, image):
    found = mner.predict(text, image=image)
    assert isinstance(found, EntityPrediction)
    assert (found.text, found.image_used) == (text, True)
    assert [note.code for note in found.notes] == ["objects-not-given"]
    for entity in found.entities:
        assert text[entity.start : entity.end] == entity.text == entity.text.strip()
        assert entity.type in {"PER", "LOC"}
        assert 0 <= entity.confidence <= 1
    starts = [entity.start for entity in found.entities]
    assert starts == sorted(starts)


def test_the_model_finds_something_or_these_tests_say_nothing(mner):
    assert mner.predict("Taylor Hill visits Paris and Bob loves Oslo").entities


def test_tokens_give_the_same_as_their_text(mner):
    tokens = mner.predict(["Ada", "visits", "New", "York", "!"])
    assert tokens.text == "Ada visits New York !"
    assert tokens == mner.predict("Ada visits New York !")


def test_ten_thousand_words_work(mner, image):
    text = "Ada visits New York and 😂 loves Bob. " * 1112
    found = mner.predict(text, image)
    assert found.entities[-1].end > len(text) - 200
    assert all(text[e.start : e.end] == e.text for e in found.entities)
    assert all(one.end <= other.start for one, other in zip(found.entities, found.entities[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "text-without-words"), (" \n", "text-without-words"), ("a\udc80", "lone-surrogate"), ([], "no-words")],
)
def test_a_text_without_words_is_refused(mner, text, code):
    with raises(RecordError, code):
        mner.predict(text)


def test_a_pair_is_not_for_entities(mner):
    with raises(RecordError, "pair-unexpected"):
        mner.predict("Ada in Oslo", head="Ada", tail="Oslo")


# ----------------------------------------------------------------------------------------------------------------
# relations
def test_a_relation_comes_with_its_mentions_and_all_classes(mre, image):
    found = mre.predict("Taylor Hill holding Jun's GQ", image, head="Taylor Hill", tail="20:23")
    assert isinstance(found, RelationPrediction)
    assert (found.head, found.tail) == (TextSpan("Taylor Hill", 0, 11), TextSpan("Jun", 20, 23))
    assert found.image_used
    names, shares = zip(*found.relation.probabilities, strict=True)
    assert len(names) == len(set(names)) == 23
    assert sum(shares) == pytest.approx(1)
    assert list(shares) == sorted(shares, reverse=True)
    assert (found.relation.label, found.relation.confidence) == (names[0], shares[0])


def test_which_of_two_places_was_taken_is_said_and_matters(mre):
    text = "Jun visits Oslo and Bob loves Jun"
    first, second = mre.predict(text, head="Jun", tail="Oslo"), mre.predict(text, head=(30, 33), tail="Oslo")
    repeated = {"role": "head", "mention": "Jun", "count": 2, "number": 1, "start": 0, "end": 3}
    assert (first.notes[0].code, first.notes[0].fields) == ("mention-repeated", repeated)
    assert confidences(first) != confidences(second)
    assert confidences(first) == confidences(mre.predict(text, head=(0, 3), tail="Oslo"))


def test_head_and_tail_are_not_the_same_to_the_model(mre):
    one, other = (
        mre.predict("Ada loves Bob", head="Ada", tail="Bob"),
        mre.predict("Ada loves Bob", head="Bob", tail="Ada"),
    )
    assert confidences(one) != confidences(other)


def test_a_pair_in_a_long_text_says_which_words_were_read(mre):
    text = "visits " * 500 + "Ada loves Bob " + "visits " * 500
    found = mre.predict(text, head="Ada", tail="Bob")
    assert (found.head.start, found.tail.start) == (3500, 3510)
    [note] = [note for note in found.notes if note.code == "text-read-in-part"]
    assert note.fields["count"] == 1003
    assert 1 < note.fields["first"] <= 501
    assert 503 <= note.fields["last"] < 1003
    assert 0 < note.fields["start"] <= 3500
    assert 3513 <= note.fields["end"] < len(text)


def test_a_pair_too_far_apart_is_refused(mre):
    with raises(DataError, "pair-too-far-apart", limit=26) as refused:
        mre.predict("Ada " + "visits " * 500 + "Bob", head="Ada", tail="Bob")
    assert refused.value.fields["wordpieces"] >= 502


# -----------------------------------------------------------------------------------------------------------------
# images
def test_the_image_matters(mner, image, tmp_path):
    text, other = "Ada visits New York !", tiny.draw(tmp_path / "b.png", 9)
    seen = {tuple(confidences(mner.predict(text, candidate))) for candidate in (None, image, other)}
    assert len(seen) == 3


def test_missing_image_is_noted(mner):
    found = mner.predict("Ada visits New York !")
    assert not found.image_used
    assert [note.code for note in found.notes] == ["image-not-given"]


def test_a_model_without_images_says_so_and_opens_none(text_only, tmp_path):
    found = text_only.predict("Ada visits New York !", tmp_path / "missing.png")
    assert not found.image_used
    assert [note.code for note in found.notes] == ["model-without-images"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1", "I;16"])
def test_an_opened_image_is_read_as_its_file_is(mner, mode, tmp_path):
    drawn = Image.open(tiny.draw(tmp_path / "a.png", 5, (48, 40)))
    turned = drawn.convert("L").convert(mode) if mode == "I;16" else drawn.convert(mode)
    file = tmp_path / ("b.tif" if mode == "CMYK" else "b.png")
    turned.save(file)
    from_file = mner.predict("Ada visits Oslo", file)
    assert mner.predict("Ada visits Oslo", turned) == from_file
    assert mner.predict("Ada visits Oslo", file.read_bytes()) == from_file


def test_an_opened_photo_is_turned_upright_as_its_file_is(mner, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = Image.open(tiny.draw(tmp_path / "a.png", 5, (48, 30)))
    drawn.save(tmp_path / "b.png", exif=exif)
    with Image.open(tmp_path / "b.png") as photo:
        assert mner.predict("Ada visits Oslo", photo) == mner.predict("Ada visits Oslo", tmp_path / "b.png")
    assert mner.predict("Ada visits Oslo", drawn) != mner.predict("Ada visits Oslo", tmp_path / "b.png")


def test_objects_may_be_crops_boxes_or_opened_images(mner, image):
    whole = Image.open(image)
    cut = whole.crop((4, 6, 30, 34))
    cut.save(image.with_name("cut.png"))
    given = [
        [VisualObject(box=Box(4, 6, 30, 34))],
        [image.with_name("cut.png")],
        [cut],
        [VisualObject(image.with_name("cut.png"))],
    ]
    given += [[{"box": [4, 6, 30, 34]}], [{"image": cut}], [{"image": image.with_name("cut.png")}]]
    given += [[image.with_name("cut.png").read_bytes()]]
    found = [mner.predict("Ada visits Oslo", image, objects=objects) for objects in given]
    assert all(confidences(one) == confidences(found[1]) for one in found)
    assert confidences(found[0]) != confidences(mner.predict("Ada visits Oslo", image))


def test_unreadable_image_is_refused(mner, tmp_path):
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    for image, error, code in (
        (tmp_path / "missing.png", MissingImageError, "image-missing"),
        (tmp_path / "text.png", ImageError, "not-image"),
        (tmp_path, ImageError, "image-not-file"),
    ):
        with raises(error, code, file=image):
            mner.predict("Ada", image)
    with raises(ImageError, "pil-image-size", width=0, height=0):
        mner.predict("Ada", Image.new("RGB", (0, 0)))


def test_an_opened_image_that_breaks_off_is_refused(mner, image):
    image.write_bytes(image.read_bytes()[:60])
    with Image.open(image) as broken, raises(ImageError, "pil-image-damaged"):
        mner.predict("Ada", broken)


# ---------------------------------------------------------------------------------------------------------------------
# many
def test_many_come_in_order_and_a_bad_one_gives_its_error(mner, image):
    bad = DataError("text-without-words", text=" ")
    given = [
        "Ada visits Oslo",
        "",
        bad,
        {"text": "Bob"},
        {"txt": "Bob"},
        PredictionInput("Jun", image=image),
        {"text": "A", "image": 3},
    ]
    found = list(mner.predict_many(given, batch_size=1))
    assert [getattr(one, "text", type(one).__name__) for one in found] == [
        "Ada visits Oslo", "RecordError", "DataError", "Bob", "RecordError", "Jun", "RecordError"
    ]  # fmt: skip
    assert [one.code for one in found if isinstance(one, InputError)] == [
        "text-without-words",
        "text-without-words",
        "no-tokens-or-text",
        "image-invalid",
    ]
    assert found[2] is bad
    assert found[5].image_used


def test_whatever_is_no_input_gives_its_error_and_the_others_are_predicted(mner):
    given = ["Ada in Paris", 5, None, ["Ada", "in", "Paris"], b"Ada", {"txt": "Ada"}]
    found = list(mner.predict_many(given))
    assert [isinstance(each, InputError) for each in found] == [False, True, True, False, True, True]
    assert found[0].entities == found[3].entities


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused(mner, batch_size):
    with raises(InputError, "batch-size-below-one", found=batch_size):
        list(mner.predict_many(["Ada"], batch_size))


def test_many_stream_without_end(mner):
    texts = ("Ada" if number % 3 else "" for number in count())
    found = list(islice(mner.predict_many(texts, batch_size=2), 100))
    assert [isinstance(one, DataError) for one in found] == [number % 3 == 0 for number in range(100)]


def test_errors_alone_do_not_pile_up(mner):
    taken = []

    def errors():
        for number in count():
            taken.append(number)
            yield DataError("text-not-a-string", found=number)

    found = mner.predict_many(errors(), batch_size=2)
    assert [next(found).fields["found"] for _ in range(50)] == list(range(50))
    assert len(taken) <= 64


def test_images_in_memory_make_no_files(mner, image, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    for given in (Image.open(image), image.read_bytes()):
        found = list(mner.predict_many(({"text": "Ada", "image": given} for _ in range(5)), batch_size=1))
        assert all(prediction.image_used for prediction in found)
    assert not (tmp_path / "missing").exists()


def test_bytes_that_are_no_image_are_refused(mner):
    for content, code in ((b"no image", "not-image"), (b"", "image-empty")):
        with raises(ImageError, code, file="image in memory"):
            mner.predict("Ada", content)
