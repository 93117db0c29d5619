"""How far hidden states are apart."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # torch is imported only where it is used


def distances(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[float]:
    """The largest difference in each pair of vectors, all of one width; NaN where an element is none.

    It is absolute up to 1, and relative to the second one's element beyond: so much larger are rounding errors there.
    """
    import torch  # noqa: PLC0415 - heavy

    if not pairs:
        return []
    one, other = (torch.stack([pair[side] for pair in pairs]).double() for side in (0, 1))
    found: list[float] = ((one - other).abs() / other.abs().clamp(min=1)).amax(1).tolist()
    return found


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal to the last bit, in which NaN is NaN, and 0 is not -0."""
    import torch  # noqa: PLC0415 - heavy

    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[one.element_size()]
    return one.shape == other.shape and bool(torch.equal(one.detach().view(whole), other.detach().view(whole)))


def equal_rows(tensor: Tensor, rows: Sequence[int], taken: Tensor) -> list[bool]:
    """Whether each row of `taken` is, bit for bit, that row of a tensor."""
    import torch  # noqa: PLC0415 - heavy

    if not rows:
        return []
    true = tensor[torch.tensor(rows, device=tensor.device)]
    if true.shape != taken.shape:
        return [False] * len(rows)
    found: list[bool] = (true == taken).all(1).tolist()
    return found
