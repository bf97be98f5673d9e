"""Objects that are known: the dataset's own, PASCAL-VOC files by image, released lists of crops.

Hostile files are never followed.
"""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

import pytest
from fabricate import draw, write, write_crop_list
from PIL import Image
from raising import raises

from hvpkit.data.readers.crop_lists import CropListError
from hvpkit.detection.annotated import load_annotated
from hvpkit.detection.pascal_voc import read_pascal_voc
from hvpkit.errors import DataError
from hvpkit.interfaces import DetectionQuery
from hvpkit.types import Box, Example, VisualObject

VOC = """<annotation><size><width>100</width><height>50</height></size>
<object><name>Kevin Durant</name><bndbox><xmin>10</xmin><ymin>5</ymin><xmax>60</xmax><ymax>45</ymax></bndbox></object></annotation>"""  # noqa: E501

BOX = "<xmin>10</xmin><ymin>5</ymin><xmax>60</xmax><ymax>45</ymax>"


def query(example, split="train", size=(100, 50)):
    return DetectionQuery(Image.new("RGB", size), size, (), example, split)


def test_annotated_objects_of_the_dataset_are_returned():
    own = (VisualObject(box=Box(1, 2, 3, 4), phrase="a hat"),)
    assert load_annotated(None, None).detect(
        [query(Example("1", ("a",), objects=own)), query(Example("2", ("b",)))]
    ) == [list(own), []]


def test_voc_boxes_are_read_by_image_name(tmp_path):
    write(tmp_path / "17.xml", VOC)
    given = load_annotated(str(tmp_path), None)
    known, other = Example("1", ("a",), image=tmp_path / "17.jpg"), Example("2", ("b",), image=tmp_path / "18.jpg")
    assert given.detect([query(known), query(other)]) == [
        [VisualObject(box=Box(10, 5, 60, 45), phrase="Kevin Durant")],
        [],
    ]


def test_voc_boxes_are_rescaled_to_the_image_that_is_there(tmp_path):
    [found] = read_pascal_voc(write(tmp_path / "a.xml", VOC), (200, 200), [])
    assert found.box == Box(20, 20, 120, 180)


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><annotation>&y;</annotation>'
OUTSIDE = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><object><name>&x;</name></object></annotation>'
)


@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        (BOMB, "annotation-doctype", {}),
        (OUTSIDE, "annotation-doctype", {}),
        (BOMB.encode("utf-16"), "annotation-doctype", {}),
        ("<kml/>", "not-annotation", {"found": "kml"}),
    ],
)
def test_a_file_that_is_no_annotation_is_refused_with_its_name(tmp_path, text, code, fields):
    file = write(tmp_path / "a.xml", text)
    with raises(DataError, "annotation-unreadable", file=file) as refused:
        read_pascal_voc(file, (100, 50), [])
    reason = refused.value.fields["reason"]
    assert (reason.code, reason.fields) == (code, fields)


@pytest.mark.parametrize(
    ("text", "cause", "reason"),
    [
        ("<annotation>", ParseError, "no element found"),
        ("", ParseError, "no element found"),
        ('<?xml version="1.0" encoding="foo"?>' + VOC, LookupError, "unknown encoding"),
        (b"\xff\xfe\x00", ParseError, ""),
    ],
)
def test_a_file_that_no_parser_reads_is_refused_with_its_name(tmp_path, text, cause, reason):
    file = write(tmp_path / "a.xml", text)
    with raises(DataError, "annotation-unreadable", file=file) as refused:
        read_pascal_voc(file, (100, 50), [])
    assert isinstance(refused.value.__cause__, cause)
    assert reason in refused.value.fields["reason"] == str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("<xmin>10</xmin>", ""), "annotation-without-box"),
        (("<xmin>10", "<xmin>70"), "box-invalid"),
        (("<xmin>10", "<xmin>60"), "box-invalid"),
        (("<xmin>10", "<xmin>ten"), "box-invalid"),
        (("<xmin>10", "<xmin>nan"), "box-invalid"),
        ((BOX, "<xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>.9</ymax>"), "box-relative"),
        ((BOX, "<xmin>100</xmin><ymin>5</ymin><xmax>160</xmax><ymax>45</ymax>"), "box-outside"),
    ],
)
def test_a_bad_object_is_dropped_and_its_siblings_are_not(tmp_path, logged, change, code):
    bad = VOC.partition("</size>")[2].replace("</annotation>", "").replace(*change)
    file = write(tmp_path / "17.xml", VOC.replace("<object>", f"{bad}<object>", 1))
    given, asked = load_annotated(str(tmp_path), None), query(Example("1", ("a",), image=tmp_path / "17.jpg"))
    for _ in range(2):
        assert given.detect([asked]) == [[VisualObject(box=Box(10, 5, 60, 45), phrase="Kevin Durant")]]
    [message] = logged()  # once a file
    assert (message.code, message.fields["file"], message.fields["reason"].code) == ("annotation-issue", file, code)


def test_a_bad_annotation_is_that_images_error_alone(tmp_path):
    write(tmp_path / "1.xml", BOMB)
    write(tmp_path / "2.xml", VOC)
    queries = [query(Example(name, ("a",), image=tmp_path / f"{name}.jpg")) for name in ("1", "2")]
    bad, sound = load_annotated(str(tmp_path), None).detect(queries)
    assert (type(bad), bad.code, bad.fields["file"]) == (DataError, "annotation-unreadable", tmp_path / "1.xml")
    assert len(sound) == 1


def test_released_lists_give_crops_by_image_and_by_line(tmp_path):
    crops = tmp_path / "crops"
    paths = [draw(crops / f"a_{i}.png") for i in range(2)]
    write_crop_list(tmp_path / "t_train_dict.pth", {"a.jpg": ["a_0.png"], 4: ["a_1.png", "none.png"]})
    write_crop_list(tmp_path / "t_val_dict.pth", {"a.jpg": ["a_1.png"]})
    given = load_annotated(str(tmp_path), str(crops))
    named, pair = Example("1", ("a",), image=tmp_path / "a.jpg"), Example("b:5", ("a",), image=tmp_path / "b.jpg")
    found = given.detect([query(named), query(named, "dev"), query(pair), query(pair, "dev")])
    assert found == [[VisualObject(paths[0])], [VisualObject(paths[1])], [VisualObject(paths[1])], []]


def test_a_list_of_one_split_is_not_taken_for_anothers(tmp_path):
    crops = draw(tmp_path / "crops" / "a_0.png").parent
    write_crop_list(tmp_path / "mre_train_dict.pth", {4: ["a_0.png"]})
    given = load_annotated(str(tmp_path / "mre_train_dict.pth"), str(crops))
    pair = Example("b:5", ("a",), image=tmp_path / "b.jpg")
    assert given.detect([query(pair), query(pair, "dev"), query(pair, "test")]) == [
        [VisualObject(crops / "a_0.png")],
        [],
        [],
    ]


def test_a_list_of_no_split_is_by_images_alone(tmp_path):
    crops = draw(tmp_path / "crops" / "a_0.png").parent
    write_crop_list(tmp_path / "all.pth", {"a.jpg": ["a_0.png"]})
    write_crop_list(tmp_path / "two.pth", {"a.jpg": [], "a.png": ["a_0.png"]})
    two = load_annotated(str(tmp_path / "two.pth"), str(crops))
    assert two.detect([query(Example("1", ("a",), image=tmp_path / name)) for name in ("a.jpg", "a.png", "a.gif")]) == [
        [],
        [VisualObject(crops / "a_0.png")],
        [],
    ]
    found = load_annotated(str(tmp_path / "all.pth"), str(crops)).detect(
        [
            query(Example("1", ("a",), image=tmp_path / name), split)
            for name in ("a.jpg", "a.png")
            for split in ("train", "test")
        ]
    )
    assert found == [[VisualObject(crops / "a_0.png")]] * 4
    write_crop_list(tmp_path / "all.pth", {0: ["a_0.png"]})
    with raises(DataError, "crop-list-without-split", source=tmp_path / "all.pth"):
        load_annotated(str(tmp_path / "all.pth"), str(crops))


def test_what_is_no_source_is_refused(tmp_path):
    write_crop_list(tmp_path / "a_train_dict.pth", {"a.jpg": ["a.png"]})
    (tmp_path / "empty").mkdir()
    for source, crops, code, fields in (
        (tmp_path / "none", None, "source-missing", {"source": tmp_path / "none"}),
        (tmp_path / "empty", None, "source-without-objects", {"source": tmp_path / "empty"}),
        (tmp_path, None, "crop-folder-not-given", {"source": tmp_path}),
        (tmp_path, tmp_path / "none", "crop-folder-missing", {"source": tmp_path, "folder": str(tmp_path / "none")}),
        (None, tmp_path, "crops-without-source", {}),
    ):
        with raises(DataError, code, **fields):
            load_annotated(source and str(source), crops and str(crops))


def test_lists_of_two_datasets_are_refused(tmp_path):
    for name in ("twitter2015", "twitter2017"):
        write_crop_list(tmp_path / f"{name}_train_dict.pth", {"a.jpg": ["a.png"]})
    first, second = (tmp_path / f"{name}_train_dict.pth" for name in ("twitter2015", "twitter2017"))
    with raises(DataError, "crop-lists-of-one-split", first=first, second=second, split="train"):
        load_annotated(str(tmp_path), str(tmp_path))


def test_a_list_that_would_run_code_is_refused(tmp_path):
    write(tmp_path / "train_dict.pth", b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with raises(CropListError, "crop-list-unreadable", file=tmp_path / "train_dict.pth"):
        load_annotated(str(tmp_path / "train_dict.pth"), str(tmp_path))
