from __future__ import annotations

import pytest
import torch
from raising import raises

from hvpkit.errors import InputError
from hvpkit.training.distributed import local_device
from hvpkit.utils.device import available_devices, resolve_device


@pytest.fixture
def gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_a_gpu_if_there_is_one(gpus):
    assert [str(resolve_device(name)) for name in (None, "auto", "cpu", "cuda", "cuda:1")] == [
        "cuda",
        "cuda",
        "cpu",
        "cuda",
        "cuda:1",
    ]
    assert available_devices() == ["cpu", "cuda:0", "cuda:1"]


def test_auto_is_the_cpu_otherwise(no_gpu):
    assert resolve_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(no_gpu, name):
    with raises(InputError, "device-unavailable", found=name, available=["cpu"]):
        resolve_device(name)


def test_a_gpu_number_that_is_too_high_is_refused(gpus):
    with raises(InputError, "device-unavailable", found="cuda:2", available=["cpu", "cuda:0", "cuda:1"]):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cpu;", " cpu"])
def test_other_names_are_refused(name):
    with raises(InputError, "device-unknown", found=name):
        resolve_device(name)


def test_the_environment_names_the_default(gpus, monkeypatch):
    monkeypatch.setenv("HVP_DEVICE", "cpu")
    assert (resolve_device(), resolve_device("cuda")) == (torch.device("cpu"), torch.device("cuda"))


def test_training_uses_the_gpu_of_its_process(gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (local_device(), local_device("cpu")) == (torch.device("cuda:1"), torch.device("cpu"))
    with raises(InputError, "device-not-for-training", found="cuda:1"):
        local_device("cuda:1")
