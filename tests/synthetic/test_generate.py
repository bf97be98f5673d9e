import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image
from raising import raises

from hvpkit.data.prepared import open_prepared
from hvpkit.errors import DataError, InputError
from hvpkit.synthetic.generate import contrast_pairs, dataset_name, generate, generate_demo
from hvpkit.synthetic.scenarios import MIN_EXAMPLES, SyntheticSettings
from hvpkit.synthetic.upper_bounds import upper_bounds
from hvpkit.types import SPLITS

SMALL = {"size": 40, "seed": 3}


@pytest.fixture(scope="module", params=["mner", "mre"])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    return generate(folder, task=request.param, **SMALL), open_prepared(folder)


@pytest.fixture(scope="module")
def mner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    generate(folder, **SMALL)
    return open_prepared(folder)


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def without_images(examples):
    return [replace(example, image=None, objects=(), metadata={}) for example in examples]


def test_a_prepared_folder_is_written_with_every_split(made):
    manifest, data = made
    assert manifest == data.manifest
    assert manifest.counts == {"train": 40, "dev": 24, "test": 24}
    assert manifest.name == dataset_name(manifest.task)
    assert manifest.images_root == "."


def test_every_image_and_crop_is_there_and_no_other_file(made):
    _, data = made
    named = {
        path
        for split in SPLITS
        for e in data.examples(split)
        for path in (e.image, *(item.image for item in e.objects))
    }
    lying = {path for path in data.folder.rglob("*") if path.is_file()}
    assert lying - named == {data.folder / "manifest.json", *(data.folder / f"{split}.jsonl" for split in SPLITS)}
    for path in named:
        with Image.open(path) as image:
            assert image.format == "PNG" and image.mode == "RGB"


def test_metadata_describes_each_example(made):
    _, data = made
    for example in data.examples("train"):
        notes = example.metadata
        assert set(notes) == {"clue", "ambiguous", "informative", "type", "deciding_object"}
        labels = {tag[2:] for tag in example.tags if tag != "O"} if example.tags else {example.relation}
        assert notes["type"] in labels | ({"none"} if not labels else set())
        assert (notes["clue"] == "none") == (notes["informative"] == "no")
        if notes["clue"] in ("none", "scene"):
            assert notes["deciding_object"] == "none"
        else:
            assert 0 <= int(notes["deciding_object"]) < len(example.objects)


def test_ambiguous_examples_have_the_same_image_only_if_it_is_uninformative(made):
    _, data = made
    by_sentence = {}
    for example in data.examples("train"):
        if example.metadata["ambiguous"] == "yes":
            by_sentence.setdefault(example.id.rpartition("-")[0], []).append(example)
    assert {same[0].metadata["informative"] for same in by_sentence.values()} == {"yes", "no"}
    for same in by_sentence.values():
        images = {example.image for example in same}
        assert len(images) == (len(same) if same[0].metadata["informative"] == "yes" else 1)


def test_facts_contain_settings_fractions_and_upper_bounds(made):
    manifest, data = made
    assert manifest.facts["settings"]["seed"] == 3
    for split in ("dev", "test"):
        assert manifest.facts["upper_bounds"][split] == upper_bounds(data.examples(split))
        best = manifest.facts["upper_bounds"][split]["all"]
        assert 0 < best["text"] < best["image"] < 1


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_the_same_seed_writes_the_same_bytes_in_another_process_and_hash_seed(task, tmp_path):
    generate(tmp_path / "one" / "data", task=task, size=24)
    code = f"from pathlib import Path; from hvpkit.synthetic.generate import generate; generate(Path('two/data'), task={task!r}, size=24)"  # noqa: E501
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    one = digests(tmp_path / "one" / "data")
    assert len(one) > 200
    assert one == digests(tmp_path / "two" / "data")


def test_another_seed_writes_other_texts_and_images(mner, tmp_path):
    generate(tmp_path / "data", **SMALL | {"seed": 4})
    other = open_prepared(tmp_path / "data")
    assert other.manifest.fingerprint != mner.manifest.fingerprint
    images = {path.read_bytes() for path in (tmp_path / "data" / "images").iterdir()}
    assert not images & {path.read_bytes() for path in (mner.folder / "images").iterdir()}


def test_fraction_of_uninformative_test_images_changes_only_these_images(mner, tmp_path):
    generate(tmp_path / "data", **SMALL, test_uninformative=1.0)
    other = open_prepared(tmp_path / "data")
    assert other.manifest.fingerprint == mner.manifest.fingerprint
    for split in ("train", "dev"):
        assert (other.folder / f"{split}.jsonl").read_bytes() == (mner.folder / f"{split}.jsonl").read_bytes()
    assert without_images(other.examples("test")) == without_images(mner.examples("test"))
    assert {example.metadata["informative"] for example in other.examples("test")} == {"no"}
    best = other.manifest.facts["upper_bounds"]["test"]["all"]
    assert best["text"] == best["image"]


def test_images_that_stay_relevant_stay_the_same(mner, tmp_path):
    generate(tmp_path / "data", **SMALL, test_uninformative=0.7)
    before = {example.id: example for example in mner.examples("test")}
    stayed = [
        example
        for example in open_prepared(tmp_path / "data").examples("test")
        if example.metadata["informative"] == "yes"
    ]
    assert stayed
    for example in stayed:
        assert example.image.read_bytes() == before[example.id].image.read_bytes()
        assert [item.box for item in example.objects] == [item.box for item in before[example.id].objects]


def test_a_folder_that_holds_other_data_is_refused_and_left_as_it_is(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "thesis.txt").write_text("all my work")
    with raises(DataError, "output-holds-other-files", folder=folder, files=["thesis.txt"]):
        generate(folder, **SMALL)
    assert digests(tmp_path) == {"data/thesis.txt": hashlib.sha256(b"all my work").hexdigest()}


def test_demo_data_of_the_other_task_is_refused(mner):
    before = (mner.folder / "manifest.json").read_bytes()
    with raises(DataError, "output-holds-other-data", folder=mner.folder, found="demo", expected="demo-mre"):
        generate(mner.folder, task="mre", **SMALL)
    assert (mner.folder / "manifest.json").read_bytes() == before


def test_invalid_settings_write_nothing(tmp_path):
    with raises(InputError, "demo-too-small", size=5, minimum=MIN_EXAMPLES):
        generate(tmp_path / "data", size=5)
    assert not list(tmp_path.iterdir())


def test_an_older_demo_is_replaced_whole(tmp_path):
    generate(tmp_path / "data", size=30)
    generate(tmp_path / "data", size=24)
    generate(tmp_path / "fresh", size=24)
    assert digests(tmp_path / "data") == digests(tmp_path / "fresh")


def test_contrast_pairs_have_one_sentence_two_images_and_two_labels(made):
    _, data = made
    pairs = contrast_pairs(data.examples("test"))
    assert pairs
    for one, other in pairs:
        assert one.words == other.words and (one.head, one.tail) == (other.head, other.tail)
        assert one.metadata["type"] != other.metadata["type"]
        assert one.image.read_bytes() != other.image.read_bytes()
    ids = [example.id for pair in pairs for example in pair]
    assert len(set(ids)) == len(ids)


def test_text_only_draws_nothing(tmp_path):
    dataset = generate_demo(SyntheticSettings(size=24), tmp_path, text_only=True)
    assert {example.image for examples in dataset.splits.values() for example in examples} == {None}
    assert dataset.images_root is None
    assert not list(tmp_path.iterdir())
