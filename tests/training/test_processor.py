import ctypes
import os
import subprocess
import sys

import pytest
import tiny
import torch

from hvpkit.data.prepared import open_prepared
from hvpkit.registry import load_registry
from hvpkit.training import processor
from hvpkit.training import run as training
from hvpkit.training.processor import products_by_onednn

FAULTS = """
import resource, sys, torch
from hvpkit.training.processor import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(3):
    [torch.ones(2**20) for _ in range(40)]  # 4 MB each
begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    [torch.ones(2**20) for _ in range(40)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""

KERNELS = """
import ctypes, sys, torch
from hvpkit.training.processor import keep_few_kernels, products_by_onednn
if sys.argv[1] == "few":
    keep_few_kernels("fp32")
class Heap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Heap
weight = torch.ones(256, 256)
with products_by_onednn():
    for rows in range(8, 328, 8):
        torch.ones(rows, 256) @ weight
        if rows == 160:
            begun = library.mallinfo2().uordblks
print(library.mallinfo2().uordblks - begun)
"""


def precision() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


def test_products_by_onednn_keep_the_precision_of_float32_in_every_direction():
    generator = torch.Generator().manual_seed(0)
    for rows, inner, columns in ((8, 16, 8), (136, 768, 3072), (256, 3072, 768)):
        a, b = (torch.randn(shape, generator=generator).requires_grad_() for shape in ((rows, inner), (inner, columns)))
        with products_by_onednn():
            product = a @ b
            product.backward(torch.ones_like(product))
        exact = a.detach().double() @ b.detach().double()
        assert (product - exact).abs().max() < 1e-6 * inner
        assert (a.grad - b.detach().double().sum(1)).abs().max() < 1e-6 * columns
        assert (b.grad - a.detach().double().sum(0)[:, None]).abs().max() < 1e-6 * rows * 4


def test_the_setting_is_as_it_was_after_products_by_onednn_even_after_an_error():
    before = precision()
    with products_by_onednn():
        assert (precision() == "bf16") == processor.onednn_is_exact()
    with pytest.raises(ZeroDivisionError), products_by_onednn():
        _ = 1 / 0
    assert precision() == before


def test_where_onednn_would_round_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(processor, "onednn_is_exact", lambda: False)
    before = precision()
    with products_by_onednn():
        assert precision() == before


def test_products_that_are_rounded_to_bfloat16_are_found_out(monkeypatch):
    product = torch.Tensor.__matmul__

    def rounded(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return product(a.bfloat16(), b.bfloat16()).float() if a.dtype == torch.float32 else product(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert not processor.onednn_is_exact.__wrapped__()


@pytest.mark.skipif(not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the GNU C library is told")
def test_freed_memory_that_is_kept_is_not_fetched_page_by_page_again():
    def faults(what: str) -> int:
        giving = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20), "MALLOC_TRIM_THRESHOLD_": str(2**17)}  # low and fixed
        ran = subprocess.run([sys.executable, "-c", FAULTS, what], env=giving, check=True, capture_output=True, text=True)
        return int(ran.stdout)

    assert faults("given back") > 100_000
    assert faults("kept") < 10_000


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc from 2.33 on is asked")
def test_kernels_of_many_lengths_do_not_pile_up():
    def growth(how: str) -> int:
        plain = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
        ran = subprocess.run([sys.executable, "-c", KERNELS, how], env=plain, check=True, capture_output=True, text=True)
        return int(ran.stdout)

    everything = growth("all")
    if everything < 2**20:
        pytest.skip("oneDNN makes no kernels of float32 products on this processor")
    assert growth("few") < everything / 4


def test_what_a_user_says_of_kernels_stands(monkeypatch):
    said = {"LRU_CACHE_CAPACITY": "7"}
    monkeypatch.setattr(os, "environ", said)
    processor.keep_few_kernels("bf16")
    assert said == {"LRU_CACHE_CAPACITY": "7", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("train.precision=fp32",), ["fp32"]),
        (("train.precision=bf16",), ["bf16"]),
        (("vision.frozen=false",), []),
    ],
)
def test_few_kernels_are_kept_unless_the_backbone_learns(tmp_path, mner_data, monkeypatch, overrides, said):
    heard = []
    monkeypatch.setattr(training, "keep_few_kernels", heard.append)
    monkeypatch.setattr(training, "device", lambda: torch.device("cpu"))
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=overrides)
    training.Run(recipe, load_registry(), open_prepared(mner_data.folder), training.Report())
    assert heard == said
