"""Scratch tensors of a patch: filled with what nobody may read, and looked at afterwards."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from pytest_passatk.core.patch import Patch
from pytest_passatk.stress.alarm import Oracle

Tensor: TypeAlias = Any  # torch is imported only where it is used
FAR = 2**40  # an index that is out of bounds everywhere; 2^30 where that many bits do not fit
FARTHEST = {32: 2**30, 16: 2**14, 8: 2**6}


class Scratch:
    """The scratch that a patch tells of.

    Args:
        patch: whose scratch it is.
        poisoned: whether it is filled before every step.
    """

    def __init__(self, patch: Patch, *, poisoned: bool) -> None:
        self._patch = patch
        self._poisoned = poisoned
        self._filled: dict[tuple[int, ...], Tensor] = {}  # held, so that no other tensor gets their place in memory

    def spoil(self) -> None:
        """Fill all of it, where that is asked for."""
        if self._poisoned:
            self._filled = {_place(tensor): tensor for tensor, _ in self._patch.buffers().values()}
            for tensor in self._filled.values():
                poison(tensor)

    def wrong(self) -> Iterator[tuple[Oracle, str]]:
        """What does not fit the active rows, and who says so."""
        for name, (tensor, active) in self._patch.buffers().items():
            for oracle, text in self._wrong(name, tensor, active):
                yield oracle, f"{name}: {text}"

    def _wrong(self, name: str, tensor: Tensor, active: int) -> Iterator[tuple[Oracle, str]]:
        if not tensor.dim():
            yield Oracle.ACTIVE, "a tensor without rows cannot be scratch; leave it out of buffers()"
        elif not 0 <= active <= len(tensor):
            yield Oracle.ACTIVE, f"{active} active rows of {len(tensor)}"
        elif text := wrong_masks(tensor, active):
            yield Oracle.ACTIVE, text
        elif self._canary(name, tensor) and (rows := dirty_rows(tensor, active)):
            yield Oracle.CANARY, f"{len(rows)} rows beyond the {active} active ones were written, row {rows[0]} first"

    def _canary(self, name: str, tensor: Tensor) -> bool:
        """Whether rows that nobody wrote are still poison; not so in a tensor that was made within the step."""
        return _place(tensor) in self._filled and name not in self._patch.padded


def _place(tensor: Tensor) -> tuple[int, ...]:
    """Where a tensor lies in memory, and its shape."""
    return (tensor.data_ptr(), *tensor.shape)


def poison(tensor: Tensor) -> None:
    """Fill a tensor: integers with 2^40 (or the largest power of two that fits), floats with NaN, truth with true."""
    import torch  # noqa: PLC0415 - heavy

    with torch.inference_mode(tensor.is_inference()):  # one that was made in a step may be written in that mode alone
        tensor.detach().fill_(_filler(tensor))


def _filler(tensor: Tensor) -> float:
    if tensor.is_floating_point():
        return float("nan")
    if str(tensor.dtype).endswith("bool"):
        return True
    return FARTHEST.get(8 * tensor.element_size(), FAR)


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
