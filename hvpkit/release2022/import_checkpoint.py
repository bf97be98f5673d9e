"""Import of a released checkpoint to a model folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor
from transformers import BertConfig, BertTokenizer, PreTrainedTokenizerBase

from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.errors import DataError, InputError, ModelFolderError
from hvpkit.messages import Message
from hvpkit.model.model import ComponentFolders, build_model
from hvpkit.model.text.input_layout import RELEASED_MARKERS
from hvpkit.registry import load_registry
from hvpkit.release2022.checkpoint import read_checkpoint
from hvpkit.release2022.names import BESIDE, TAGS, UNREAD, to_hvpkit_name
from hvpkit.release2022.tensors import expected_tensors, require_all
from hvpkit.saving.model_folder import COMPONENT_FOLDERS, ModelFolder
from hvpkit.saving.weights import save_model
from hvpkit.types import Labels, Task
from hvpkit.utils.atomic_write import check_overwrite
from hvpkit.utils.hub import load_pretrained

HEAD_WIDTH = 64  # width of an attention head of every BERT


@dataclass(frozen=True)
class ImportResult:
    """Result of an import.

    Attributes:
        folder: Model folder.
        tensors: Number of tensors by part of the model ("unread": stored, but used by no part).
    """

    folder: Path
    tensors: dict[str, int]


def import_release(
    checkpoint: Path, task: Task, text: str, output: Path, relations: Path | None = None, settings: Sequence[str] = ()
) -> ImportResult:
    """Convert a released checkpoint to a model folder.

    Args:
        checkpoint: Checkpoint file.
        task: Task of the model.
        text: Tokenizer of the model (hub id or folder).
        output: Model folder to write.
        relations: File `ours_rel2id.json` of the relation ids (MRE).
        settings: Overrides of the release recipe, such as `data.name=twitter2015`.

    Raises:
        ModelFolderError: "checkpoint-mismatch" with all tensors that are missing, unknown or of another shape,
            "not-a-release-checkpoint", "tokenizer-mismatch" or "marked-tokenizer-mismatch" if BERT does not fit.
        DataError: "relation-ids-not-json", "relation-ids-invalid" or "relation-ids-first" for an invalid file of ids.
        InputError: "output-exists" if the output exists, "no-relation-ids" for MRE without `relations`.
    """
    check_overwrite(output)
    recipe = load_recipe(f"release_{task}", [f"text.name={json.dumps(text)}", *settings], load_registry())
    labels = Labels(task, TAGS) if task == "mner" else _relations(relations)
    tensors = read_checkpoint(checkpoint)
    with TemporaryDirectory(prefix="hvpkit-") as draft:
        _write_text(Path(draft) / "text", text, tensors, checkpoint, task)
        for part in COMPONENT_FOLDERS:
            (Path(draft) / part).mkdir(exist_ok=True)
        model = build_model(recipe, load_registry(), labels, saved=ComponentFolders(Path(draft)))
    unread = {name: tensor for name, tensor in tensors.items() if name.startswith(UNREAD)}
    require_all(tensors, expected_tensors(model, task), checkpoint)
    named = {to_hvpkit_name(name, task): tensor for name, tensor in tensors.items() if name not in unread}
    model.load_state_dict({name: tensor for name, tensor in named.items() if name is not None})
    model_folder = ModelFolder(output, recipe, labels, load_registry(), _metrics(recipe, checkpoint))
    save_model(
        model,
        model_folder,
        _card(output, checkpoint, recipe),
        {BESIDE: {name: tensor.contiguous() for name, tensor in unread.items()}},
    )
    parts = Counter(
        "unread" if name in unread else str(to_hvpkit_name(name, task)).partition(".")[0] for name in tensors
    )
    return ImportResult(output, dict(parts))


def _relations(file: Path | None) -> Labels:
    """Read the relations from a JSON object with ids from 0 on, "None" first."""
    if file is None:
        raise InputError("no-relation-ids")
    try:
        ids = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("relation-ids-not-json", file=file, reason=str(error)) from error
    values = list(ids.values()) if isinstance(ids, dict) else []
    if not values or any(type(value) is not int for value in values) or sorted(values) != list(range(len(values))):
        raise DataError("relation-ids-invalid", file=file)
    names = tuple(sorted(ids, key=ids.__getitem__))
    if names[0] != "None":
        raise DataError("relation-ids-first", file=file, found=names[0])
    return Labels("mre", names)


def _write_text(folder: Path, name: str, tensors: Mapping[str, Tensor], checkpoint: Path, task: Task) -> None:
    """Write the tokenizer, and the BERT configuration that follows from the shapes of the tensors."""
    sizes = {
        "embeddings.word_embeddings.weight": ("vocab_size", "hidden_size"),
        "embeddings.position_embeddings.weight": ("max_position_embeddings",),
        "embeddings.token_type_embeddings.weight": ("type_vocab_size",),
        "encoder.layer.0.intermediate.dense.weight": ("intermediate_size",),
    }
    missing = [
        f"bert.{tensor}" for tensor in sizes if f"bert.{tensor}" not in tensors or tensors[f"bert.{tensor}"].dim() != 2
    ]
    if missing:
        raise ModelFolderError("not-a-release-checkpoint", checkpoint=checkpoint, names=missing)
    shapes = [(keys, tensors[f"bert.{tensor}"].shape) for tensor, keys in sizes.items()]
    config_sizes: dict[str, int] = {key: size for keys, shape in shapes for key, size in zip(keys, shape, strict=False)}
    layers = {name.split(".")[3] for name in tensors if name.startswith("bert.encoder.layer.")}
    tokenizer = load_pretrained(name, "tokenizer", "--text", lambda source, local: _tokenizer(source, local))
    added = len(RELEASED_MARKERS) if task == "mre" else 0
    if len(tokenizer) + added != config_sizes["vocab_size"]:
        found, expected = len(tokenizer), config_sizes["vocab_size"]
        if added:
            raise ModelFolderError(
                "marked-tokenizer-mismatch",
                text=name,
                found=found,
                markers=added,
                checkpoint=checkpoint,
                expected=expected,
            )
        raise ModelFolderError("tokenizer-mismatch", text=name, found=found, checkpoint=checkpoint, expected=expected)
    heads = max(1, config_sizes["hidden_size"] // HEAD_WIDTH)
    config: Any = BertConfig
    config(num_hidden_layers=len(layers), num_attention_heads=heads, **config_sizes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(source: str, local: bool) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = BertTokenizer.from_pretrained(source, local_files_only=local)
    if set(tokenizer.get_vocab()) <= set(
        tokenizer.all_special_tokens
    ):  # transformers returns an empty one without files
        raise FileNotFoundError(Message("no-tokenizer-files"))
    return tokenizer


def _metrics(recipe: Recipe, checkpoint: Path) -> dict[str, Any]:
    return {
        "data": {"name": recipe.data.name, "fingerprint": None, "examples": {}, "with_image": {}},
        "seed": recipe.train.seed,
        "encoder": recipe.text.name,
        "notes": [Message("imported-weights", checkpoint=checkpoint.name)],
        "best_epoch": None,
        "dev": None,
        "test": None,
        "seconds": 0.0,
    }


def _card(output: Path, checkpoint: Path, recipe: Recipe) -> str:
    return (
        f"# {output.name}\n\nA model for {recipe.task.upper()}, imported by hvpkit from {checkpoint.name}, "
        "a checkpoint of the code that the authors of HVPNeT released in 2022. "
        "It computes the same numbers as that code.\n"
    )
