"""Training at the cost of the 2022 code: the same model and data without the optimizations of the shipped trainer.

Images pass through the frozen backbone in every step, texts are padded to the recipe's `max_length` and sampled at
random, AdamW updates one parameter at a time, attention is computed in steps with torch's dropout, and a CRF decodes
its paths in every training step.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import dropout, pad
from torch.utils.data import RandomSampler
from transformers.trainer_utils import set_seed

from hvpkit.batching import Batcher, EncodedDataset, EncodedExample, Size, exact_length
from hvpkit.config.recipe import Recipe
from hvpkit.data.prepared import PreparedData
from hvpkit.interfaces import Batch, TextBatch
from hvpkit.model.model import Model, build_model
from hvpkit.registry import load_registry
from hvpkit.training.distributed import local_device
from hvpkit.training.encode import encode_training_set
from hvpkit.training.fit import build_trainer
from hvpkit.training.scoring import SplitScorer
from hvpkit.training.session import TrainingSession, read_examples
from hvpkit.training.trainer import MultimodalTrainer


def trainer_of_2022(recipe: Recipe, data: PreparedData, folder: Path, same_batches: bool) -> MultimodalTrainer:
    """Build a trainer without optimizations: no feature cache, padding to `max_length`, all rows trained, plain AdamW.

    With `same_batches`, the order of examples is the shipped one, to compare losses.
    """
    registry, examples = load_registry(), read_examples(recipe, data)
    set_seed(recipe.train.seed)
    model = build_model(recipe, registry, data.labels, examples["train"])
    batcher = PaddingBatcher(model, recipe)
    train_set = EncodedDataset(encode_training_set(batcher, examples["train"]))
    session = TrainingSession(recipe, registry, data, examples, model, batcher, train_set, 0, None, [], local_device())
    scorer = SplitScorer(model, batcher, examples)
    trainer = build_trainer(session, scorer, folder, step_of_2022, [])
    if torch.cuda.is_available():
        multiprocessing.set_start_method("fork", force=True)
        trainer.args.dataloader_num_workers = 4  # as in 2022; without a GPU they would compete for the cores
    trainer.optimizer = torch.optim.AdamW([dict(group) for group in trainer.groups], foreach=False, fused=False)
    if not same_batches:
        trainer.sampler = RandomSampler(range(len(train_set)))  # type: ignore[arg-type]
    decode_in_training(model)
    return trainer


def step_of_2022(step: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """Run a step with attention in separate operations."""
    with patch("torch.nn.functional.scaled_dot_product_attention", attend_in_steps):
        return step(batch)


class PaddingBatcher(Batcher):
    """Batcher that pads every batch to the recipe's `max_length`, in positions and in words."""

    def collate(self, items: Sequence[EncodedExample], size: Size = exact_length) -> Batch:
        """Pad a batch to `max_length`."""
        batch, longest = super().collate(items), self.recipe.data.max_length
        words = batch.text.word_mask.shape[1]
        targets = {
            name: lengthened(tensor, longest) if tensor.shape[1:] == (words,) else tensor
            for name, tensor in batch.targets.items()
        }
        return replace(batch, text=padded(batch.text, longest, self.model.text.pad_values()), targets=targets)


def padded(text: TextBatch, longest: int, pad_values: dict[str, int]) -> TextBatch:
    """Pad a batch of texts to `longest` positions and words."""
    return replace(
        text,
        features={
            name: lengthened(feature, longest, pad_values.get(name, 0)) for name, feature in text.features.items()
        },
        mask=lengthened(text.mask, longest),
        word_starts=lengthened(text.word_starts, longest),
        word_mask=lengthened(text.word_mask, longest),
        word_ids=lengthened(text.word_ids, longest, -1),
    )


def lengthened(rows: Tensor, longest: int, value: int = 0) -> Tensor:
    """Pad [B, n] to [B, longest]."""
    return pad(rows, (0, longest - rows.shape[1]), value=value)


def attend_in_steps(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    scale: float | None = None,
    **kwargs: Any,  # noqa: ANN401 - what transformers passes
) -> Tensor:
    """Compute attention as BERT's code of 2022 did: masked scores minus 10,000.

    Each operation saves its result for the backward pass.
    """
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if attn_mask is not None:
        scores = scores + (1.0 - attn_mask.to(scores.dtype)) * -10000.0
    return dropout(scores.softmax(-1), dropout_p) @ value


def decode_in_training(model: Model) -> None:
    """Decode the best paths of a CRF head before each loss."""
    crf = getattr(model.head, "crf", None)
    if crf is None:
        return

    def paths_and_loss(scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        crf.decode(scores, text.word_mask)
        likelihood: Tensor = crf(scores, targets["tags"], mask=text.word_mask, reduction="mean")
        return -likelihood

    model.head.loss = paths_and_loss  # type: ignore[method-assign]
