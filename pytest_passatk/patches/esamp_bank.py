"""The distillers of ESamp: one a slot, stacked, so that any number of them predicts or trains in one go."""

from pytest_passatk.core.patch import Live, Tensor
from pytest_passatk.patches import esamp_distiller as distiller
from pytest_passatk.patches.esamp_distiller import Weights
from pytest_passatk.patches.esamp_knobs import Knobs
from pytest_passatk.patches.esamp_optimizer import AdamW, Optimizer, Sgd
from pytest_passatk.patches.esamp_places import Where, give, take


class Bank:
    """Distillers by slot; no slot's weights or optimizer state move while only others train.

    Args:
        live: the engine, for width, dtype and device.
        knobs: the settings.
    """

    def __init__(self, live: Live, knobs: Knobs) -> None:
        self._layernorm = knobs.layernorm
        rank = knobs.rank_for(live.hidden)
        self.weights = distiller.zeros(0, live.hidden, rank, live.dtype, live.device)
        self.optimizer: Optimizer = (
            AdamW(knobs.lr, knobs.decay, self.weights) if knobs.optimizer == "adamw" else Sgd(knobs.lr, knobs.decay)
        )

    def resize(self, slots: int) -> None:
        """Make room for that many slots; those that there are stay as they are."""
        more = slots - len(self.weights.down)
        if more > 0:
            self.weights = Weights(*(_longer(part, more) for part in self.weights))
            self.optimizer.state = [_longer(part, more) for part in self.optimizer.state]

    def put(self, slot: int, weights: Weights) -> None:
        """Put a new distiller into a slot, with these weights (of one slot)."""
        for part, value in zip(self.weights, weights, strict=True):
            part[slot].copy_(value[0])
        for part in self.optimizer.state:
            part[slot].zero_()

    def predict(self, where: Where, rows: Tensor) -> Tensor:
        """D of rows: slots × rows × hidden, for these slots."""
        return distiller.predict(self._take(where), rows, layernorm=self._layernorm)

    def train(self, where: Where, source: Tensor, target: Tensor, sizes: Tensor) -> Tensor:
        """Update these slots once; returns the loss of each before that: float32 MSE, mean over rows.

        Args:
            where: the slots.
            source: slots × rows × hidden.
            target: of the same shape.
            sizes: for each slot how many of its rows count; what is behind them is padding.
        """
        import torch  # noqa: PLC0415 - heavy

        parts = self._take(where)
        with torch.enable_grad():
            parts = Weights(*(part.requires_grad_() for part in parts))
            predicted = distiller.predict(parts, source, layernorm=self._layernorm)
            errors = (predicted.float() - target.float()).square().mean(2)
            counted = torch.arange(errors.shape[1], device=errors.device) < sizes.unsqueeze(1)
            losses = errors.where(counted, 0.0).sum(1) / sizes
            gradients = torch.autograd.grad(losses.sum(), parts, allow_unused=True)  # no scale without a layer norm
        with torch.no_grad():
            self.optimizer.step(where, parts, gradients)
            for whole, part in zip(self.weights, parts, strict=True):
                give(whole, where, part)
        return losses.detach()

    def _take(self, where: Where) -> Weights:
        return Weights(*(take(part, where) for part in self.weights))


def _longer(part: Tensor, more: int) -> Tensor:
    """A tensor with that many further entries of zero."""
    longer = part.new_zeros(len(part) + more, *part.shape[1:])
    longer[: len(part)].copy_(part)
    return longer
