"""Export of a model folder to a released checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hvpkit.errors import ModelFolderError
from hvpkit.release2022.checkpoint import write_checkpoint
from hvpkit.release2022.names import BESIDE, TAGS, to_release_name
from hvpkit.release2022.tensors import MAX_SHOWN, shorten_list, unread_tensors
from hvpkit.saving.model_folder import WEIGHTS, open_model_folder
from hvpkit.types import Labels
from hvpkit.utils.atomic_write import atomic_file, check_overwrite


@dataclass(frozen=True)
class ExportResult:
    """Files of an export.

    Attributes:
        checkpoint: Checkpoint file.
        relations: File of relation ids in the format of `ours_rel2id.json`; None for MNER.
        made: Names of tensors that the released code loads but never reads, and that were filled with placeholders.
    """

    checkpoint: Path
    relations: Path | None
    made: tuple[str, ...]


def export_release(folder: Path, output: Path) -> ExportResult:
    """Write a model folder as a released checkpoint.

    Tags get the order of the release (MNER); relation ids are written to a file beside the checkpoint (MRE).

    Args:
        folder: Model folder.
        output: Checkpoint file to write.

    Raises:
        ModelFolderError: "tensors-without-place" or "tags-mismatch" if the released code cannot represent the model.
        InputError: "output-exists" if a file exists.
    """
    relations = output.with_name(f"{output.name.removesuffix('.pth')}.rel2id.json")
    model_folder = open_model_folder(folder)
    task = model_folder.recipe.task
    tensors = _load(folder / WEIGHTS)
    unsupported = [name for name in tensors if to_release_name(name, task) is None]
    if unsupported:
        raise ModelFolderError(
            "tensors-without-place",
            model=folder,
            count=len(unsupported),
            names=unsupported[:MAX_SHOWN],
            more=shorten_list(unsupported),
            task=task,
        )
    read = {str(to_release_name(name, task)): tensor for name, tensor in tensors.items()}
    if task == "mner":
        read |= _reorder_tags(read, model_folder.labels, folder)
    unread = _load(folder / BESIDE) if (folder / BESIDE).is_file() else {}
    made = {name: tensor for name, tensor in unread_tensors(read).items() if name not in unread}
    if task == "mre":
        check_overwrite(relations)
    write_checkpoint(read | unread | made, output)
    if task == "mre":
        ids = {name: index for index, name in enumerate(model_folder.labels.names)}
        with atomic_file(relations) as draft:
            draft.write_text(json.dumps(ids, indent=1), encoding="utf-8")
    return ExportResult(output, relations if task == "mre" else None, tuple(sorted(made)))


def _load(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFolderError("model-weights-damaged", file=file, reason=str(error)) from error


def _reorder_tags(read: Mapping[str, Tensor], labels: Labels, folder: Path) -> dict[str, Tensor]:
    """Reorder the tags in the tensors of the head as in the release."""
    size = len(TAGS) + 4  # PAD, X, [CLS], [SEP]
    if sorted(labels.names) != sorted(TAGS) or len(read["fc.bias"]) != size:
        raise ModelFolderError("tags-mismatch", model=folder, expected=TAGS)
    order = [0, *(1 + labels.index(tag) for tag in TAGS), *range(1 + len(TAGS), size)]
    reordered = {name: tensor[order].contiguous() for name, tensor in read.items() if name.startswith(("fc.", "crf."))}
    return reordered | {"crf.transitions": reordered["crf.transitions"][:, order].contiguous()}
