"""The fill formulas of golden values, and how their files are found."""

from __future__ import annotations

import zlib

import golden
import pytest
import torch


def normal(name, *shape, seed=7):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name) % 1_000_003))


@pytest.mark.parametrize(
    ("name", "shape", "rule", "scale", "offset"),
    [
        ("crf.transitions", (3, 3), "A", 0.1, 0),
        ("aux_crf.start", (3,), "A", 0.1, 0),
        ("aux_crf.start", (3,), "B", 0.02, 0),
        ("bn.running_mean", (3,), "A", 0.1, 0),
        ("bert.embeddings.word_embeddings.weight", (4, 3), "A", 0.05, 0),
        ("char.embeddings.weight", (4, 3), "A", 0.5, 0),
        ("char.embeddings.weight", (4, 3), "B", 0.05, 0),
        ("word_embedding.weight", (4, 9), "B", 1 / 3, 0),
        ("conv.weight", (4, 3, 3), "B", 1 / 3, 0),
        ("norm.weight", (3,), "A", 0.1, 1),
        ("norm.a_2", (3,), "A", 0.1, 1),
        ("norm.a_2", (3,), "B", 0.02, 0),
        ("fc.bias", (3,), "B", 0.02, 0),
    ],
)
def test_the_first_rule_that_fits_a_name_scales_its_numbers(name, shape, rule, scale, offset):
    expected = offset + scale * normal(name.encode(), *shape)
    torch.testing.assert_close(golden.fill(name, shape, 7, rule), expected)


def test_variances_are_drawn_after_the_normal_numbers_of_the_same_name():
    generator = torch.Generator().manual_seed(7 * 1_000_003 + zlib.crc32(b"bn.running_var") % 1_000_003)
    torch.randn(3, generator=generator)
    expected = 0.75 + 0.5 * torch.rand(3, generator=generator)
    torch.testing.assert_close(golden.fill("bn.running_var", (3,), 7, "A"), expected)


def test_the_seed_of_a_file_is_that_of_its_name_and_the_folder_that_of_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv(golden.VARIABLE, str(tmp_path))
    (tmp_path / "one_11.json").write_text('{"seed": 7, "parameters": {"w": [2], "position_ids": [1]}}')
    (tmp_path / "one_two_3.json").write_text("{}")
    (path,) = golden.golden_files("one")
    loaded = golden.load_golden(path, "one")
    assert loaded.seed == 11
    torch.testing.assert_close(loaded.parameters("B"), {"w": 0.02 * normal(b"w", 2, seed=11)})


def test_a_folder_without_files_of_a_system_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv(golden.VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError):
        golden.golden_files("one")


def test_a_module_is_filled_completely_or_not_at_all():
    weights = {"fc.weight": torch.ones(1, 2), "fc.bias": torch.ones(1)}
    linear = torch.nn.Linear(2, 1)
    golden.load_module(linear, weights, "fc.")
    assert linear.weight.sum() == 2
    with pytest.raises(AssertionError):
        golden.load_module(linear, {"fc.weight": torch.ones(1, 2)}, "fc.")
    with pytest.raises(ValueError):
        golden.assign(linear.weight, torch.ones(2, 1))
