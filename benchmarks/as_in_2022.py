"""Training at the cost of the 2022 code: the same model and data without the optimizations of the shipped trainer.

Images pass through the frozen backbone in every step, texts are padded to the recipe's `max_length` and sampled at
random, AdamW updates one parameter at a time, attention is computed in steps with torch's dropout, and a CRF decodes
its paths in every training step.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import dropout, pad
from torch.utils.data import RandomSampler

from hvpkit.batching import Batcher, EncodedDataset, EncodedExample, Size, exact_length
from hvpkit.interfaces import Batch, TextBatch
from hvpkit.model.model import Model
from hvpkit.model.text import prefix_attention
from hvpkit.training.train import TrainingSession
from hvpkit.training.trainer import MultimodalTrainer


class RunOf2022(TrainingSession):
    """Training session without optimizations; `same_batches` keeps the shipped order of examples, to compare losses."""

    same_batches = False

    def build_batcher(self) -> Batcher:
        """Build a batcher without feature cache that pads to `max_length`."""
        return PaddingBatcher(self.model, self.recipe)

    def restrict_vocabulary(self, train: EncodedDataset) -> None:
        """Train every row of the vocabulary."""

    def apply_cpu_settings(self, train: EncodedDataset) -> None:
        """Keep the default CPU settings."""

    def trainer(self, folder: Path) -> MultimodalTrainer:
        """Build the trainer with the plain optimizer, attention in steps, and torch's default matrix step_context."""
        trainer = super().trainer(folder)
        trainer.step_context = partial(patch.object, prefix_attention, "attend", attend_in_steps)
        trainer.graphs = None
        if torch.cuda.is_available():
            multiprocessing.set_start_method("fork", force=True)
            trainer.args.dataloader_num_workers = 4  # as in 2022; without a GPU they would compete for the cores
        trainer.optimizer = torch.optim.AdamW([dict(group) for group in trainer.groups], foreach=False, fused=False)
        if not self.same_batches:
            trainer.sampler = RandomSampler(range(len(trainer.train_dataset)))  # type: ignore[arg-type, assignment]
        decode_in_training(self.model)
        return trainer


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
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, scale: float | None
) -> Tensor:
    """Compute attention as BERT's code of 2022 did: masked scores minus 10,000.

    Each step saved for the backward pass.
    """
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + (1.0 - mask.to(scores.dtype)) * -10000.0
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
