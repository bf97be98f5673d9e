"""What every contract check asks of a component, and how it says what is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hvpkit.messages import Message
from hvpkit.registry import missing_attribute

Made = TypeVar("Made")
AnyModule = TypeVar("AnyModule", bound=nn.Module)
Run = Callable[[AnyModule], Sequence[Tensor]]


class CheckFailed(AssertionError):
    """A component breaks its contract; `message` says how, and has a code."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


@contextmanager
def seeded() -> Iterator[None]:
    """Make random numbers the same each time, and leave the caller's as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20220710)
        yield


def require(held: bool, message: Message) -> None:
    """Raise CheckFailed with the message unless it held."""
    if not held:
        raise CheckFailed(message)


def build_checked(factory: Callable[..., Made], context: object, **options: Any) -> Made:  # noqa: ANN401 - of any component
    """Call a factory and ask for something that has what its contract declares."""
    component = factory(context, **options)
    fault = missing_attribute(component)
    if fault is not None:
        raise CheckFailed(fault)
    return component


def require_raises(kind: type[Exception], call: Callable[[], object], otherwise: Message) -> None:
    """Raise CheckFailed with the message `otherwise` unless the call raises `kind`."""
    try:
        call()
    except kind:
        return
    raise CheckFailed(otherwise)


def require_shape(output: str, found: Tensor, expected: tuple[int, ...]) -> None:
    """Ask for a shape, fp32 and finite numbers."""
    shape = Message("output-shape", output=output, expected=list(expected), found=list(found.shape))
    require(tuple(found.shape) == expected, shape)
    require(found.dtype == torch.float32, Message("output-dtype", output=output, found=str(found.dtype)))
    require(bool(found.isfinite().all()), Message("output-not-finite", output=output))


def require_close(first: Tensor, second: Tensor, message: Callable[[Message], Message], tolerance: float = 1e-5) -> None:
    """Ask for like shapes and values, the tolerance being in shares of the largest value (of 1 at least).

    `message` makes the message from the difference.
    """
    if first.shape != second.shape:
        raise CheckFailed(message(Message("difference-shape", first=list(first.shape), second=list(second.shape))))
    if second.numel():
        off = float((first - second).detach().abs().max() / second.detach().abs().max().clamp(min=1.0))
        require(off <= tolerance, message(Message("difference-amount", amount=off)))


def require_equal(first: Sequence[Tensor], second: Sequence[Tensor], message: Message) -> None:
    """Ask for the same numbers, bit for bit."""
    require(len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), message)


def check_deterministic(prepare: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Call it twice and ask for the same."""
    first, second = prepare(), prepare()
    require(list(first) == list(second), Message("prepared-names-differ", first=list(first), second=list(second)))
    require_equal([*first.values()], [*second.values()], Message("prepared-values-differ"))
    return first


def check_state(module: AnyModule, make: Callable[[], AnyModule], run: Run[AnyModule]) -> None:
    """Ask for determinism in evaluation mode, for finite numbers in bf16, and that another one with this one's state does the same."""
    first = [tensor.detach() for tensor in run(module.eval())]
    require_equal(run(module), first, Message("not-deterministic"))
    _check_bf16(lambda: run(module))
    other = make()
    other.load_state_dict(module.state_dict())
    require_equal(run(other.eval()), first, Message("state-incomplete"))


def check_gradients(module: AnyModule, run: Run[AnyModule]) -> None:
    """Ask that finite gradients reach every trained parameter in training mode: distributed training refuses one without."""
    trained = {name: parameter for name, parameter in module.train().named_parameters() if parameter.requires_grad}
    if not trained:
        return
    torch.autograd.backward([(tensor * torch.rand_like(tensor)).sum() for tensor in run(module) if tensor.requires_grad])
    gradients = {name: parameter.grad for name, parameter in trained.items()}
    without = [name for name, gradient in gradients.items() if gradient is None]
    require(not without, Message("no-gradient", names=without))
    found = [gradient for gradient in gradients.values() if gradient is not None]
    require(all(bool(gradient.isfinite().all()) for gradient in found), Message("gradients-not-finite"))
    require(any(bool(gradient.any()) for gradient in found), Message("gradients-zero"))


def _check_bf16(run: Callable[[], Sequence[Tensor]]) -> None:
    """Ask for finite numbers under autocast to bf16, as a GPU trains."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            given = run()
    except RuntimeError as error:
        raise CheckFailed(Message("bf16-fails", reason=str(error))) from error
    require(all(bool(tensor.isfinite().all()) for tensor in given), Message("bf16-not-finite"))
