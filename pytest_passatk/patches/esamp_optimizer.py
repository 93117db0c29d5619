"""Optimizers that move the weights of some slots, and leave the others and what is remembered of them as they are.

Averages and arithmetic are in float32, also where the weights are not: in bfloat16 the average of squares would stand
still.
"""

from collections.abc import Sequence
from typing import Protocol

from pytest_passatk.core.patch import Tensor
from pytest_passatk.patches.esamp_places import Where, give, take

BETAS = (0.9, 0.999)  # of AdamW: torch's defaults
EPS = 1e-8


class Optimizer(Protocol):
    """Moves the weights of some slots against their gradients.

    Attributes:
        state: what is remembered, each tensor with one entry a slot; a slot's entries are all zero at its start.
    """

    state: list[Tensor]

    def step(self, where: Where, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Move the weights, in place; one without a gradient stays as it is.

        Args:
            where: the slots.
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

    def step(self, where: Where, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
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

    def step(self, where: Where, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """See Optimizer."""
        clock, *averages = self.state
        steps = take(clock, where) + 1
        give(clock, where, steps)
        root = (1 - BETAS[1] ** steps).sqrt()
        rate = self._lr * root / (1 - BETAS[0] ** steps)
        for weight, gradient, *held in zip(weights, gradients, averages[::2], averages[1::2], strict=True):
            if gradient is not None:
                slope = gradient.float()
                mean = take(held[0], where).lerp_(slope, 1 - BETAS[0])
                square = take(held[1], where).mul_(BETAS[1]).addcmul_(slope, slope, value=1 - BETAS[1])
                move = (mean / square.sqrt().add_(EPS * root)).mul_(rate)
                weight.copy_(weight.float().mul_(1 - self._lr * self._decay).sub_(move))
                give(held[0], where, mean)
                give(held[1], where, square)
