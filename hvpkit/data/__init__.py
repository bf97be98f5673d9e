"""Dataset readers, prepared data and the shuffled-images control."""

from __future__ import annotations

from hvpkit.data import readers
from hvpkit.hookspecs import Register, hookimpl


@hookimpl
def register_readers(register: Register) -> None:
    """Register the built-in readers: those of public datasets, and those of formats."""
    register("twitter2015", readers.build_twitter2015, tasks=("mner",))
    register("twitter2017", readers.build_twitter2017, tasks=("mner",))
    register("mnre", readers.build_mnre, tasks=("mre",))
    register("jsonl", readers.build_jsonl, needs={"path"})
    register("conll", readers.build_conll, needs={"path"}, tasks=("mner",))
    register("conll-images", readers.build_conll_images, needs={"path"}, tasks=("mner",))
    register("hf", readers.build_hf, needs={"path"}, tasks=("mner",))
    register("gliner", readers.build_gliner, needs={"path"}, tasks=("mner",))
    register("deepke", readers.build_deepke, needs={"path"}, tasks=("mre",))
    register("doccano", readers.build_doccano, needs={"path"})
    register("label-studio", readers.build_label_studio, needs={"path"})
    register("brat", readers.build_brat, needs={"path"})
    register("spacy", readers.build_spacy, needs={"path"})
    register("csv", readers.build_csv, needs={"path"})
