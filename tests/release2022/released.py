"""Checkpoints and inputs of the released code, made from a seed by one formula; a small one.

The released code's outputs for them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import small_models
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, gelu, layer_norm, leaky_relu, linear
from torchvision.models import resnet18

WIDTH, LAYERS, HEADS, INNER, SIDE = 128, 2, 2, 96, 160  # a map of 5 x 5 at the end, whose edge is left out
TAGS = 13


def fill(name: str, tensor: Tensor, seed: int) -> Tensor:
    """Return a tensor of this shape from its name and the seed; integers stay as they are."""
    if not tensor.is_floating_point():
        return tensor
    generator = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()) % 1_000_003)
    normal = torch.randn(tensor.shape, generator=generator)
    if name.startswith("crf.") or name.endswith("running_mean"):
        return 0.1 * normal
    if name.endswith("running_var"):
        return 0.75 + 0.5 * torch.rand(tensor.shape, generator=generator)
    if "embeddings." in name and tensor.dim() == 2:
        return 0.05 * normal
    if tensor.dim() >= 2:
        return normal / math.sqrt(tensor[0].numel())
    return 1 + 0.1 * normal if name.endswith("weight") else 0.02 * normal


def inputs(
    seed: int, side: int = 224, vocabulary: tuple[int, int] = (1000, 30000), specials: tuple[int, int] = (101, 102)
) -> tuple:
    """Return ids [2, 12], their mask, whole images and crops; the last crop is missing, so zeros."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(*vocabulary, (2, 12), generator=generator)
    ids[:, 0], ids[0, 11], ids[1, 8], ids[1, 9:] = specials[0], specials[1], specials[1], 0
    whole, crops = (
        torch.randn(2, 3, side, side, generator=generator),
        torch.randn(2, 3, 3, side, side, generator=generator),
    )
    crops[1, 2] = 0
    return ids, ids != 0, whole, crops


def tags(ids: Tensor, mask: Tensor, seed: int) -> Tensor:
    """Return gold tags of the inputs of a seed."""
    return torch.randint(1, TAGS, ids.shape, generator=torch.Generator().manual_seed(seed + 1)) * mask


def put_markers(ids: Tensor, first: int) -> None:
    """Put <s>, </s>, <o>, </o>, whose ids begin at `first`, into both rows."""
    for row, places in enumerate(((2, 4, 6, 8), (5, 7, 1, 3))):
        for number, place in enumerate(places):
            ids[row, place] = first + number


# ---------------------------------------------------------------------------------------------------------- a small
# checkpoint
def small_checkpoint(task: str, seed: int, num_wordpieces: int, classes: int = 23) -> dict[str, Tensor]:
    """Make a checkpoint with a ResNet-18.

    And a BERT of two layers for a tokenizer of this vocabulary size (and markers, for MRE).
    """
    rows = num_wordpieces + 4 * (task == "mre")
    shapes = {
        "embeddings.word_embeddings.weight": (rows, WIDTH),
        "embeddings.position_embeddings.weight": (40, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **_pair("embeddings.LayerNorm", (WIDTH,)),
        **_pair("pooler.dense", (WIDTH, WIDTH)),
    }
    for layer in range(LAYERS):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= _pair(f"encoder.layer.{layer}.{part}", (WIDTH, WIDTH))
        shapes |= _pair(f"encoder.layer.{layer}.attention.output.LayerNorm", (WIDTH,))
        shapes |= _pair(f"encoder.layer.{layer}.intermediate.dense", (INNER, WIDTH))
        shapes |= _pair(f"encoder.layer.{layer}.output.dense", (WIDTH, INNER))
        shapes |= _pair(f"encoder.layer.{layer}.output.LayerNorm", (WIDTH,))
    found = {f"bert.{name}": torch.empty(shape) for name, shape in shapes.items()}
    found["bert.embeddings.position_ids"] = torch.arange(40)[None]
    found |= {f"image_model.resnet.{name}": tensor for name, tensor in resnet18().state_dict().items()}
    rest = _pair("encoder_conv.0", (800, 960)) | _pair("encoder_conv.2", (4 * 2 * WIDTH, 800))
    for layer in range(LAYERS):
        rest |= _pair(f"gates.{layer}", (4, 4 * 2 * WIDTH))
    if task == "mner":
        rest |= _pair("fc", (TAGS, WIDTH)) | {f"crf.{end}_transitions": (TAGS,) for end in ("start", "end")}
        rest |= {"crf.transitions": (TAGS, TAGS)}
    else:
        rest |= _pair("classifier", (classes, 2 * WIDTH))
    found |= {name: torch.empty(shape) for name, shape in rest.items()}
    return {name: fill(name, tensor, seed) for name, tensor in found.items()}


def _pair(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def save_tokenizer(folder: Path) -> int:
    """Save a small BERT's tokenizer; return its vocabulary size."""
    tokenizer = small_models.wordpiece_tokenizer()
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


# ------------------------------------------------------------------------------------- the released forward pass,
# written out
@torch.no_grad()
def plain_states(t: Mapping[str, Tensor], ids: Tensor, mask: Tensor, whole: Tensor, crops: Tensor) -> Tensor:
    """Return the last hidden states [B, T, d], one example and one head at a time."""
    images = torch.cat([whole[:, None], crops], 1)
    return torch.stack(
        [_example(t, ids[b], mask[b], [_blocks(t, image) for image in images[b]]) for b in range(len(ids))]
    )


def _blocks(t: Mapping[str, Tensor], image: Tensor) -> list[Tensor]:
    """Return an image's four blocks [4, 2d]."""
    net = resnet18().eval()
    net.load_state_dict(
        {
            name.removeprefix("image_model.resnet."): value
            for name, value in t.items()
            if name.startswith("image_model.")
        }
    )
    x = net.maxpool(net.relu(net.bn1(net.conv1(image[None]))))
    stages = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        half = x.shape[2] // 2
        stages.append(avg_pool2d(x, half, half))
    rows = torch.cat(stages, 1).view(4, -1)
    out = _linear(t, "encoder_conv.2", _linear(t, "encoder_conv.0", rows).tanh())
    return list(out.split(2 * WIDTH, dim=1))


def _example(t: Mapping[str, Tensor], ids: Tensor, mask: Tensor, images: list[list[Tensor]]) -> Tensor:
    position = t["bert.embeddings.position_embeddings.weight"][: len(ids)]
    x = (
        t["bert.embeddings.word_embeddings.weight"][ids]
        + position
        + t["bert.embeddings.token_type_embeddings.weight"][0]
    )
    x = _norm(t, "bert.embeddings.LayerNorm", x)
    for layer in range(LAYERS):
        at = f"bert.encoder.layer.{layer}."
        x = _norm(
            t,
            at + "attention.output.LayerNorm",
            x + _linear(t, at + "attention.output.dense", _attend(t, layer, x, mask, images)),
        )
        x = _norm(
            t,
            at + "output.LayerNorm",
            x + _linear(t, at + "output.dense", gelu(_linear(t, at + "intermediate.dense", x))),
        )
    return x


def _attend(t: Mapping[str, Tensor], layer: int, x: Tensor, mask: Tensor, images: list[list[Tensor]]) -> Tensor:
    mixed = []
    for blocks in images:
        gate = leaky_relu(_linear(t, f"gates.{layer}", (sum(blocks) / 4).flatten())).softmax(0)
        mixed.append(sum(gate[i] * blocks[i] for i in range(4)))
    prefix = torch.cat(mixed)  # [16, 2d]
    own = [_linear(t, f"bert.encoder.layer.{layer}.attention.self.{part}", x) for part in ("query", "key", "value")]
    dim, heads = WIDTH // HEADS, []
    for head in range(HEADS):
        query, key, value = (tensor[:, head * dim : (head + 1) * dim] for tensor in own)
        run = slice(head * 16 * dim, (head + 1) * 16 * dim)
        key = torch.cat([prefix[:, :WIDTH].flatten()[run].view(16, dim), key])
        value = torch.cat([prefix[:, WIDTH:].flatten()[run].view(16, dim), value])
        scores = query @ key.T / math.sqrt(dim)
        scores[:, 16:][:, ~mask] = -torch.inf
        heads.append(scores.softmax(1) @ value)
    return torch.cat(heads, 1)


def _linear(t: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return linear(x, t[f"{name}.weight"], t[f"{name}.bias"])


def _norm(t: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return layer_norm(x, (WIDTH,), t[f"{name}.weight"], t[f"{name}.bias"], 1e-12)


def plain_emissions(t: Mapping[str, Tensor], states: Tensor) -> Tensor:
    return _linear(t, "fc", states)


def plain_crf_loss(t: Mapping[str, Tensor], emissions: Tensor, gold: Tensor, mask: Tensor) -> float:
    """Add up what the gold path scores against all paths, a step at a time."""
    losses = []
    for row, path, length in zip(emissions, gold, mask.sum(1), strict=True):
        everything, score = t["crf.start_transitions"] + row[0], t["crf.start_transitions"][path[0]] + row[0, path[0]]
        for i in range(1, int(length)):
            everything = torch.stack(
                [(everything + t["crf.transitions"][:, to]).logsumexp(0) + row[i, to] for to in range(TAGS)]
            )
            score = score + t["crf.transitions"][path[i - 1], path[i]] + row[i, path[i]]
        last = path[int(length) - 1]
        losses.append((everything + t["crf.end_transitions"]).logsumexp(0) - score - t["crf.end_transitions"][last])
    return float(sum(losses)) / len(losses)


def plain_paths(t: Mapping[str, Tensor], emissions: Tensor, mask: Tensor) -> list[list[int]]:
    """Walk to the best path of each row."""
    found = []
    for row, length in zip(emissions, mask.sum(1).tolist(), strict=True):
        best = [(float(t["crf.start_transitions"][tag] + row[0, tag]), [tag]) for tag in range(TAGS)]
        for i in range(1, length):
            best = [
                max(
                    (score + float(t["crf.transitions"][path[-1], tag] + row[i, tag]), [*path, tag])
                    for score, path in best
                )
                for tag in range(TAGS)
            ]
        found.append(max((score + float(t["crf.end_transitions"][path[-1]]), path) for score, path in best)[1])
    return found


def plain_logits(t: Mapping[str, Tensor], states: Tensor, ids: Tensor, marker: int) -> Tensor:
    rows = [
        torch.cat([row[int((of == marker).nonzero()[0])], row[int((of == marker + 2).nonzero()[0])]])
        for row, of in zip(states, ids, strict=True)
    ]
    return _linear(t, "classifier", torch.stack(rows))


def plain_relation_loss(logits: Tensor, gold: Tensor) -> float:
    return float(cross_entropy(logits, gold))
