"""A model folder to a released checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hvpkit.errors import InputError, ModelFolderError
from hvpkit.release2022.checkpoint import write_checkpoint
from hvpkit.release2022.names import BESIDE, TAGS, to_release_name
from hvpkit.release2022.tensors import SHOWN, shorten_list, unread_tensors
from hvpkit.saving.model_folder import WEIGHTS, open_model_folder
from hvpkit.types import Labels


@dataclass(frozen=True)
class ExportResult:
    """What was written: the checkpoint, for relations their ids (an `ours_rel2id.json`), and the tensors that nobody reads, made up."""

    checkpoint: Path
    relations: Path | None
    made: tuple[str, ...]


def export_release(folder: Path, output: Path) -> ExportResult:
    """Write a model folder as a released checkpoint, its tags in the release's order, or the ids of its relations beside it.

    Raises ModelFolderError, with names, for a model that the released code could not hold; InputError when a file is there already.
    """
    relations = output.with_name(f"{output.name.removesuffix('.pth')}.rel2id.json")
    what = open_model_folder(folder)
    task = what.recipe.task
    tensors = _load(folder / WEIGHTS)
    foreign = [name for name in tensors if to_release_name(name, task) is None]
    if foreign:
        raise ModelFolderError(
            "tensors-without-place", model=folder, count=len(foreign), names=foreign[:SHOWN], more=shorten_list(foreign), task=task
        )
    read = {str(to_release_name(name, task)): tensor for name, tensor in tensors.items()}
    if task == "mner":
        read |= _in_order(read, what.labels, folder)
    kept = _load(folder / BESIDE) if (folder / BESIDE).is_file() else {}
    made = {name: tensor for name, tensor in unread_tensors(read).items() if name not in kept}
    if task == "mre" and relations.exists():
        raise InputError("output-exists", output=relations)
    write_checkpoint(read | kept | made, output)
    if task == "mre":
        relations.write_text(json.dumps({name: number for number, name in enumerate(what.labels.names)}, indent=1), encoding="utf-8")
    return ExportResult(output, relations if task == "mre" else None, tuple(sorted(made)))


def _load(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFolderError("model-weights-damaged", file=file, reason=str(error)) from error


def _in_order(read: Mapping[str, Tensor], labels: Labels, folder: Path) -> dict[str, Tensor]:
    """Put the tags of the head's tensors in the release's order."""
    size = len(TAGS) + 4  # PAD, X, [CLS], [SEP]
    if sorted(labels.names) != sorted(TAGS) or len(read["fc.bias"]) != size:
        raise ModelFolderError("tags-mismatch", model=folder, expected=TAGS)
    places = [0, *(1 + labels.index(tag) for tag in TAGS), *range(1 + len(TAGS), size)]
    moved = {name: tensor[places].contiguous() for name, tensor in read.items() if name.startswith(("fc.", "crf."))}
    return moved | {"crf.transitions": moved["crf.transitions"][:, places].contiguous()}
