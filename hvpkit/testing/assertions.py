"""What every contract check asks of a component, and how it says what is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hvpkit.registry import fault_of

Made = TypeVar("Made")
AnyModule = TypeVar("AnyModule", bound=nn.Module)
Run = Callable[[AnyModule], Sequence[Tensor]]


@contextmanager
def seeded() -> Iterator[None]:
    """Make random numbers the same each time, and leave the caller's as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20220710)
        yield


def require(held: bool, sentence: str) -> None:
    """Raise AssertionError with the sentence unless it held."""
    if not held:
        raise AssertionError(sentence)


def made(factory: Callable[..., Made], context: object, **options: Any) -> Made:  # noqa: ANN401 - of any component
    """Call a factory and ask for something that has what its contract declares."""
    component = factory(context, **options)
    fault = fault_of(component)
    require(fault is None, fault or "")
    return component


def require_raises(kind: type[Exception], call: Callable[[], object], otherwise: str) -> None:
    """Raise AssertionError with the sentence `otherwise` unless the call raises `kind`."""
    try:
        call()
    except kind:
        return
    raise AssertionError(otherwise)


def require_shape(what: str, found: Tensor, expected: tuple[int, ...]) -> None:
    """Ask for a shape, fp32 and finite numbers."""
    require(tuple(found.shape) == expected, f"{what} should be {list(expected)}, not {list(found.shape)}")
    require(found.dtype == torch.float32, f"{what} should be float32, not {found.dtype}")
    require(bool(found.isfinite().all()), f"{what} should be finite")


def require_close(what: str, first: Tensor, second: Tensor, tolerance: float = 1e-5) -> None:
    """Ask for like shapes and values, the tolerance being in shares of the largest value (of 1 at least)."""
    require(first.shape == second.shape, f"{what} differ in shape: {list(first.shape)} and {list(second.shape)}")
    if second.numel():
        off = float((first - second).detach().abs().max() / second.detach().abs().max().clamp(min=1.0))
        require(off <= tolerance, f"{what} differ by {off:.2g}")


def require_equal(what: str, first: Sequence[Tensor], second: Sequence[Tensor]) -> None:
    """Ask for the same numbers, bit for bit."""
    require(len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), f"{what} differ")


def prepared_twice(prepare: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Call it twice and ask for the same."""
    first, second = prepare(), prepare()
    require(list(first) == list(second), f"what is prepared for an example has other names the second time: {[*first]} and {[*second]}")
    require_equal("what is prepared for an example, and the same again,", [*first.values()], [*second.values()])
    return first


def check_state(module: AnyModule, make: Callable[[], AnyModule], run: Run[AnyModule]) -> None:
    """Ask for determinism in evaluation mode, for finite numbers in bf16, and that another one with this one's state does the same."""
    first = [tensor.detach() for tensor in run(module.eval())]
    require_equal("two runs in evaluation mode", run(module), first)
    _check_bf16(lambda: run(module))
    other = make()
    other.load_state_dict(module.state_dict())
    require_equal("its output and that of another one with its state", run(other.eval()), first)


def check_gradients(module: AnyModule, run: Run[AnyModule]) -> None:
    """Ask that finite gradients reach every trained parameter in training mode: distributed training refuses one without."""
    trained = {name: parameter for name, parameter in module.train().named_parameters() if parameter.requires_grad}
    if not trained:
        return
    torch.autograd.backward([(tensor * torch.rand_like(tensor)).sum() for tensor in run(module) if tensor.requires_grad])
    gradients = {name: parameter.grad for name, parameter in trained.items()}
    without = [name for name, gradient in gradients.items() if gradient is None]
    require(not without, f"no gradient reaches {', '.join(without)}")
    found = [gradient for gradient in gradients.values() if gradient is not None]
    require(all(bool(gradient.isfinite().all()) for gradient in found), "some gradients are not finite")
    require(any(bool(gradient.any()) for gradient in found), "every gradient is 0")


def _check_bf16(run: Callable[[], Sequence[Tensor]]) -> None:
    """Ask for finite numbers under autocast to bf16, as a GPU trains."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            given = run()
    except RuntimeError as error:
        raise AssertionError(f"under autocast to bf16 it fails: {error}") from error
    require(all(bool(tensor.isfinite().all()) for tensor in given), "under autocast to bf16 some numbers are not finite")
