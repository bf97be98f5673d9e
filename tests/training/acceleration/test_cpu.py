import os
import subprocess
import sys

import pytest
import torch

from hvpkit.training.acceleration import cpu
from hvpkit.training.acceleration.cpu import onednn_matmul

FAULTS = """
import resource, sys, torch
from contextlib import nullcontext
from hvpkit.training.acceleration.cpu import retained_memory
context = retained_memory() if sys.argv[1] == "kept" else nullcontext()
context.__enter__()
for _ in range(3):
    [torch.ones(2**20) for _ in range(40)]  # 4 MB each
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    [torch.ones(2**20) for _ in range(40)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""


def precision() -> str:
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no setting for the precision of oneDNN's products")
    return torch.backends.mkldnn.matmul.fp32_precision


def test_products_by_onednn_keep_the_precision_of_float32_in_every_direction():
    generator = torch.Generator().manual_seed(0)
    for rows, inner, columns in ((8, 16, 8), (136, 768, 3072), (256, 3072, 768)):
        a, b = (torch.randn(shape, generator=generator).requires_grad_() for shape in ((rows, inner), (inner, columns)))
        with onednn_matmul():
            product = a @ b
            product.backward(torch.ones_like(product))
        exact = a.detach().double() @ b.detach().double()
        assert (product - exact).abs().max() < 1e-6 * inner
        assert (a.grad - b.detach().double().sum(1)).abs().max() < 1e-6 * columns
        assert (b.grad - a.detach().double().sum(0)[:, None]).abs().max() < 1e-6 * rows * 4


def test_the_setting_is_as_it_was_after_products_by_onednn_even_after_an_error():
    before = precision()
    with onednn_matmul():
        assert (precision() == "bf16") == cpu.onednn_is_exact()
    with pytest.raises(ZeroDivisionError), onednn_matmul():
        _ = 1 / 0
    assert precision() == before


def test_where_onednn_would_round_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(cpu, "onednn_is_exact", lambda: False)
    before = precision()
    with onednn_matmul():
        assert precision() == before


def test_products_that_are_rounded_to_bfloat16_are_found_out(monkeypatch):
    product = torch.Tensor.__matmul__

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return product(a.bfloat16(), b.bfloat16()).float() if a.dtype == torch.float32 else product(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert not cpu.onednn_is_exact.__wrapped__()


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="only the GNU C library has these settings",
)
def test_freed_memory_that_is_kept_is_not_fetched_page_by_page_again():
    def faults(what: str) -> int:
        giving = os.environ | {
            "MALLOC_MMAP_THRESHOLD_": str(2**20),
            "MALLOC_TRIM_THRESHOLD_": str(2**17),
        }  # low and fixed
        ran = subprocess.run(
            [sys.executable, "-c", FAULTS, what], env=giving, check=True, capture_output=True, text=True
        )
        return int(ran.stdout)

    given_back = faults("given back")
    if given_back < 100_000:
        pytest.skip("this C library or kernel does not fetch freed blocks again")
    assert faults("kept") < given_back / 10
