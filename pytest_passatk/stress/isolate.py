"""Tasks in forks of this process, so that what they break is gone with them."""

import faulthandler
import gc
import os
import pickle
import signal
import sys
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Generic, NoReturn, TypeVar

from pytest_passatk.core.errors import PassatkError

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class CrashedError(PassatkError):
    """The process of a task ended by itself; the message says how."""


class HungError(PassatkError):
    """A task did not end in time."""


def can_fork(device: Any) -> bool:
    """Whether an engine on that device survives a fork; those on a GPU do not."""
    return sys.platform != "win32" and str(device).startswith("cpu")


def in_fork(task: Callable[[], Answer], seconds: float) -> Answer:
    """Do a task in a fork of its own; raises as `Lane.ask` does."""
    lane = Lane[None, Answer](lambda _: task())
    try:
        return lane.ask(None, seconds)
    finally:
        lane.close()


class Lane(Generic[Task, Answer]):
    """A fork of this process, which does one task after the other; what one of them changes, the next ones find.

    Args:
        serve: does a task, in the fork.
    """

    def __init__(self, serve: Callable[[Task], Answer]) -> None:
        self._link, theirs = Pipe()
        self._pid = _fork()
        if self._pid == 0:
            self._link.close()
            _serve(serve, theirs)
        theirs.close()
        self._finish = weakref.finalize(self, _kill, self._pid)  # a lane that is forgotten is no orphan

    def ask(self, task: Task, seconds: float) -> Answer:
        """Give what comes of a task. A lane that raises one of the first two is to be closed.

        Raises:
            CrashedError: the fork ended without an answer.
            HungError: it took longer than `seconds`.
            Exception: what the task raised.
        """
        try:
            self._link.send((task, seconds))
            if not self._link.poll(seconds):
                raise HungError(f"the case did not end within {seconds:g} s")
            succeeded, value = pickle.loads(self._link.recv_bytes())  # noqa: S301 - from a fork of this process
        except (EOFError, OSError):
            raise CrashedError(f"the process of the case ended {self._end()}, without an answer") from None
        if not succeeded:
            raise value
        answer: Answer = value
        return answer

    def close(self) -> None:
        """End the fork; safe to call twice."""
        self._finish()
        self._link.close()

    def _end(self) -> str:
        """Wait for the fork's end; gives how it came."""
        self._finish.detach()
        status = os.waitpid(self._pid, 0)[1]
        if os.WIFSIGNALED(status):
            return f"by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"with status {os.WEXITSTATUS(status)}"


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads; an engine on a CPU has none that hold a lock between two steps.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _serve(serve: Callable[[Any], Any], link: Connection) -> NoReturn:
    """In the fork: do what is asked, until nobody is there to ask, and end without any clean-up of the parent's."""
    status = 0
    try:
        faulthandler.disable()  # the parent tells of the end, and not of every one on the way to the smallest
        gc.disable()  # it would touch, and so copy, every object of the parent
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        while True:
            task, seconds = link.recv()
            signal.alarm(int(seconds) + 2)  # where nobody is left to kill it
            message = _attempt(serve, task)
            signal.alarm(0)
            link.send_bytes(message)
    except (EOFError, OSError):
        pass  # the parent is gone
    except SystemExit as error:  # of a task
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        os._exit(status)


def _attempt(serve: Callable[[Any], Any], task: Any) -> bytes:
    """What came of a task, as bytes that can be read again."""
    message: tuple[bool, Any]
    try:
        message = (True, serve(task))
    except Exception as error:  # noqa: BLE001 - it is the parent's to judge
        message = (False, error)
    try:
        data = pickle.dumps(message)
        pickle.loads(data)  # noqa: S301 - our own; some exceptions can be written only
    except Exception:  # noqa: BLE001 - whatever it was, its words can be handed over
        data = pickle.dumps((False, PassatkError(f"{type(message[1]).__name__}: {message[1]}")))
    return data
