"""Contexts of other people, which say how to leave, and not whether what went wrong in them is heard."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

from pytest_passatk.core.errors import ModelError, PassatkError, UsageError
from pytest_passatk.patches.foreign import told

T = TypeVar("T")
Item = TypeVar("Item")

ATTACHED, TAKEN_OFF = "attached", "taken off"
REMEDIES = {
    ATTACHED: "",
    TAKEN_OFF: "; what its attach does behind the yield has to pass",
}


@contextmanager
def unsilenced(context: AbstractContextManager[T]) -> Iterator[T]:
    """A context that is left as it wants to be, but lets every exception of its block out.

    A patch that catches what breaks within its `attach` would else end a run in silence, with what it had not answered
    missing.
    """
    entered = context.__enter__()
    try:
        yield entered
    except BaseException as error:
        context.__exit__(type(error), error, error.__traceback__)
        raise
    else:
        context.__exit__(None, None, None)


@contextmanager
def named(name: str, attach: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """A patch for the block: what it raises on its way in and out names it. What breaks in the block goes first.

    Args:
        name: of the patch, for messages.
        attach: gives its context.

    Raises:
        ModelError: it cannot be attached, or not be taken off.
        UsageError: it does not fit.
    """
    with _naming(name, ATTACHED):
        context = attach()
        entered = context.__enter__()
    try:
        yield entered
    except Exception as error:
        with suppress(Exception):  # it follows from what broke, which says more
            context.__exit__(type(error), error, error.__traceback__)
        raise
    except BaseException as error:
        with _naming(name, TAKEN_OFF):
            context.__exit__(type(error), error, error.__traceback__)
        raise
    else:
        with _naming(name, TAKEN_OFF):
            context.__exit__(None, None, None)


def last_behind(context: AbstractContextManager[T], items: Callable[[T], Iterator[Item]], count: int) -> Iterator[Item]:
    """What comes of a block, the last of it once the block is left.

    Nobody listens to an engine any more that has answered everything: what goes wrong when a patch is taken off would
    not be heard.

    Args:
        context: of the block.
        items: gives what comes, from what the context gives.
        count: how many they are.
    """
    last: list[Item] = []
    with context as entered:
        for number, item in enumerate(items(entered), start=1):
            if number < count:
                yield item
            else:
                last.append(item)
    yield from last


@contextmanager
def _naming(name: str, done: str) -> Iterator[None]:
    try:
        yield
    except PassatkError as error:
        if name in str(error):
            raise
        kind = UsageError if isinstance(error, UsageError) else ModelError
        raise kind(f"{name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"{name} cannot be {done}: {told(error)}{REMEDIES[done]}") from error
