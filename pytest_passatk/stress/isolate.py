"""Tasks in forks of this process, so that what they break is gone with them."""

import faulthandler
import gc
import os
import pickle
import select
import signal
import sys
import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any, NoReturn, TypeVar

from pytest_passatk.core.errors import PassatkError

Answer = TypeVar("Answer")
CHUNK = 2**20


class CrashedError(PassatkError):
    """The process of a task ended by itself; the message says how."""


class HungError(PassatkError):
    """A task did not end in time."""


def can_fork(device: Any) -> bool:
    """Whether an engine on that device survives a fork; those on a GPU do not."""
    return sys.platform != "win32" and str(device).startswith("cpu")


def in_fork(task: Callable[[], Answer], seconds: float) -> Answer:
    """Run a task in a fork of this process; returns what it returns.

    Raises:
        CrashedError: the fork ended without an answer.
        HungError: it took longer than `seconds`; it is killed.
        Exception: what the task raised.
    """
    read, write = os.pipe()
    pid = _fork()
    if pid == 0:
        os.close(read)
        _run(task, write, seconds)
    os.close(write)
    data: bytes | None = None
    try:
        data = _read(read, monotonic() + seconds)
    finally:
        os.close(read)
        status = _end(pid, late=data is None)
    if data is None:
        raise HungError(f"the case did not end within {seconds:g} s")
    if status or not data:
        raise CrashedError(f"the process of the case ended {_how(status)}, without an answer")
    succeeded, value = pickle.loads(data)  # noqa: S301 - from a fork of this process
    if not succeeded:
        raise value
    answer: Answer = value
    return answer


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads; an engine on a CPU has none that hold a lock between two steps.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _run(task: Callable[[], Any], write: int, seconds: float) -> NoReturn:
    """In the fork: do the task, hand over what came of it, and end without any clean-up of the parent's."""
    try:
        faulthandler.disable()  # the parent tells of the end, and not of every one on the way to the smallest
        gc.disable()  # it would touch, and so copy, every object of the parent
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + 2)  # where nobody is left to kill it
        try:
            message = (True, task())
        except Exception as error:  # noqa: BLE001 - it is the parent's to judge
            message = (False, error)
        _write(write, _pickle(message))
    finally:
        os._exit(0)


def _pickle(message: tuple[bool, Any]) -> bytes:
    try:
        data = pickle.dumps(message)
        pickle.loads(data)  # noqa: S301 - our own; some exceptions can be written only
    except Exception:  # noqa: BLE001 - whatever it was, its words can be handed over
        data = pickle.dumps((False, PassatkError(f"{type(message[1]).__name__}: {message[1]}")))
    return data


def _write(write: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(write, view[:CHUNK]) :]


def _read(read: int, deadline: float) -> bytes | None:
    """All that comes until the other end is closed; `None` where that takes too long."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, deadline - monotonic()))
        if not ready:
            return None
        part = os.read(read, CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _end(pid: int, *, late: bool) -> int:
    """Wait for a fork that has said all, or end one that is late; returns the status of its process."""
    if late:
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"with status {os.WEXITSTATUS(status)}"
