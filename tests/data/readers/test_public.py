"""The public datasets are found, with images and crops, in every layout that people have."""

from __future__ import annotations

import pickle

import pytest
from fabricate import TWEETS, context, draw, kinds, pair, write, write_crop_list, write_pairs, write_tweets
from raising import raises

from hvpkit.data.readers import build_mnre, build_twitter2015, build_twitter2017
from hvpkit.errors import DataError

IDS = {split: [name for name, _ in tweets] for split, tweets in TWEETS.items()}
SPLITS = {"train": "train", "valid": "dev", "test": "test"}


def all_examples(dataset):
    return [example for examples in dataset.splits.values() for example in examples]


def images(dataset, root):
    return {
        example.id: example.image and example.image.relative_to(root).as_posix() for example in all_examples(dataset)
    }


# -------------------------------------------------------------------------------------------------------------------
# layouts
def released_tweets(root):
    write_tweets(root / "NER_data" / "twitter2017")
    write_tweets(root / "NER_data" / "twitter2015", {"train": [("10", [("other", "B-ORG")])]})
    for split, ids in IDS.items():
        for name in ids:
            draw(root / "NER_data" / "twitter2017_images" / f"{name}.jpg")
            draw(root / "NER_data" / "twitter2015_images" / f"{name}.jpg")
            crops = [f"{name}_pred_yolo_crop_{i}.png" for i in (2, 0, 1, 3)]
            folder = split.replace("valid", "val")
            for crop in crops:
                draw(root / "NER_data" / "twitter2017_aux_images" / folder / "crops" / crop)
            table = {f"{n}.jpg": [f"{n}_pred_yolo_crop_{i}.png" for i in (2, 0, 1, 3)] for n in ids}
            write_crop_list(root / "NER_data" / "twitter2017" / f"twitter2017_{folder}_dict.pth", table)
    return "NER_data/twitter2017_images"


def plain_tweets(root):
    write_tweets(root / "twitter2017")
    return "twitter2017"


def images_within(root):
    write_tweets(root / "Twitter-2017")
    return "Twitter-2017/images"


def images_beside(root):
    write_tweets(root / "twitter2017")
    return "my_Images_2017"


def deep(root):
    write_tweets(root / "code" / "data" / "NER_data" / "twitter2017")
    return "code/data/NER_data/twitter2017_images"


@pytest.mark.parametrize("layout", [released_tweets, plain_tweets, images_within, images_beside, deep])
def test_tweets_are_found_in_every_layout(tmp_path, layout):
    folder = layout(tmp_path)
    for ids in IDS.values():
        for name in ids:
            draw(tmp_path / folder / f"{name}.jpg")
    ask = context(tmp_path, tmp_path)
    dataset = build_twitter2017(ask).read()
    assert {split: len(found) for split, found in dataset.splits.items()} == {"train": 2, "dev": 1, "test": 1}
    assert images(dataset, tmp_path) == {name: f"{folder}/{name}.jpg" for ids in IDS.values() for name in ids}
    assert tmp_path / folder in dataset.search.folders
    assert dataset.search.missing == {}
    assert not any("2015" in str(path) for path in dataset.search.folders)
    assert ask.issues.issues() == []


@pytest.mark.parametrize("nested", ["images/{split}", "{split}"])
def test_images_in_folders_called_after_splits_are_found(tmp_path, nested):
    root = tmp_path / "twitter2017"
    write_tweets(root)
    for split, ids in IDS.items():
        for name in ids:
            draw(root / nested.format(split=split) / f"{name}.jpg")
    assert images(build_twitter2017(context(root, tmp_path)).read(), root) == {
        name: f"{nested.format(split=split)}/{name}.jpg" for split, ids in IDS.items() for name in ids
    }


def test_the_datasets_own_folder_is_a_root_with_its_released_neighbours(tmp_path):
    released_tweets(tmp_path)
    dataset = build_twitter2017(context(tmp_path / "NER_data" / "twitter2017", tmp_path)).read()
    assert images(dataset, tmp_path)["10"] == "NER_data/twitter2017_images/10.jpg"
    assert [len(example.objects) for example in all_examples(dataset)] == [3] * 4
    assert all(example.image.is_relative_to(dataset.images_root) for example in all_examples(dataset))


def test_a_folder_of_any_name_is_a_root(tmp_path):
    write_tweets(tmp_path / "stuff")
    draw(tmp_path / "stuff" / "10.jpg")
    dataset = build_twitter2017(context(tmp_path / "stuff", tmp_path)).read()
    assert images(dataset, tmp_path)["10"] == "stuff/10.jpg"
    assert dataset.search.missing == {"train": ("11.jpg",), "dev": ("20.jpg",), "test": ("30.jpg",)}


def test_the_folder_of_the_other_year_is_not_taken_for_this_one(tmp_path):
    write_tweets(tmp_path / "twitter2015")
    for root in (tmp_path, tmp_path / "twitter2015"):
        with raises(DataError, "no-text-files", dataset="twitter2017", folder=root):
            build_twitter2017(context(root, tmp_path)).read()
    assert len(build_twitter2015(context(tmp_path, tmp_path)).read().splits) == 3


def test_images_with_another_ending_are_found(tmp_path):
    write_tweets(tmp_path / "twitter2017")
    draw(tmp_path / "twitter2017_images" / "10.png")
    assert images(build_twitter2017(context(tmp_path, tmp_path)).read(), tmp_path)["10"] == "twitter2017_images/10.png"


def test_linked_image_folders_are_followed(tmp_path):
    draw(tmp_path / "disk" / "10.jpg")
    write_tweets(tmp_path / "root" / "twitter2017")
    (tmp_path / "root" / "twitter2017_images").symlink_to(tmp_path / "disk")
    dataset = build_twitter2017(context(tmp_path / "root", tmp_path)).read()
    assert images(dataset, tmp_path / "root")["10"] == "twitter2017_images/10.jpg"


def test_a_loop_of_links_ends(tmp_path):
    write_tweets(tmp_path / "twitter2017")
    (tmp_path / "twitter2017" / "images").symlink_to(tmp_path)
    assert len(build_twitter2017(context(tmp_path, tmp_path)).read().splits) == 3


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "a/b"])
def test_no_name_leads_outside(tmp_path, name):
    draw(tmp_path / "secret.jpg")
    write_tweets(tmp_path / "in" / "root", {"train": [(name, [("x", "O")])]})
    dataset = build_twitter2017(context(tmp_path / "in" / "root", tmp_path)).read()
    assert dataset.splits["train"][0].image is None


def test_missing_splits_are_allowed(tmp_path):
    write_tweets(tmp_path / "twitter2017", {"valid": TWEETS["valid"]})
    assert list(build_twitter2017(context(tmp_path, tmp_path)).read().splits) == ["dev"]


def test_missing_texts_are_reported_with_known_layouts(tmp_path):
    with raises(DataError, "no-text-files", dataset="twitter2017", folder=tmp_path) as caught:
        build_twitter2017(context(tmp_path, tmp_path)).read()
    assert "NER_data/twitter2017/{train,valid,test}.txt" in caught.value.fields["expected"]
    with raises(DataError, "root-missing", dataset="twitter2017", folder=tmp_path / "none"):
        build_twitter2017(context(tmp_path / "none", tmp_path)).read()


def test_two_copies_at_the_same_depth_are_refused(tmp_path):
    for folder in ("twitter2017", "twitter_2017"):
        write_tweets(tmp_path / folder)
    with raises(
        DataError,
        "dataset-found-twice",
        dataset="twitter2017",
        folders=[tmp_path / "twitter2017", tmp_path / "twitter_2017"],
    ):
        build_twitter2017(context(tmp_path, tmp_path)).read()


def test_two_files_for_one_split_are_refused(tmp_path):
    write_tweets(tmp_path / "twitter2017", {"valid": TWEETS["valid"], "dev": TWEETS["valid"]})
    files = {"first": tmp_path / "twitter2017" / "dev.txt", "second": tmp_path / "twitter2017" / "valid.txt"}
    with raises(DataError, "split-twice", **files, split="dev"):
        build_twitter2017(context(tmp_path, tmp_path)).read()


def test_text_alone_looks_for_no_images(tmp_path):
    released_tweets(tmp_path)
    dataset = build_twitter2017(context(tmp_path, tmp_path, text_only=True)).read()
    assert {(example.image, example.objects) for example in all_examples(dataset)} == {(None, ())}
    assert dataset.search is None


# ----------------------------------------------------------------------------------------------------------------------
# MNRE
def released_pairs(root):
    for split in ("train", "val", "test"):
        write_pairs(root / "RE_data" / "txt" / f"ours_{split}.txt", [pair("a.jpg"), pair("a.jpg", "None")])
        draw(root / "RE_data" / "img_org" / split / "a.jpg")
    write(root / "RE_data" / "ours_rel2id.json", "{}")
    return {split: f"RE_data/img_org/{split}/a.jpg" for split in ("train", "val", "test")}


def plain_pairs(root):
    for name in ("train", "val ", "test"):
        write_pairs(root / "mnre" / f"mnre_{name}.txt", [pair("a.jpg"), pair("a.jpg", "None")])
    draw(root / "mnre" / "img_org" / "a.jpg")
    return dict.fromkeys(("train", "val", "test"), "mnre/img_org/a.jpg")


def json_pairs(root):
    for name in ("train", "dev", "test"):
        write_pairs(root / "MNRE-v2" / f"{name}.jsonl", [pair("a.jpg"), pair("a.jpg", "None")], as_json=True)
    draw(root / "MNRE-v2" / "all_images" / "a.jpg")
    return dict.fromkeys(("train", "val", "test"), "MNRE-v2/all_images/a.jpg")


@pytest.mark.parametrize("layout", [released_pairs, plain_pairs, json_pairs])
def test_pairs_are_found_in_every_layout(tmp_path, layout):
    expected = layout(tmp_path)
    dataset = build_mnre(context(tmp_path, tmp_path)).read()
    assert len(dataset.labels.names) == 23
    for split, name in (("train", "train"), ("dev", "val"), ("test", "test")):
        assert [example.id for example in dataset.splits[split]] == ["a:1", "a:2"]
        assert {example.image for example in dataset.splits[split]} == {tmp_path / expected[name]}


def test_the_folder_of_the_texts_is_a_root_for_pairs_too(tmp_path):
    expected = released_pairs(tmp_path)
    for root in (tmp_path / "RE_data", tmp_path / "RE_data" / "txt"):
        dataset = build_mnre(context(root, tmp_path)).read()
        assert dataset.splits["dev"][0].image == tmp_path / expected["val"]


def test_both_tasks_live_under_one_root(tmp_path):
    released_tweets(tmp_path)
    released_pairs(tmp_path)
    assert set(images(build_twitter2017(context(tmp_path, tmp_path)).read(), tmp_path).values()) == {
        f"NER_data/twitter2017_images/{name}.jpg" for ids in IDS.values() for name in ids
    }
    assert all(
        "RE_data" in str(example.image) for example in all_examples(build_mnre(context(tmp_path, tmp_path)).read())
    )


# ---------------------------------------------------------------------------------------------------------------------
# crops
def names(example):
    return [thing.image.name for thing in example.objects]


def test_released_crops_are_taken_in_the_lists_order_three_at_most(tmp_path):
    released_tweets(tmp_path)
    example = build_twitter2017(context(tmp_path, tmp_path)).read().splits["dev"][0]
    assert names(example) == [f"20_pred_yolo_crop_{i}.png" for i in (2, 0, 1)]
    assert example.objects[0].image == tmp_path / "NER_data/twitter2017_aux_images/val/crops/20_pred_yolo_crop_2.png"


def test_crops_of_pairs_are_listed_by_line(tmp_path):
    texts = tmp_path / "RE_data" / "txt"
    write(texts / "ours_train.txt", f"{pair()!r}\nimport os\n{pair()!r}\n{pair()!r}\n")
    write_crop_list(texts / "mre_train_dict.pth", {0: ["a0.png"], 1: ["a1.png"], 2: ["a2.png", "crops/a0.png"]})
    draw(tmp_path / "RE_data" / "img_org" / "train" / "a.jpg")
    for name in ("a0", "a1", "a2"):
        draw(tmp_path / "RE_data" / "img_vg" / "train" / "crops" / f"{name}.png")
    dataset = build_mnre(context(tmp_path, tmp_path)).read()
    assert [(example.id, names(example)) for example in dataset.splits["train"]] == [
        ("a:1", ["a0.png"]),
        ("a:3", ["a2.png", "a0.png"]),
        ("a:4", []),
    ]


def test_a_crop_of_the_same_name_is_taken_from_the_splits_own_folder(tmp_path):
    for split in ("train", "val"):
        write_pairs(tmp_path / "RE_data" / "txt" / f"ours_{split}.txt", [pair()])
        write_crop_list(tmp_path / "RE_data" / "txt" / f"mre_{split.replace('val', 'dev')}_dict.pth", {0: ["c.png"]})
        draw(tmp_path / "RE_data" / "img_vg" / split / "crops" / "c.png")
    dataset = build_mnre(context(tmp_path, tmp_path)).read()
    for split, folder in (("train", "train"), ("dev", "val")):
        assert dataset.splits[split][0].objects[0].image == tmp_path / "RE_data" / "img_vg" / folder / "crops" / "c.png"


def test_crops_without_a_list_are_known_by_their_names_in_numerical_order(tmp_path):
    write_tweets(tmp_path / "twitter2017")
    for name in (
        "10_crop_10",
        "10_crop_9",
        "10.jpg_pred_yolo_crop_2",
        "10_crop_11",
        "1_crop_0",
        "110_crop_0",
        "10_2_crop_0",
    ):
        draw(tmp_path / "twitter2017_crops" / f"{name}.png")
    example = build_twitter2017(context(tmp_path, tmp_path)).read().splits["train"][0]
    assert names(example) == ["10.jpg_pred_yolo_crop_2.png", "10_crop_9.png", "10_crop_10.png"]


def test_listed_crops_that_are_not_there_are_counted(tmp_path):
    released_tweets(tmp_path)
    (tmp_path / "NER_data/twitter2017_aux_images/train/crops/10_pred_yolo_crop_0.png").unlink()
    dataset = build_twitter2017(context(tmp_path, tmp_path)).read()
    assert names(dataset.splits["train"][0]) == [f"10_pred_yolo_crop_{i}.png" for i in (2, 1)]
    assert dataset.search.missing_crops == {"train": ("10_pred_yolo_crop_0.png",)}


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("evil", "crop-list-unreadable"),
        ("text", "crop-list-unreadable"),
        (["a.png"], "crop-list-not-dict"),
        ({"10.jpg": "a.png"}, "crop-list-malformed"),
        ({("10.jpg",): ["a.png"]}, "crop-list-malformed"),
        ({"10.jpg": [1]}, "crop-list-malformed"),
    ],
)
def test_a_list_that_cannot_be_used_is_reported_and_never_run(tmp_path, table, code):
    released_tweets(tmp_path)
    file = tmp_path / "NER_data" / "twitter2017" / "twitter2017_train_dict.pth"
    if table == "evil":
        file.write_bytes(pickle.dumps(_Evil(tmp_path / "pwned")))
    elif table == "text":
        file.write_text("no pickle")
    else:
        write_crop_list(file, table)
    ask = context(tmp_path, tmp_path)
    dataset = build_twitter2017(ask).read()
    assert not (tmp_path / "pwned").exists()
    assert kinds(ask.issues) == {code: 1}
    assert ask.issues.issues()[0].messages[0].fields["file"] == file
    assert names(dataset.splits["train"][0]) == [f"10_pred_yolo_crop_{i}.png" for i in (0, 1, 2)]
