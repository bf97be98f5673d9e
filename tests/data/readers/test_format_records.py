"""Records of the formats that break, or that have something the own form has no place for."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from fabricate import context, draw, kinds, some, write
from raising import raises

from hvpkit.errors import DataError
from hvpkit.records.issues import IssueLog, ReadingContext
from hvpkit.records.json_values import MAX_LITERAL, read_objects
from hvpkit.registry import load_registry

REGISTRY = load_registry()
GLINER = {"tokenized_text": ["Ann", "saw", "Rome"], "ner": [[0, 0, "PER"]]}
DEEPKE = {"token": ["Ann", "of", "Rome"], "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}, "relation": "lives in"}
DOCCANO = {"text": "Ann saw Rome", "label": [[0, 3, "PER"]]}
HF = {"tokens": ["Ann", "saw"], "ner_tags": ["B-PER", "O"]}
SPACY = {"text": "Ann saw", "spans": [{"start": 0, "end": 3, "label": "PER"}]}
STUDIO = {
    "data": {"text": "Ann saw"},
    "annotations": [{"result": [{"type": "labels", "value": {"start": 0, "end": 3, "labels": ["PER"]}}]}],
}


def load(path, name, tmp_path, text_only=True, **options):
    ask = context(path, tmp_path, text_only=text_only)
    return REGISTRY.build("reader", name, ask, options).read(), ask.issues


def read(tmp_path, name, *records, file="train.json", **options):
    path = write(tmp_path / "mine" / file, "".join(json.dumps(record) + "\n" for record in records))
    return load(path, name, tmp_path, **options)


def train(dataset):
    return list(dataset.splits["train"])


@pytest.mark.parametrize(
    ("name", "good", "bad", "code", "fields"),
    [
        ("gliner", GLINER, {**GLINER, "ner": [[0, 9, "PER"]]}, "span-outside", {"name": "entity 1", "end": 10}),
        ("gliner", GLINER, {**GLINER, "ner": [[1, 0, "PER"]]}, "span-empty", {}),
        ("gliner", GLINER, {**GLINER, "ner": [["0", 0, "PER"]]}, "span-not-integers", {"start": "0"}),
        ("gliner", GLINER, {**GLINER, "ner": [[0, 0]]}, "value-invalid", {"key": "ner", "found": [0, 0]}),
        ("gliner", GLINER, {"tokenized_text": ["a"]}, "value-invalid", {"key": "ner", "found": None}),
        ("gliner", GLINER, {**GLINER, "tokenized_text": "a"}, "value-invalid", {"key": "tokenized_text"}),
        ("gliner", GLINER, {**GLINER, "ner": [[0, 1, "PER"], [1, 2, "LOC"]]}, "entities-overlap", {"number": 2}),
        ("gliner", GLINER, {**GLINER, "ner": [[0, 2, "PER"], [1, 1, "LOC"]]}, "entities-overlap", {"number": 2}),
        ("gliner", GLINER, {**GLINER, "ner": [[0, 0, None]]}, "entity-type-missing", {"number": 1}),
        ("deepke", DEEPKE, {"token": ["x"], "h": {}, "t": {}}, "keys-missing", {"missing": ["relation"]}),
        ("deepke", DEEPKE, {**DEEPKE, "h": {"pos": [0]}}, "value-invalid", {"key": "h"}),
        ("deepke", DEEPKE, {**DEEPKE, "relation": 7}, "relation-missing", {"found": 7}),
        ("doccano", DOCCANO, {"text": "Ann", "label": [[0, 9, "PER"]]}, "span-outside", {"unit": "characters"}),
        ("doccano", DOCCANO, {"text": 7, "label": []}, "value-invalid", {"key": "text", "found": 7}),
        ("doccano", DOCCANO, {"text": "Ann", "label": [[0, 3]]}, "value-invalid", {"key": "label", "found": [0, 3]}),
        ("doccano", DOCCANO, {"text": "Ann", "label": {"a": 1}}, "value-invalid", {"key": "label"}),
        ("hf", HF, {"tokens": ["a"], "ner_tags": None}, "value-invalid", {"key": "ner_tags", "found": None}),
        ("hf", HF, {"tokens": ["a"], "ner_tags": ["O", "O"]}, "tag-count-mismatch", {"expected": 1, "found": 2}),
        ("spacy", SPACY, {"text": "Ann", "spans": [{"start": 0}]}, "value-invalid", {"key": "spans"}),
        ("spacy", SPACY, {**SPACY, "answer": "reject"}, "prodigy-not-accepted", {"answer": "reject"}),
        ("label-studio", STUDIO, {"data": {}, "annotations": []}, "value-invalid", {"key": "data"}),
        ("label-studio", STUDIO, {**STUDIO, "annotations": []}, "annotation-missing", {"id": "train-2"}),
        ("label-studio", STUDIO, {**STUDIO, "annotations": 7}, "value-invalid", {"key": "annotations", "found": 7}),
    ],
)
def test_a_bad_record_is_left_out_with_its_line_and_key(tmp_path, name, good, bad, code, fields):
    dataset, issues = read(tmp_path, name, good, bad, good)
    assert len(train(dataset)) == 2
    [issue] = [issue for issue in issues.issues() if issue.skipped]
    assert (issue.code, issue.count) == (code, 1)
    assert issue.places[0].startswith(f"{tmp_path / 'mine' / 'train.json'}:2: ")
    assert some(issue.messages[0], fields) == fields


def test_records_of_an_array_have_their_lines_and_a_broken_one_ends_it(tmp_path):
    text = f"[\n  {json.dumps(GLINER)},\n\n  {json.dumps({**GLINER, 'ner': 7})},\n  {json.dumps(GLINER)},\n  {{'x'}}]"
    dataset, issues = load(write(tmp_path / "train.json", text), "gliner", tmp_path)
    assert len(train(dataset)) == 2
    places = [(issue.code, issue.places[0].partition(": ")[0]) for issue in issues.issues()]
    file = tmp_path / "train.json"
    assert places == [("value-invalid", f"{file}:4"), ("json-broken", f"{file}:6")]


@pytest.mark.parametrize(
    ("text", "count"),
    [("[]", 0), ('[{"a": 1}', 1), ('[{"a": 1},', 1), ('[{"a": 1} {"a": 2}]', 1), ('{\n"a": 1\n}', 1), ("[" * 9999, 0)],
)
def test_arrays_that_are_cut_are_read_as_far_as_they_go(tmp_path, text, count):
    found = list(read_objects(ReadingContext(write(tmp_path / "a.json", text), "train", IssueLog()), "x"))
    assert sum(isinstance(record.value, dict) for record in found) == count


def test_literals_are_bounded_and_not_executed(tmp_path):
    lines = [
        repr(DEEPKE),
        "__import__('os').system('touch ran')",
        "{'token': " + "[" * 60 + "]" * 60 + "}",
        repr({**DEEPKE, "x": "a" * MAX_LITERAL}),
    ]
    dataset, issues = load(write(tmp_path / "train.txt", "\n".join([*lines, ""])), "deepke", tmp_path)
    assert len(train(dataset)) == 1
    assert kinds(issues) == {"line-not-literal": 1, "literal-too-large": 2}
    assert not Path("ran").exists()


def test_ids_of_relations_fix_the_order_of_labels(tmp_path):
    write(tmp_path / "mine" / "any_rel2id.json", json.dumps({"zoo": 0, "None": 1, "unused": 2, "lives in": 3}))
    dataset, _ = read(tmp_path, "deepke", DEEPKE, {**DEEPKE, "relation": "new"}, file="train.txt")
    assert dataset.labels.names == ("None", "zoo", "unused", "lives in", "new")
    assert [example.id for example in train(dataset)] == ["train:1", "train:2"]
    write(tmp_path / "mine" / "any_rel2id.json", "[]")
    with raises(DataError, "relation-order-invalid", file=tmp_path / "mine" / "any_rel2id.json"):
        read(tmp_path, "deepke", DEEPKE, file="train.txt")


INTEGERS = {"tokens": ["Ann", "saw"], "ner_tags": [1, 0]}


def test_integers_need_names(tmp_path):
    with raises(DataError, "label-names-missing", file=tmp_path / "mine" / "train.json"):
        read(tmp_path, "hf", INTEGERS)
    names = write(tmp_path / "names.txt", "O\nB-PER\nI-PER\n")
    dataset, issues = read(tmp_path, "hf", INTEGERS, {**INTEGERS, "ner_tags": [1, 9]}, labels=str(names))
    assert [example.tags for example in train(dataset)] == [("B-PER", "O")]
    assert kinds(issues) == {"label-id-unknown": 1}
    with raises(DataError, "label-names-invalid"):
        read(tmp_path, "hf", INTEGERS, labels=str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("file", "wrap"),
    [
        ("dataset_info.json", lambda features: {"features": features}),
        ("dataset_infos.json", lambda features: {"default": {"features": features}}),
    ],
)
def test_names_are_taken_from_the_features(tmp_path, file, wrap):
    features = {"tokens": {"feature": {}}, "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}}}
    write(tmp_path / "mine" / file, json.dumps(wrap(features)))
    dataset, _ = read(tmp_path, "hf", INTEGERS)
    assert train(dataset)[0].tags == ("B-PER", "O")


def test_a_datasets_folder_of_arrow_and_parquet_files(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist([{**INTEGERS, "id": "a"}, {**INTEGERS, "id": "b"}])
    features = {"features": {"ner_tags": {"feature": {"names": ["O", "B-PER"]}}}}
    for split in ("train", "validation"):
        folder = tmp_path / "saved" / split
        write(folder / "dataset_info.json", json.dumps(features))
        with pyarrow.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as stream:
            stream.write_table(table)
    dataset, _ = load(tmp_path / "saved", "hf", tmp_path)
    assert {split: [e.id for e in examples] for split, examples in dataset.splits.items()} == {
        "train": ["a", "b"],
        "dev": ["a", "b"],
    }
    (tmp_path / "hub").mkdir()
    write(tmp_path / "hub" / "dataset_infos.json", json.dumps({"default": features}))
    parquet.write_table(table.slice(0, 1), tmp_path / "hub" / "train-00000-of-00002.parquet")
    parquet.write_table(table.slice(1, 1), tmp_path / "hub" / "train-00001-of-00002.parquet")
    dataset, _ = load(tmp_path / "hub", "hf", tmp_path)
    assert [example.id for example in train(dataset)] == ["a", "b"]
    write(tmp_path / "broken" / "train.parquet", b"PAR1 and nothing else")
    with raises(DataError, "table-unreadable"):
        load(tmp_path / "broken", "hf", tmp_path)


@pytest.mark.parametrize(("module", "code"), [("pyarrow", "pyarrow-missing"), ("spacy", "spacy-missing")])
def test_what_needs_an_extra_says_so(tmp_path, monkeypatch, module, code):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    head = b"PAR1" if module == "pyarrow" else __import__("zlib").compress(b"\x87\xa5attrs\x98")
    file = write(tmp_path / "train.bin", head)
    with raises(DataError, code, file=file):
        load(file, "hf" if module == "pyarrow" else "spacy", tmp_path)


def test_a_damaged_doc_bin_is_refused(tmp_path):
    pytest.importorskip("spacy")
    file = write(tmp_path / "train.spacy", __import__("zlib").compress(b"\x87\xa5attrs\x98 damaged"))
    with raises(DataError, "doc-bin-unreadable", file=file):
        load(file, "spacy", tmp_path)


# ----------------------------------------------------------------------------------------------------------- documents
BRAT = "Ann saw Rome.\n\nBob of New\nYork slept\n"


def brat(folder, annotations, text=BRAT):
    write(folder / "doc.txt", text)
    write(folder / "doc.ann", annotations)
    return folder


def test_each_line_of_a_document_is_an_example_with_its_characters_in_its_id(tmp_path):
    folder = brat(tmp_path / "mine", "T1\tPER 0 3\tAnn\nT2\tLOC 8 12\tRome\nT3\tPER 15 18\tBob\n#1\tNote T1\tx\n")
    dataset, issues = load(folder, "brat", tmp_path)
    assert [(example.id, example.tags) for example in train(dataset)] == [
        ("doc#0-13", ("B-PER", "O", "B-LOC", "O")),
        ("doc#15-25", ("B-PER", "O", "O")),
        ("doc#26-36", ("O", "O")),
    ]
    assert issues.issues() == []


def test_entities_across_lines_leave_both_out_and_those_of_several_parts_are_left_out(tmp_path):
    folder = brat(tmp_path / "mine", "T1\tPER 0 3\tAnn\nT2\tLOC 22 30\tNew York\nT3\tLOC 4 7;8 12\tsaw Rome\n")
    dataset, issues = load(folder, "brat", tmp_path)
    assert [(example.id, example.tags) for example in train(dataset)] == [("doc#0-13", ("B-PER", "O", "O", "O"))]
    assert kinds(issues) == {"entity-discontinuous": 1, "entity-crosses-lines": 2}
    places = {issue.code: issue.places for issue in issues.issues()}
    assert places["entity-discontinuous"][0].startswith(f"{folder / 'doc.ann'}:3: ")
    lines = [place.partition(": ")[0] for place in places["entity-crosses-lines"]]
    assert lines == [f"{folder / 'doc.txt'}:3", f"{folder / 'doc.txt'}:4"]


def test_pairs_are_read_on_request_and_else_counted(tmp_path):
    annotations = "T1\tPER 0 3\tAnn\nT2\tLOC 8 12\tRome\nT3\tPER 15 18\tBob\n"
    relations = "R1\tsaw Arg1:T1 Arg2:T2\t\nR2\tsaw Arg1:T1 Arg2:T3\nR3\tsaw Arg1:T1 Arg2:T9\n"
    folder = brat(tmp_path / "mine", annotations + relations)
    _, issues = load(folder, "brat", tmp_path)
    assert kinds(issues) == {"relations-not-read": 3}
    dataset, issues = load(folder, "brat", tmp_path, task="mre")
    [example] = train(dataset)
    assert (example.id, example.relation, example.head.start, example.tail.start) == ("doc#0-13:R1", "saw", 0, 2)
    assert kinds(issues) == {"pair-crosses-lines": 1, "pair-entity-unknown": 1}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("T1 PER 0 3 Ann", "annotation-line-invalid"),
        ("T1\tPER 0 999\tAnn", "span-outside"),
        ("R1\tsaw T1 T2", "annotation-line-invalid"),
    ],
)
def test_a_document_with_a_broken_annotation_is_left_out(tmp_path, line, code):
    folder = brat(tmp_path / "mine", "T1\tPER 0 3\tAnn\n")
    write(folder / "bad.txt", "Ann\n")
    write(folder / "bad.ann", f"T9\tPER 0 3\tAnn\n{line}\n")
    write(folder / "lost.ann", "T1\tPER 0 3\tAnn\n")
    dataset, issues = load(folder, "brat", tmp_path)
    assert {example.id.partition("#")[0] for example in train(dataset)} == {"doc"}
    assert kinds(issues) == {code: 1, "document-text-missing": 1}
    assert issues.issues()[0].places[0].startswith(f"{folder / 'bad.ann'}:2: ")


def test_label_studio_takes_the_first_annotation_that_counts_and_the_name_of_an_upload(tmp_path):
    draw(tmp_path / "mine" / "x.png")
    cancelled = {"was_cancelled": True, "result": []}
    task = {"id": 7, "data": {"text": "Ann saw\nno one", "image": "/data/upload/3/x.png"}}
    local = {**task, "id": 8, "data": {**task["data"], "image": "/data/local-files/?d=photos/x.png"}}
    records = [{**item, "annotations": [cancelled, *STUDIO["annotations"]]} for item in (task, local)]
    dataset, issues = read(tmp_path, "label-studio", *records, text_only=False)
    assert [(example.id, example.tags, example.image.name) for example in train(dataset)] == [
        (f"{name}#{span}", tags, "x.png")
        for name in ("7", "8")
        for span, tags in (("0-7", ("B-PER", "O")), ("8-14", ("O", "O")))
    ]
    assert issues.issues() == []


# ---------------------------------------------------------------------------------------------------------- columns
def conll(tmp_path, text, name="conll"):
    return load(write(tmp_path / "mine.txt", text), name, tmp_path)


def test_hash_words_are_words_and_comments_are_not(tmp_path):
    dataset, issues = conll(tmp_path, "# id = a\n# B-PER and others\n#\tO\n#NBA\tB-ORG\n\n# O\n#x O\n")
    assert [(example.id, example.words) for example in train(dataset)] == [
        ("a", ("#", "#NBA")),
        ("train-6", ("#", "#x")),
    ]
    assert issues.issues() == []


def test_a_line_without_tag_leaves_its_sentence_out(tmp_path):
    dataset, issues = conll(tmp_path, "Ann\tB-PER\nsaw\nRome\tO\n\nBob\tB-PER")
    assert [example.words for example in train(dataset)] == [("Bob",)]
    [issue] = issues.issues()
    assert (issue.code, issue.places[0].partition(": ")[0]) == ("line-with-one-column", f"{tmp_path / 'mine.txt'}:2")


def test_odd_lines_of_image_files(tmp_path):
    text = "\ufeffIMGID: 1 \r\nAda\tB-x\r\n\u00a0\tO\r\n\u200b\tO\r\nRT\u2028x\tO\r\n\r\n"
    text += "IMGID:1\r\nNew\tI-y\r\n\r\nYork\tI-y"
    dataset, issues = conll(tmp_path, text, "conll-images")
    assert [(example.id, example.words, example.tags) for example in train(dataset)] == [
        ("1", ("Ada", "\u200b", "RT\u2028x"), ("B-x", "O", "O")),
        ("1#2", ("New", "York"), ("B-y", "I-y")),
    ]
    expected = {"byte-order-mark", "windows-line-ends", "blank-token", "id-repeated", "tag-repaired"}
    assert set(kinds(issues)) == expected


def test_csv_rows_that_break_leave_their_sentence_out(tmp_path):
    text = 'sentence,word,tag\n1,Ann,B-PER\n1,saw\n2,Bob,B-PER\n2,"a\nb",O\n3\n3,x,O\n'
    dataset, issues = load(write(tmp_path / "mine.csv", text), "csv", tmp_path)
    assert [(example.id, example.words) for example in train(dataset)] == [("2", ("Bob", "a\nb"))]
    [issue] = issues.issues()
    lines = [place.partition(": ")[0] for place in issue.places]
    assert (issue.code, lines) == ("csv-row-short", [f"{tmp_path / 'mine.csv'}:{line}" for line in (3, 7)])


def test_csv_names_that_are_not_in_the_text_are_counted(tmp_path):
    text = "text;head;tail;relation\nAnn of Rome;Ann;Rome;in\nAnn of Rome;Ann;Oslo;in\n"
    dataset, issues = load(write(tmp_path / "mine.csv", text), "csv", tmp_path)
    assert [(example.head.start, example.tail.start) for example in train(dataset)] == [(0, 2)]
    assert kinds(issues) == {"mention-not-in-text": 1}
    with raises(DataError, "csv-columns-missing"):
        load(write(tmp_path / "other.csv", "a,b\n1,2\n"), "csv", tmp_path)


def test_columns_are_streamed(tmp_path):
    def peak(count):
        dataset, _ = conll(tmp_path, ("Ann\tB-PER\n" + "x\tO\n" * 100 + "\n") * count)
        tracemalloc.start()
        assert sum(1 for _ in dataset.splits["train"]) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert (peak(400) - peak(100)) / 300 < 500  # bytes of a sentence
