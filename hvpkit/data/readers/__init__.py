"""Factories of the built-in dataset readers; modules are imported when a factory is called."""

from __future__ import annotations

from hvpkit.data.readers.base import DatasetReader, ReaderContext
from hvpkit.types import Task


def build_twitter2015(context: ReaderContext) -> DatasetReader:
    """Twitter-2015 as published by its authors, in any common layout; type OTHER is read as MISC."""
    from hvpkit.data.readers.find_files import TWITTER2015
    from hvpkit.data.readers.public import PublicReader
    from hvpkit.labels.inventory import tag_labels

    return PublicReader(context, TWITTER2015, tag_labels())


def build_twitter2017(context: ReaderContext) -> DatasetReader:
    """Twitter-2017 as published by its authors, in any common layout."""
    from hvpkit.data.readers.find_files import TWITTER2017
    from hvpkit.data.readers.public import PublicReader
    from hvpkit.labels.inventory import tag_labels

    return PublicReader(context, TWITTER2017, tag_labels())


def build_mnre(context: ReaderContext) -> DatasetReader:
    """MNRE (v2) as published by its authors, in any common layout, with its 23 relations."""
    from hvpkit.data.readers.find_files import MNRE
    from hvpkit.data.readers.public import PublicReader
    from hvpkit.labels.inventory import relation_labels

    return PublicReader(context, MNRE, relation_labels())


def build_jsonl(context: ReaderContext) -> DatasetReader:
    """JSON Lines of the own form: words with tags, or a text with entities or a pair, and an image."""
    from hvpkit.data.readers.jsonl import JsonlReader

    return JsonlReader(context)


def build_conll(context: ReaderContext) -> DatasetReader:
    """CoNLL columns: a token and its tag on each line, an empty line between sentences."""
    from hvpkit.data.readers.conll import ConllReader

    return ConllReader(context)


def build_conll_images(context: ReaderContext) -> DatasetReader:
    """CoNLL columns with a line `IMGID:<id>` before each sentence, as in Twitter-2017; any types."""
    from hvpkit.data.readers.conll_images import ConllImagesReader

    return ConllImagesReader(context)


def build_hf(context: ReaderContext, *, labels: str | None = None) -> DatasetReader:
    """Hugging Face token classification: `tokens` and `ner_tags` in JSON, or a `datasets` folder."""
    from hvpkit.data.readers.hugging_face import HuggingFaceReader

    return HuggingFaceReader(context, labels=labels)


def build_gliner(context: ReaderContext) -> DatasetReader:
    """Training data of GLiNER: `tokenized_text` and `ner`."""
    from hvpkit.data.readers.gliner import GlinerReader

    return GlinerReader(context)


def build_deepke(context: ReaderContext) -> DatasetReader:
    """Pairs like those of MNRE and DeepKE, with any relations: `token`, `h`, `t`, `relation`."""
    from hvpkit.data.readers.deepke import DeepkeReader

    return DeepkeReader(context)


def build_doccano(context: ReaderContext, *, task: Task = "mner") -> DatasetReader:
    """JSON Lines of doccano: a text with labeled spans of characters, and relations."""
    from hvpkit.data.readers.doccano import DoccanoReader

    return DoccanoReader(context, task=task)


def build_label_studio(context: ReaderContext, *, task: Task = "mner") -> DatasetReader:
    """JSON export of Label Studio: annotated texts with images, and relations."""
    from hvpkit.data.readers.label_studio import LabelStudioReader

    return LabelStudioReader(context, task=task)


def build_brat(context: ReaderContext, *, task: Task = "mner") -> DatasetReader:
    """Folder of brat: `x.txt` with `x.ann`, entities and relations."""
    from hvpkit.data.readers.brat import BratReader

    return BratReader(context, task=task)


def build_spacy(context: ReaderContext, *, task: Task = "mner") -> DatasetReader:
    """JSON Lines of spaCy and Prodigy with `spans`, or a DocBin (`.spacy`)."""
    from hvpkit.data.readers.spacy_docs import SpacyReader

    return SpacyReader(context, task=task)


def build_csv(context: ReaderContext) -> DatasetReader:
    """CSV tables: a word and its tag in each row, or a text with head, tail and relation."""
    from hvpkit.data.readers.csv_table import CsvReader

    return CsvReader(context)
