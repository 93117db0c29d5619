"""Scratch tensors of a patch: filled with what nobody may read, and looked at afterwards."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # torch is imported only where it is used
FAR = 2**40  # an index that is out of bounds everywhere; 2^30 where that many bits do not fit
FARTHEST = {32: 2**30, 16: 2**14, 8: 2**6}


def poison(tensor: Tensor) -> None:
    """Fill a tensor: integers with 2^40 (or the largest power of two that fits), floats with NaN, truth with true."""
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_floating_point():
        tensor.fill_(float("nan"))
    elif kind == "bool":
        tensor.fill_(value=True)
    else:
        tensor.fill_(FARTHEST.get(8 * tensor.element_size(), FAR))


def dirty_rows(tensor: Tensor, active: int) -> list[int]:
    """The rows beyond the active ones of a poisoned tensor of floats that are not NaN any more."""
    if not tensor.is_floating_point() or active == len(tensor):
        return []
    tail = tensor[active:].reshape(len(tensor) - active, -1)
    clean = tail.isnan().all(1)
    return [active + at for at, fine in enumerate(clean.tolist()) if not fine]


def wrong_masks(tensor: Tensor, active: int) -> str:
    """Why a mask does not fit its active rows; empty where it does, or is no mask."""
    if not str(tensor.dtype).endswith("bool"):
        return ""
    found = int(tensor.reshape(len(tensor), -1).any(1).sum())
    if found == active and bool(tensor[:active].all()):
        return ""
    return f"the mask is true in {found} rows, and {active} are active"
