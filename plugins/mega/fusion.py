"""Fusion of MEGA (Zheng et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpkit.errors import ComponentError
from hvpkit.interfaces import (
    EncodedText,
    Fused,
    Fusion,
    FusionContext,
    TextBatch,
    TextEncoder,
    Trace,
    Visual,
    cell_width,
)
from hvpkit.model.heads.classifiers import entity_start_states
from hvpkit.model.text.prefix_attention import prepend_image_attention
from hvpkit.types import Example

from .dependencies import ArcSource, choose_arc_source, load_arc_source
from .graphs import align_words, aligned_positions
from .layers import ObjectSum, SemanticAlignment, structural_weights


@dataclass(frozen=True)
class MegaOptions:
    """Options of the fusion.

    Attributes:
        semantic: Align by attention.
        structural: Align by the similarity of nodes.
        nearest: Number of regions that a word is structurally aligned with.
        dependencies: Arcs between words: "auto", "spacy" or "chain".
        pipeline: Name of the spaCy pipeline.
        reshape: Read the structural alignment in the order of memory instead of transposing it.
        pads_seen: Let objects attend to padding.
        empty_objects_seen: Count missing objects.
        all_levels: Read the channels of all levels of the backbone, not of the last one alone.
    """

    semantic: bool
    structural: bool
    nearest: int
    dependencies: str
    pipeline: str
    reshape: bool
    pads_seen: bool
    empty_objects_seen: bool
    all_levels: bool


class MegaFusion(Fusion):
    """Join states with words that are aligned to objects: pooled [B, 2d], or states [B, T, 2d] for entities.

    Every cell of every image region is an object. Without images the vector of the objects is 0.

    Args:
        context: Text encoder of width d, backbone, and the folder of a saved model.
        options: Options of the recipe.

    Raises:
        ComponentError: "mega-without-vision", "mega-pipeline-unavailable" or "mega-pipeline-needed".
        ModelFolderError: "mega-arcs-unreadable".

    Source: thecharm/Mega, `BERTEntityEncoder`; own: states for entities.
    """

    def __init__(self, context: FusionContext, options: MegaOptions) -> None:
        super().__init__()
        if context.backbone is None:
            raise ComponentError("mega-without-vision")
        d, self.options, self.task = context.text.width, options, context.labels.task
        self.width, self.max_length, self.cells = 2 * d, context.max_length, cells_per_region(context)
        self.full_image, self.max_objects = context.full_image, context.max_objects
        self.channels = cell_width(context.backbone.levels, options.all_levels)
        self.words = nn.Linear(d, self.width)  # W_h
        self.objects = nn.Linear(self.channels, self.width) if options.semantic else None  # W_p
        self.semantic = SemanticAlignment(self.width) if options.semantic else None
        self.pool = ObjectSum(self.width, options.semantic + options.structural)  # W_1
        self.join = nn.Linear(2 * self.width, self.width)  # W_2
        self.arc_source = self._arc_source(context.folder)

    def _arc_source(self, folder: Path | None) -> ArcSource | None:
        """Return where the arcs between words come from; None without structural alignment."""
        if not self.options.structural:
            return None
        if folder is not None:
            return load_arc_source(folder)
        return choose_arc_source(self.options.dependencies, self.options.pipeline)

    def build_inputs(self, example: Example, encoded: EncodedText) -> dict[str, Tensor]:
        """Return the structural alignment of positions with image regions, [T, V]."""
        if self.arc_source is None:
            return {}
        options = self.options
        rows = align_words(
            example, self.arc_source, self.full_image, self.max_objects, options.nearest, options.empty_objects_seen
        )
        return {"alignment": aligned_positions(rows, encoded)}

    def forward(
        self,
        encoder: TextEncoder,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Fused:
        """Compute pooled [B, 2d], or states [B, T, 2d] for entities.

        Args:
            encoder: Text encoder.
            text: Batch of texts.
            visual: Image features; None: no images.
            extras: Results of `build_inputs`, batched.
            trace: Receives "semantic alignment" and "structural alignment", the weights of words for each cell
                [B, S, T], 0 for missing ones; as attention, how the cells share each word by these weights.

        Raises:
            ValueError: A batch of relations has no positions of head and tail.
        """
        states = encoder(text).states  # H [B, T, d]
        words = self.words(states)  # H' [B, T, 2d]
        vector = self.object_vector(words, text, visual, extras, trace)  # O [B, 2d]
        if self.task == "mre":
            return Fused(pooled=self.join(torch.cat([entity_start_states(states, text), vector], dim=-1)))
        return Fused(self.join(torch.cat([words, vector[:, None].expand_as(words)], dim=-1)))

    def object_vector(
        self,
        words: Tensor,
        text: TextBatch,
        visual: Visual | None,
        extras: dict[str, Tensor],
        trace: Trace | None = None,
    ) -> Tensor:
        """Compute the sum over objects of what they are aligned with, [B, 2d], from the mapped words [B, T, 2d]."""
        if visual is None and not self.options.empty_objects_seen:
            return words.new_zeros(len(words), self.width)
        cells, exists = self._cells(words, visual)  # [B, S, C], [B, S]
        aligned, weights = self._aligned(words, cells, text, extras)
        if trace is not None:
            _trace_alignments(trace, {name: weight * exists[..., None] for name, weight in weights.items()})
        result: Tensor = self.pool(aligned, exists)
        return result.to(words.dtype)

    def _aligned(
        self, words: Tensor, cells: Tensor, text: TextBatch, extras: dict[str, Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return what each object is aligned with, [B, S, 2d] by alignment, and the weights [B, S, T] by name."""
        mask = torch.ones_like(text.mask) if self.options.pads_seen else text.mask
        aligned, weights = [], {}
        if self.semantic is not None and self.objects is not None:
            attended, weights["semantic alignment"] = self.semantic(self.objects(cells), words, mask)  # P
            aligned.append(attended)
        if self.options.structural:
            reshape_to = self.max_length if self.options.reshape else None
            structural = structural_weights(extras["alignment"], mask, self.cells, reshape_to)  # R [B, S, T]
            weights["structural alignment"] = structural
            aligned.append(structural.to(words.dtype) @ words)  # S
        return aligned, weights

    def _cells(self, words: Tensor, visual: Visual | None) -> tuple[Tensor, Tensor]:
        """Return the cells [B, S, C] and which of them count, [B, S] bool."""
        if visual is None:
            number = (int(self.full_image) + self.max_objects) * self.cells
            cells = words.new_zeros(len(words), number, self.channels)
            exists = torch.zeros(cells.shape[:2], dtype=torch.bool, device=words.device)
        else:
            cells, exists = visual.cells(self.options.all_levels)
        return cells, torch.ones_like(exists) if self.options.empty_objects_seen else exists

    def save(self, folder: Path) -> None:
        """Write where the arcs between words come from."""
        if self.arc_source is not None:
            self.arc_source.save(folder)

    def provenance_notes(self) -> list[str]:
        """Return a note on the arcs between words."""
        return [] if self.arc_source is None else [self.arc_source.note()]


def _trace_alignments(trace: Trace, weights: dict[str, Tensor]) -> None:
    """Add weights of words for each cell, [B, S, T] by name, to a trace.

    As attention of words to cells, they are divided by their sum over cells; a word without weights attends to itself.
    """
    for name, weight in weights.items():
        trace.extra_tensors[name] = by_cell = weight.detach().float()
        total = by_cell.sum(1, keepdim=True)  # [B, 1, T]
        shares = torch.where(total > 0, by_cell / total.clamp(min=torch.finfo(torch.float32).tiny), 0)
        trace.attention.append(prepend_image_attention(shares.transpose(1, 2)[:, None]))
        trace.cells = torch.arange(by_cell.shape[1])[None]


def cells_per_region(context: FusionContext) -> int:
    """Return the number of cells P of an image region; 0 without a backbone."""
    return 0 if context.backbone is None else context.backbone.levels[-1].cells or context.cells
