"""An event loop in a thread of its own, whose results a plain iterator gives."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")
LEAVING_SECONDS = 1.5  # for what is in flight to be cancelled


class _End(Exception):  # noqa: N818 - it is not always an error
    """Nothing more will come."""


class Background(Generic[T]):
    """Runs a coroutine beside the caller, from the first item that is asked for.

    Args:
        work: makes the coroutine; it hands each result to what it is given.
    """

    def __init__(self, work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._items: SimpleQueue[T | _End] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._run, name="passatk-openai", daemon=True)

    def __iter__(self) -> Iterator[T]:
        """Give each result as it comes; closing the iterator cancels the rest. Raises what the coroutine raises."""
        self._task = self._loop.create_task(self._work(self._items.put))
        self._thread.start()
        try:
            while not isinstance(item := self._items.get(), _End):
                yield item
            if item.__cause__:
                raise item.__cause__
        finally:
            self.stop()

    def stop(self) -> None:
        """Cancel what is in flight; any thread may ask for it, and twice."""
        with suppress(RuntimeError):  # the loop is closed
            if self._task:
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread.ident is not None:
            self._thread.join(LEAVING_SECONDS)

    def _run(self) -> None:
        end = _End()
        try:
            self._loop.run_until_complete(self._task)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, the iterator raises it
            end.__cause__ = error
        finally:
            with suppress(Exception):
                self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._items.put(end)
