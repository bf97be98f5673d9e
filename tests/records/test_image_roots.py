"""Names of images: inside and outside of the folders that are allowed, spelled otherwise, and not files at all."""

from __future__ import annotations

import unicodedata

import pytest
from fabricate import draw

from hvpkit.images.decode import image_suffixes
from hvpkit.records.image_roots import ImageRoots


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "mine").mkdir()
    draw(tmp_path / "photos" / "a.png")
    return tmp_path / "mine", tmp_path / "photos"


@pytest.mark.parametrize("name", ["{photos}/a.png", "../photos/a.png", "link/a.png", "a.png", "a.jpg", "A.PNG"])
def test_files_in_a_named_folder_are_found(folders, name):
    mine, photos = folders
    (mine / "link").symlink_to(photos)
    roots = ImageRoots(mine, [photos])
    assert roots.find(name.format(photos=photos), "train") == photos / "a.png"
    assert roots.common_root == photos


@pytest.mark.parametrize("name", ["{photos}/a.png", "../photos/a.png", "link/a.png", "link.png"])
def test_files_in_other_folders_are_refused(folders, name):
    mine, photos = folders
    (mine / "link").symlink_to(photos)
    (mine / "link.png").symlink_to(photos / "a.png")
    found = ImageRoots(mine).find(name.format(photos=photos), "train")
    assert (found.code, found.fields) == (
        "image-outside-folder",
        {"image": name.format(photos=photos), "folder": mine},
    )


def test_a_name_that_is_nowhere_is_missing(folders):
    assert ImageRoots(*folders[:1], [folders[1]]).find("b.png", "train") is None


@pytest.mark.parametrize("url", ["https://example.org/a.png", "s3://bucket/a.png", "data:image/png;base64,AAAA"])
def test_a_url_is_named_unbroken(folders, url):
    found = ImageRoots(folders[0]).find(url, "train")
    assert (found.code, found.fields) == ("image-is-url", {"url": url})


@pytest.mark.parametrize(("stored", "named"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_normal_form_and_letter_case_of_names_do_not_matter(folders, stored, named):
    mine, photos = folders
    folder, file = (unicodedata.normalize(stored, name) for name in ("Fotos-Zürich", "Zoë.png"))
    draw(mine / folder / file)
    roots = ImageRoots(mine)
    wanted = unicodedata.normalize(named, "fotos-zürich/ZOË.PNG")
    assert roots.find(wanted, "train") == mine / folder / file
    draw(photos / file)
    assert ImageRoots(mine, [photos]).find(unicodedata.normalize(named, "zoë"), "train") == photos / file


def test_the_exact_name_wins(folders):
    mine, _ = folders
    for name in ("x.png", "X.png", "x.gif"):
        draw(mine / name)
    roots = ImageRoots(mine)
    assert [roots.find(name, "train").name for name in ("x.png", "X.png", "x.gif")] == ["x.png", "X.png", "x.gif"]


@pytest.mark.parametrize("suffix", sorted(image_suffixes()))
def test_every_ending_that_can_be_decoded_is_found(folders, suffix):
    mine, photos = folders
    file = photos / f"1001{suffix}"
    file.touch()
    roots = ImageRoots(mine, [photos])
    assert [roots.find(name, "train") for name in ("1001", "1001.jpg", f"1001{suffix}")] == [file] * 3


def test_dots_of_a_name_are_no_ending(folders):
    mine, _ = folders
    draw(mine / "16.05.png")
    assert ImageRoots(mine).find("16.05", "train") == mine / "16.05.png"
    assert ImageRoots(mine).find("16.06", "train") is None


def test_a_bare_name_is_found_in_subfolders_of_named_folders_that_of_its_split_first(folders):
    mine, photos = folders
    for split in ("train", "val"):
        draw(photos / split / "b.png")
    roots = ImageRoots(mine, [photos])
    assert [roots.find("b.png", split).parent.name for split in ("train", "dev")] == ["train", "val"]


def test_the_common_root_contains_all_that_was_found(folders):
    mine, photos = folders
    draw(mine / "c.png")
    roots = ImageRoots(mine, [photos])
    assert roots.common_root == mine
    for name in ("c.png", "a.png"):
        assert roots.find(name, "train").is_relative_to(roots.common_root)
    assert roots.common_root == mine.parent
