"""What a processor is told before training: the same numbers from it, sooner (our own)."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names of malloc.h
FREED = 2**31 - 1  # bytes that may lie free at the end of the heap
BLOCK = 32 * 2**20  # bytes; larger blocks are given back at once, as always


def retain_freed_memory() -> None:
    """Let the C library keep what a step frees for the next step, which else fetches it again page by page; glibc alone can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, FREED)
        mallopt(M_MMAP_THRESHOLD, BLOCK)


@contextmanager
def onednn_matmul() -> Iterator[None]:
    """Have oneDNN multiply float32 matrices, on processors where it does so in full precision; elsewhere nothing changes.

    torch leaves float32 products to MKL unless they may be taken in bfloat16. Without AMX, oneDNN has no such kernels: allowed bfloat16,
    it multiplies in float32 all the same, and on AMD's processors sooner than MKL.
    """
    with _bfloat16_allowed() if onednn_is_exact() else nullcontext():
        yield


@cache
def onednn_is_exact() -> bool:
    """Try whether float32 products that may be taken in bfloat16 come out with an error of float32's size all the same."""
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if matmul is None or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch before 2.9, or a build without oneDNN
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((128, 768), (768, 768)))
    with _bfloat16_allowed():
        product = a.float() @ b.float()
    return bool(torch.allclose(product.double(), a.float().double() @ b.float().double(), rtol=0, atol=1e-3))


@contextmanager
def _bfloat16_allowed() -> Iterator[None]:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
