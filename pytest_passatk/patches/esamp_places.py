"""Entries of a tensor that has one a slot: a view where the slots are neighbours, else a copy that is given back."""

from typing import TypeAlias

from pytest_passatk.core.patch import Tensor

Where: TypeAlias = Tensor | slice


def where_of(slots: list[int], like: Tensor) -> Where:
    """Where the entries of these slots are, in that order.

    Args:
        slots: each once, at least one.
        like: a tensor on the device of those that are looked into.
    """
    if slots == list(range(slots[0], slots[0] + len(slots))):
        return slice(slots[0], slots[0] + len(slots))
    return like.new_tensor(slots)


def take(whole: Tensor, where: Where) -> Tensor:
    """The entries, to be changed in place and then given back."""
    return whole[where].detach()


def give(whole: Tensor, where: Where, part: Tensor) -> None:
    """Put entries back that were taken."""
    if not isinstance(where, slice) or part.data_ptr() != whole[where].data_ptr():
        whole[where] = part
