"""A ridge regression from the first rows that a distiller sees to where they go."""

from pytest_passatk.core.patch import Tensor

ROWS = 32  # seen, or
STEPS = 4  # trained, until there is a fit
PENALTY = 0.01  # a row


class Ridge:
    """Collects rows by slot, and fits each slot once."""

    def __init__(self) -> None:
        self._seen: dict[int, list[tuple[Tensor, Tensor]] | None] = {}  # None behind the fit

    def forget(self, slot: int) -> None:
        """Begin anew: the slot has another prompt."""
        self._seen[slot] = []

    def note(self, slot: int, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Take the rows of a step; returns the factors of the fit in the step that completes it.

        Args:
            slot: whose.
            source: rows × hidden.
            target: rows × hidden.
        """
        seen = self._seen.setdefault(slot, [])
        if seen is None:
            return None
        seen.append((source.float().cpu(), target.float().cpu()))
        if len(seen) < STEPS and sum(len(rows) for rows, _ in seen) < ROWS:
            return None
        self._seen[slot] = None
        return _fit(seen)


def _fit(seen: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Singular vectors and values of W = (XᵀX + λI)⁻¹ Xᵀ (T − X), which is Xᵀ (XXᵀ + λI)⁻¹ (T − X): rows are few."""
    import torch  # noqa: PLC0415 - heavy

    source, target = (torch.cat(rows) for rows in zip(*seen, strict=True))
    penalty = PENALTY * len(source) * torch.eye(len(source))
    inner = torch.linalg.solve(source @ source.T + penalty, target - source)
    basis, triangle = torch.linalg.qr(source.T)
    left, values, right = torch.linalg.svd(triangle @ inner, full_matrices=False)
    return basis @ left, values, right
