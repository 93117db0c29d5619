"""An attribute of a living object replaced for a while, and put back exactly as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MISSING = object()


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an object have another attribute of its own for the block.

    Args:
        owner: the object; its class is left alone.
        name: of the attribute; where the object had none of its own, it has none afterwards.
        value: what it is in the block.
    """
    before = vars(owner).get(name, _MISSING)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is _MISSING:
            vars(owner).pop(name, None)
        else:
            setattr(owner, name, before)
