"""Optimizers that move the weights of some slots, and leave the others and what is remembered of them as they are.

Averages and arithmetic are in float32, also where the weights are not: in bfloat16 the average of squares would stand
still.
"""

from collections.abc import Sequence
from typing import Protocol

from pytest_passatk.core.patch import Tensor

BETAS = (0.9, 0.999)  # of AdamW: torch's defaults
EPS = 1e-8


class Optimizer(Protocol):
    """Moves the weights of some slots against their gradients.

    Attributes:
        state: what is remembered, each tensor with one entry a slot; a slot's entries are all zero at its start.
    """

    state: list[Tensor]

    def step(self, where: Tensor, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Move the weights, in place; one without a gradient stays as it is.

        Args:
            where: numbers of the slots.
            weights: those of these slots, in that order.
            gradients: of these.
        """


class Sgd:
    """Plain gradient descent, with weight decay where asked for.

    Args:
        lr: the learning rate.
        decay: the weight decay.
    """

    def __init__(self, lr: float, decay: float) -> None:
        self._lr, self._decay = lr, decay
        self.state: list[Tensor] = []

    def step(self, where: Tensor, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """See Optimizer."""
        del where
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                weight.copy_(weight.float() - self._lr * (gradient.float() + self._decay * weight.float()))


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), each slot with its own clock.

    Args:
        lr: the learning rate.
        decay: the weight decay.
        like: the weights of all slots.
    """

    def __init__(self, lr: float, decay: float, like: Sequence[Tensor]) -> None:
        import torch  # noqa: PLC0415 - heavy

        self._lr, self._decay = lr, decay
        averages = [torch.zeros_like(part, dtype=torch.float32) for part in like for _ in range(2)]
        clock = torch.zeros(len(like[0]), 1, 1, dtype=torch.float32, device=like[0].device)
        self.state: list[Tensor] = [clock, *averages]

    def step(self, where: Tensor, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """See Optimizer."""
        clock, *averages = self.state
        steps = clock.index_select(0, where) + 1
        clock.index_copy_(0, where, steps)
        rate, root = self._lr / (1 - BETAS[0] ** steps), (1 - BETAS[1] ** steps).sqrt()
        for weight, gradient, *held in zip(weights, gradients, averages[::2], averages[1::2], strict=True):
            if gradient is not None:
                mean, square = (average.index_select(0, where) for average in held)
                mean.lerp_(gradient.float(), 1 - BETAS[0])
                square.mul_(BETAS[1]).add_(gradient.float().square_(), alpha=1 - BETAS[1])
                for average, value in zip(held, (mean, square), strict=True):
                    average.index_copy_(0, where, value)
                move = mean.mul_(rate).div_(square.sqrt_().div_(root).add_(EPS))
                weight.copy_(weight.float().mul_(1 - self._lr * self._decay).sub_(move))
