"""The same sentences and pairs in every format that `hvp preprocess` reads."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fabricate import draw, write

SIZES = {"train": 40, "dev": 10, "test": 10}
NAMES = {"PER": ["Ada", "Bob Lee"], "LOC": ["Oslo", "New York"], "band": ["The Who", "Zoë"]}
RELATIONS = ["lives in", "None", "likes"]


@dataclass(frozen=True)
class Sentence:
    """A sentence with two entities: words [start, end) with a type; and the relation of the first to the second."""

    id: str
    words: list[str]
    entities: list[tuple[int, int, str]]
    relation: str
    image: str

    @property
    def text(self):
        return " ".join(self.words)

    @property
    def tags(self):
        tags = ["O"] * len(self.words)
        for start, end, kind in self.entities:
            tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
        return tags

    def characters(self, start, end):
        begin = len(" ".join([*self.words[:start], ""]))
        return begin, begin + len(" ".join(self.words[start:end]))

    @property
    def spans(self):
        return [(*self.characters(start, end), kind) for start, end, kind in self.entities]


def sentences(seed=0) -> dict[str, list[Sentence]]:
    """40, 10 and 10 sentences; every word of a text is a word of its own for hvpkit too."""
    generator, made = random.Random(seed), {}
    for split, size in SIZES.items():
        made[split] = []
        for number in range(size):
            first, second = generator.sample([(kind, name) for kind in NAMES for name in NAMES[kind]], 2)
            opening = generator.choice([[], ["today"], ["👍", "so"]])
            head, tail = first[1].split(), second[1].split()
            start = len(opening)
            middle = start + len(head) + 1
            words = [*opening, *head, "saw", *tail, f"{split}{number}"]
            entities = [(start, start + len(head), first[0]), (middle, middle + len(tail), second[0])]
            name = f"{split}-{number}"
            made[split].append(Sentence(name, words, entities, RELATIONS[number % 3], f"{name}.png"))
    return made


def as_jsonl(sentence):
    return {"id": sentence.id, "tokens": sentence.words, "tags": sentence.tags, "image": sentence.image}


def as_pair(sentence):
    spans = [{"start": start, "end": end} for start, end, _ in sentence.entities]
    record = {"id": sentence.id, "tokens": sentence.words, "head": spans[0], "tail": spans[1]}
    return {**record, "relation": sentence.relation, "image": sentence.image}


def as_gliner(sentence):
    return {"tokenized_text": sentence.words, "ner": [[a, b - 1, kind] for a, b, kind in sentence.entities]}


def as_hf(sentence):
    return {"id": sentence.id, "tokens": sentence.words, "ner_tags": sentence.tags}


def as_deepke(sentence):
    (a, b, _), (c, d, _) = sentence.entities
    head, tail = ({"name": " ".join(sentence.words[i:j]), "pos": [i, j]} for i, j in ((a, b), (c, d)))
    pair = {"token": sentence.words, "h": head, "t": tail, "img_id": sentence.image}
    return {**pair, "relation": sentence.relation}


def as_doccano(sentence):
    return {"id": sentence.id, "text": sentence.text, "label": [list(span) for span in sentence.spans]}


def as_doccano_pair(sentence):
    entities = [
        {"id": number, "start_offset": start, "end_offset": end, "label": kind}
        for number, (start, end, kind) in enumerate(sentence.spans)
    ]
    relation = {"id": 7, "from_id": 0, "to_id": 1, "type": sentence.relation}
    return {"id": sentence.id, "text": sentence.text, "entities": entities, "relations": [relation]}


def as_label_studio(sentence):
    result = [
        {"id": f"e{number}", "type": "labels", "value": {"start": start, "end": end, "labels": [kind]}}
        for number, (start, end, kind) in enumerate(sentence.spans)
    ]
    result.append({"type": "relation", "from_id": "e0", "to_id": "e1", "labels": [sentence.relation]})
    annotations = [{"was_cancelled": True, "result": []}, {"result": result}]
    data = {"text": sentence.text, "image": f"/data/upload/{sentence.image}"}
    return {"id": sentence.id, "data": data, "annotations": annotations}


def as_spacy(sentence):
    return {"text": sentence.text, "spans": [{"start": a, "end": b, "label": kind} for a, b, kind in sentence.spans]}


def as_prodigy_pair(sentence):
    spans = as_spacy(sentence)["spans"]
    relation = {"head": 1, "child": 4, "head_span": spans[0], "child_span": spans[1], "label": sentence.relation}
    return {**as_spacy(sentence), "relations": [relation], "answer": "accept"}


def json_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def conll_text(made, separator="\t"):
    return "\n".join("".join(f"{w}{separator}{t}\n" for w, t in zip(s.words, s.tags, strict=True)) for s in made)


def conll_columns(made):
    lines = ("".join(f"{w} NN x {t}\n" for w, t in zip(s.words, s.tags, strict=True)) for s in made)
    return "-DOCSTART- -X- -X- O\n\n# a comment\n" + "\n".join(lines).rstrip("\n")


def conll_images_text(made):
    return "".join(f"IMGID:{s.id}\n{conll_text([s])}\n" for s in made)


def csv_words(made):
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["Sentence #", "Word", "POS", "Tag"])
    for s in made:
        for number, (word, tag) in enumerate(zip(s.words, s.tags, strict=True)):
            writer.writerow([s.id if number == 0 else "", word, "NN", tag])
    return "\ufeff" + rows.getvalue()


def csv_pairs(made):
    rows = io.StringIO()
    writer = csv.writer(rows, delimiter=";")
    writer.writerow(["text", "image", "head", "tail", "relation"])
    for s in made:
        names = [" ".join(s.words[start:end]) for start, end, _ in s.entities]
        writer.writerow([s.text, s.image, *names, s.relation])
    return rows.getvalue()


def write_brat(folder: Path, made):
    for s in made:
        write(folder / f"{s.id}.txt", s.text + "\n")
        lines = [f"T{n}\t{kind} {a} {b}\t{s.text[a:b]}\n" for n, (a, b, kind) in enumerate(s.spans)]
        write(folder / f"{s.id}.ann", "".join(lines) + f"R1\t{s.relation.replace(' ', '_')} Arg1:T0 Arg2:T1\n")


def write_doc_bin(file: Path, made):
    import spacy
    from spacy.tokens import DocBin

    vocab_owner, documents = spacy.blank("en"), DocBin()
    for s in made:
        doc = vocab_owner(s.text)
        doc.ents = [doc.char_span(start, end, label=kind) for start, end, kind in s.spans]
        documents.add(doc)
    file.parent.mkdir(parents=True, exist_ok=True)
    documents.to_disk(file)


def text_file(name: str, text: Callable) -> Callable:
    return lambda folder, split, made: write(folder / name.format(split), text(made))


def lines_of(record: Callable) -> Callable:
    return lambda made: json_lines(map(record, made))


MNER = {
    "jsonl": text_file("{}.jsonl", lines_of(as_jsonl)),
    "conll": text_file("{}.txt", conll_text),
    "conll-blanks": text_file("{}.bio", lambda made: conll_text(made, " ")),
    "conll-columns": text_file("{}.conll", conll_columns),
    "conll-images": text_file("{}.txt", conll_images_text),
    "hf": text_file("{}.json", lines_of(as_hf)),
    "hf-array": text_file("{}.json", lambda made: json.dumps({"data": list(map(as_hf, made))}, indent=1)),
    "gliner": text_file("{}.json", lambda made: json.dumps(list(map(as_gliner, made)), indent=1)),
    "gliner-lines": text_file("{}.jsonl", lines_of(as_gliner)),
    "doccano": text_file("{}.jsonl", lines_of(as_doccano)),
    "label-studio": text_file("{}.json", lambda made: json.dumps(list(map(as_label_studio, made)))),
    "brat": lambda folder, split, made: write_brat(folder / split, made),
    "spacy": text_file("{}.jsonl", lines_of(as_spacy)),
    "spacy-docbin": lambda folder, split, made: write_doc_bin(folder / f"{split}.spacy", made),
    "csv": text_file("{}.csv", csv_words),
}
MRE = {
    "jsonl": text_file("{}.jsonl", lines_of(as_pair)),
    "deepke": text_file("ours_{}.txt", lambda made: "".join(f"{as_deepke(s)!r}\n" for s in made)),
    "deepke-json": text_file("{}.json", lines_of(as_deepke)),
    "doccano": text_file("{}.jsonl", lines_of(as_doccano_pair)),
    "label-studio": text_file("{}.json", lambda made: json.dumps(list(map(as_label_studio, made)))),
    "brat": lambda folder, split, made: write_brat(folder / split, made),
    "spacy": text_file("{}.jsonl", lines_of(as_prodigy_pair)),
    "csv": text_file("{}.csv", csv_pairs),
}
WRITERS = {"mner": MNER, "mre": MRE}
WITH_TASK = ("doccano", "label-studio", "brat", "spacy")  # formats with the option `task`


def reader_name(kind: str) -> str:
    """Return the reader of a key of `MNER` or `MRE`."""
    return kind if kind in ("conll-images", "label-studio") else kind.partition("-")[0]


def options_for(kind: str, task: str) -> dict:
    return {"task": task} if task == "mre" and reader_name(kind) in WITH_TASK else {}


def write_format(folder: Path, kind: str, task: str = "mner", images: bool = False) -> Path:
    """Write the sentences of all splits in a format, and their images."""
    for split, made in sentences().items():
        WRITERS[task][kind](folder, split, made)
        for s in made if images else ():
            draw(folder / s.image)
    return folder
