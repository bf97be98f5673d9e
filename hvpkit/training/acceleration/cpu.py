"""CPU settings that speed up training without changing results.

Source: own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt in malloc.h
MAX_FREE_HEAP = 2**31 - 1  # bytes that may stay free at the end of the heap
MAX_HEAP_BLOCK = 32 * 2**20  # bytes; larger blocks are returned to the system at once (default of glibc)


@contextmanager
def retained_memory() -> Iterator[None]:
    """Keep memory that is freed within the block for later use instead of returning it to the system.

    This affects glibc on Linux only; elsewhere it does nothing. Afterwards, free memory is returned, and the thresholds
    are those that glibc reaches by itself when large blocks are freed.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt, malloc_trim = (getattr(libc, name, None) for name in ("mallopt", "malloc_trim"))
    if mallopt is None or malloc_trim is None:
        yield
        return
    mallopt(M_TRIM_THRESHOLD, MAX_FREE_HEAP)
    mallopt(M_MMAP_THRESHOLD, MAX_HEAP_BLOCK)
    try:
        yield
    finally:
        mallopt(M_TRIM_THRESHOLD, 2 * MAX_HEAP_BLOCK)
        malloc_trim(0)


@contextmanager
def onednn_matmul() -> Iterator[None]:
    """Multiply fp32 matrices with oneDNN within the block, on CPUs where it does so in full precision.

    torch uses MKL for fp32 products unless bf16 is allowed for them. Without AMX, oneDNN has no bf16 kernels for
    them: with bf16 allowed, it still multiplies in fp32, and on AMD CPUs it is faster than MKL. Nothing changes on
    CPUs where bf16 would lose precision.
    """
    with _bfloat16_allowed() if onednn_is_exact() else nullcontext():
        yield


@cache
def onednn_is_exact() -> bool:
    """Check that fp32 products keep fp32 accuracy when bf16 is allowed for them."""
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    # None before torch 2.9
    if matmul is None or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=generator, dtype=torch.float64) for size in ((128, 768), (768, 768)))
    with _bfloat16_allowed():
        product = a.float() @ b.float()
    return bool(torch.allclose(product.double(), a.float().double() @ b.float().double(), rtol=0, atol=1e-3))


@contextmanager
def _bfloat16_allowed() -> Iterator[None]:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    previous = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = previous
