"""Training as the code of 2022 spent its time, put together from our own parts: the same model and data, none of the savings.

Images go through the frozen backbone in every step, texts are padded to the recipe's longest and drawn at random, AdamW goes from
parameter to parameter, attention is written out with torch's own dropout, and a CRF decodes its paths in every training step.
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
    """A training run without what makes the shipped one fast; `same_batches` keeps its order of examples, to compare losses."""

    same_batches = False

    def new_batcher(self) -> Batcher:
        """Keep nothing of the images, and pad as far as can be."""
        return PaddingBatcher(self.model, self.recipe)

    def restrict_vocabulary(self, train: EncodedDataset) -> None:
        """Train every row of the vocabulary."""

    def tell_processor(self, train: EncodedDataset) -> None:
        """Leave it as it is."""

    def trainer(self, folder: Path) -> MultimodalTrainer:
        """Set up the trainer with the plain optimizer, attention in steps, and torch's own choice of a library for products."""
        trainer = super().trainer(folder)
        trainer.products = partial(patch.object, prefix_attention, "attend", attend_in_steps)
        trainer.graphs = None
        if torch.cuda.is_available():
            multiprocessing.set_start_method("fork", force=True)
            trainer.args.dataloader_num_workers = 4  # as there; on the two cores of a small machine they would only be in the way
        trainer.optimizer = torch.optim.AdamW([dict(group) for group in trainer.groups], foreach=False, fused=False)
        if not self.same_batches:
            trainer.sampler = RandomSampler(range(len(trainer.train_dataset)))  # type: ignore[arg-type, assignment]
        decode_in_training(self.model)
        return trainer


class PaddingBatcher(Batcher):
    """Pads every batch to the recipe's `max_length`, in positions and in words."""

    def collate(self, items: Sequence[EncodedExample], size: Size = exact_length) -> Batch:
        """Pad further than the batch needs."""
        batch, longest = super().collate(items), self.recipe.data.max_length
        words = batch.text.word_mask.shape[1]
        targets = {name: lengthened(tensor, longest) if tensor.shape[1:] == (words,) else tensor for name, tensor in batch.targets.items()}
        return replace(batch, text=padded(batch.text, longest, self.model.text.pad_values()), targets=targets)


def padded(text: TextBatch, longest: int, pad_values: dict[str, int]) -> TextBatch:
    """Pad a batch of texts to `longest` positions and words."""
    return replace(
        text,
        features={name: lengthened(feature, longest, pad_values.get(name, 0)) for name, feature in text.features.items()},
        mask=lengthened(text.mask, longest),
        word_starts=lengthened(text.word_starts, longest),
        word_mask=lengthened(text.word_mask, longest),
        word_of=lengthened(text.word_of, longest, -1),
    )


def lengthened(rows: Tensor, longest: int, value: int = 0) -> Tensor:
    """Pad [B, n] to [B, longest]."""
    return pad(rows, (0, longest - rows.shape[1]), value=value)


def attend_in_steps(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, share: float, scale: float | None) -> Tensor:
    """Attend as BERT's code of that time did: what is masked loses 10,000, each step keeps what it needs to go back."""
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if mask is not None:
        scores = scores + (1.0 - mask.to(scores.dtype)) * -10000.0
    return dropout(scores.softmax(-1), share) @ value


def decode_in_training(model: Model) -> None:
    """Let a head with a CRF find the best paths before each loss."""
    crf = getattr(model.head, "crf", None)
    if crf is None:
        return

    def paths_and_loss(scores: Tensor, text: TextBatch, targets: dict[str, Tensor]) -> Tensor:
        crf.decode(scores, text.word_mask)
        likelihood: Tensor = crf(scores, targets["tags"], mask=text.word_mask, reduction="mean")
        return -likelihood

    model.head.loss = paths_and_loss  # type: ignore[method-assign]
