"""Golden values of published systems: weights from formulas, and what the authors' code computes with them.

`tests/golden/<system>_<seed>.json` holds inputs, shapes of parameters and results of one system. Set HVPKIT_GOLDEN to
a folder of other files to test with other weights: the seed of the weights is that of the file's name. A test module
applies `golden_cases(system)` to each test, which then receives a `Golden`.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertTokenizer

from hvpkit.interfaces import TextBatch
from hvpkit.model.text.hugging_face import HuggingFaceEncoder, TokenizationStyle
from hvpkit.model.text.prefix_attention import PREFIX_ATTENTION
from hvpkit.types import Example, Span

Rule = Literal["A", "B"]

FOLDER = Path(__file__).parent / "golden"
VARIABLE = "HVPKIT_GOLDEN"
TENSORS, LOSSES = 2e-5, 1e-4  # tolerances, since the files have 6 decimals


@dataclass(frozen=True)
class Golden:
    """One file of golden values: the seed of its weights and what the file says."""

    system: str
    seed: int
    values: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def tensor(self, *keys: str | int) -> Tensor:
        """The value under these keys as a tensor: integers as int64, other numbers as float32."""
        value: Any = self.values
        for key in keys:
            value = value[key]
        return torch.tensor(value)

    def parameters(self, rule: Rule, *keys: str) -> dict[str, Tensor]:
        """All filled parameters by the authors' names, of the shapes in `parameters` under these keys."""
        shapes: Any = self.values
        for key in (*keys, "parameters"):
            shapes = shapes[key]
        return fill_all(shapes, self.seed, rule)


def fill(name: str, shape: Sequence[int], seed: int, rule: Rule) -> Tensor:
    """Compute the weights of a parameter from its name.

    Args:
        name: The authors' name of the parameter.
        shape: Its shape.
        seed: Seed of the file.
        rule: "A" (UMT, UMGF, OCSGA, AdapCoAtt, HBiLSTM-CRF) or "B" (all others).
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()) % 1_000_003)
    normal = torch.randn(tuple(shape), generator=generator)
    if name.startswith(("crf.", "aux_crf.") if rule == "A" else "crf."):
        return 0.1 * normal
    if rule == "A" and name.endswith("running_var"):
        return 0.75 + 0.5 * torch.rand(tuple(shape), generator=generator)
    if rule == "A" and name.endswith("running_mean"):
        return 0.1 * normal
    if "embeddings." in name and len(shape) == 2:
        return (0.05 if rule == "B" or name.startswith("bert.") else 0.5) * normal
    if len(shape) >= 2:
        return normal / normal[0].numel() ** 0.5
    if name.endswith(("weight", "a_2") if rule == "A" else "weight") and len(shape) == 1:
        return 1 + 0.1 * normal
    return 0.02 * normal


def fill_all(shapes: Mapping[str, Sequence[int]], seed: int, rule: Rule) -> dict[str, Tensor]:
    """Compute all parameters of a file by name; position ids are no parameters."""
    return {name: fill(name, shape, seed, rule) for name, shape in shapes.items() if not name.endswith("position_ids")}


def golden_folder() -> Path:
    """The folder of golden files: that of the environment variable, or the copies beside this module."""
    return Path(os.environ.get(VARIABLE) or FOLDER)


def golden_files(system: str) -> list[Path]:
    """All golden files of a system, `<system>_<seed>.json`.

    Raises:
        FileNotFoundError: The folder has none, since without one its tests would pass unseen.
    """
    files = sorted(path for path in golden_folder().glob(f"{system}_*.json") if _seed(path, system) is not None)
    if not files:
        raise FileNotFoundError(f"{golden_folder()} has no {system}_<seed>.json")
    return files


def load_golden(path: Path, system: str) -> Golden:
    """Read a golden file; the seed is that of its name."""
    seed = _seed(path, system)
    assert seed is not None, f"{path} is not named {system}_<seed>.json"
    return Golden(system, seed, json.loads(path.read_text()))


def golden_cases(system: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Parametrize a test's argument `golden` over all golden files of a system."""
    files = golden_files(system)
    return pytest.mark.parametrize("golden", [load_golden(path, system) for path in files], ids=[p.stem for p in files])


@torch.no_grad()
def assign(target: Tensor, source: Tensor) -> None:
    """Copy a weight into a parameter of exactly its shape.

    Raises:
        ValueError: The shapes differ.
    """
    if target.shape != source.shape:
        raise ValueError(f"{tuple(source.shape)} does not fit {tuple(target.shape)}")
    target.copy_(source)


def load_module(module: nn.Module, weights: Mapping[str, Tensor], prefix: str, missing: Sequence[str] = ()) -> None:
    """Load all weights whose name begins with a prefix; what follows it must be the names of the module.

    Args:
        module: Module to fill.
        weights: Weights by name.
        prefix: Prefix of the names, such as "bert.".
        missing: Beginnings of names of the module that may be absent.
    """
    state = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    absent, unexpected = module.load_state_dict(state, strict=False)
    absent = [name for name in absent if not name.startswith(tuple(missing))]
    assert not absent, f"not in the file: {absent}"
    assert not unexpected, f"not in the module: {unexpected}"


def assert_near(actual: Tensor, expected: Any, tolerance: float = TENSORS, relative: float = 0.0) -> None:
    """Compare with golden numbers of the same shape."""
    wanted = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(actual.detach().cpu(), wanted, atol=tolerance, rtol=relative)


def gradient_norms(loss: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, float | None]:
    """Norm of the gradient of a loss for each parameter; None: the loss does not depend on it."""
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, retain_graph=True)
    norms = (None if gradient is None else float(gradient.norm()) for gradient in gradients)
    return dict(zip(parameters, norms, strict=True))


def pairs_of_entities(items: Sequence[Mapping[str, Any]]) -> list[Example]:
    """Convert the sentences of a file about relations to examples; their relation is not known."""
    return [
        Example(str(i), tuple(item["token"]), head=Span(*item["h"]["pos"]), tail=Span(*item["t"]["pos"]))
        for i, item in enumerate(items)
    ]


def bert_of(config: Mapping[str, Any], vocabulary: Sequence[str], markers: Sequence[str] = ()) -> HuggingFaceEncoder:
    """Build a BERT of the sizes of a file, with a tokenizer of lower-case text; weights are random until loaded."""
    sizes = {**config, "layer_norm_eps": 1e-12}  # rounded to 0 in the files
    model = AutoModel.from_config(BertConfig(**sizes), attn_implementation=PREFIX_ATTENTION)
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}, do_lower_case=True)
    return HuggingFaceEncoder(model, tokenizer, TokenizationStyle(tuple(markers)))


def load_bert(encoder: HuggingFaceEncoder, weights: Mapping[str, Tensor], prefix: str) -> None:
    """Load a BERT from weights with stock names after a prefix; its pooler is not used."""
    used = {name: weight for name, weight in weights.items() if not name.startswith(f"{prefix}pooler.")}
    load_module(encoder.model, used, prefix)


def texts_of(ids: Tensor, mask: Tensor, head_position: Tensor, tail_position: Tensor) -> TextBatch:
    """Build a batch of wordpiece ids [B, T] and positions [B]; each position counts as a word."""
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    mask = mask.bool()
    return TextBatch(
        {"input_ids": ids}, mask, positions, mask, positions.masked_fill(~mask, -1), head_position, tail_position
    )


def _seed(path: Path, system: str) -> int | None:
    digits = path.stem.removeprefix(f"{system}_")
    return int(digits) if digits.isdecimal() else None
