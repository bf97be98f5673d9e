"""Assertions that the contract checks share, and the error that they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hvpkit.messages import Message
from hvpkit.registry import missing_attribute

T = TypeVar("T")
ModuleT = TypeVar("ModuleT", bound=nn.Module)
Run = Callable[[ModuleT], Sequence[Tensor]]


class CheckFailed(AssertionError):
    """A component violates its contract.

    Args:
        message: Description of the violation, with a code.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


@contextmanager
def seeded() -> Iterator[None]:
    """Seed the random generator of torch within the block and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20220710)
        yield


def require(condition: bool, message: Message) -> None:
    """Raise CheckFailed with a message unless a condition is true."""
    if not condition:
        raise CheckFailed(message)


def build_checked(factory: Callable[..., T], context: object, **options: Any) -> T:  # noqa: ANN401 - of any component
    """Call a factory and check that the component has all attributes of its interface.

    Args:
        factory: Factory of a component.
        context: First argument of the factory.
        options: Options of the factory.
    """
    component = factory(context, **options)
    problem = missing_attribute(component)
    if problem is not None:
        raise CheckFailed(problem)
    return component


def require_raises(kind: type[Exception], call: Callable[[], object], message: Message) -> None:
    """Raise CheckFailed with a message unless a call raises an exception of a class."""
    try:
        call()
    except kind:
        return
    raise CheckFailed(message)


def require_shape(output: str, found: Tensor, expected: tuple[int, ...]) -> None:
    """Check that a tensor has a shape, is fp32 and is finite."""
    shape = Message("output-shape", output=output, expected=list(expected), found=list(found.shape))
    require(tuple(found.shape) == expected, shape)
    require(found.dtype == torch.float32, Message("output-dtype", output=output, found=str(found.dtype)))
    require(bool(found.isfinite().all()), Message("output-not-finite", output=output))


def require_close(
    first: Tensor, second: Tensor, message: Callable[[Message], Message], tolerance: float = 1e-5
) -> None:
    """Check that two tensors have equal shapes and close values.

    Args:
        first: Tensor.
        second: Tensor to compare with.
        message: Function that builds the error message from a message about the difference.
        tolerance: Maximal absolute difference, divided by the largest absolute value of `second` (at least 1).
    """
    if first.shape != second.shape:
        raise CheckFailed(message(Message("difference-shape", first=list(first.shape), second=list(second.shape))))
    if second.numel():
        difference = float((first - second).detach().abs().max() / second.detach().abs().max().clamp(min=1.0))
        require(difference <= tolerance, message(Message("difference-amount", amount=difference)))


def require_equal(first: Sequence[Tensor], second: Sequence[Tensor], message: Message) -> None:
    """Check that two lists of tensors are identical."""
    require(len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), message)


def check_deterministic(prepare: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Call a function twice, check that the results are identical, and return the first."""
    first, second = prepare(), prepare()
    require(list(first) == list(second), Message("prepared-names-differ", first=list(first), second=list(second)))
    require_equal([*first.values()], [*second.values()], Message("prepared-values-differ"))
    return first


def check_state(module: ModuleT, build: Callable[[], ModuleT], run: Run[ModuleT]) -> None:
    """Check a module in evaluation mode: determinism, finite values in bf16, and a copy with its state.

    Args:
        module: Module to check.
        build: Function that builds another module of the same kind.
        run: Function that returns output tensors of a module.
    """
    first = [tensor.detach() for tensor in run(module.eval())]
    require_equal(run(module), first, Message("not-deterministic"))
    _check_bf16(lambda: run(module))
    other = build()
    other.load_state_dict(module.state_dict())
    require_equal(run(other.eval()), first, Message("state-incomplete"))


def check_gradients(module: ModuleT, run: Run[ModuleT]) -> None:
    """Check that all trained parameters get finite gradients, as distributed training requires.

    Args:
        module: Module to check, in training mode afterwards.
        run: Function that returns output tensors of a module.
    """
    trained = {name: parameter for name, parameter in module.train().named_parameters() if parameter.requires_grad}
    if not trained:
        return
    torch.autograd.backward(
        [(tensor * torch.rand_like(tensor)).sum() for tensor in run(module) if tensor.requires_grad]
    )
    gradients = {name: parameter.grad for name, parameter in trained.items()}
    names = [name for name, gradient in gradients.items() if gradient is None]
    require(not names, Message("no-gradient", names=names))
    existing = [gradient for gradient in gradients.values() if gradient is not None]
    require(all(bool(gradient.isfinite().all()) for gradient in existing), Message("gradients-not-finite"))
    require(any(bool(gradient.any()) for gradient in existing), Message("gradients-zero"))


def _check_bf16(run: Callable[[], Sequence[Tensor]]) -> None:
    """Check for finite values under bf16 autocast, which is used on GPUs."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            tensors = run()
    except RuntimeError as error:
        raise CheckFailed(Message("bf16-fails", reason=str(error))) from error
    require(all(bool(tensor.isfinite().all()) for tensor in tensors), Message("bf16-not-finite"))
