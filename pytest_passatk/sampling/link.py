"""Reaching the exchange from another process of the same run, over a local socket with a secret key.

Each connection carries one call at a time, and each calling thread has its own, because a call may wait for a sample or
for work.
"""

import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from secrets import token_bytes
from threading import Event, Thread, local
from typing import Any

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.plan import Plan, ProblemKey
from pytest_passatk.core.record import ProblemRecord
from pytest_passatk.core.sample import Completion
from pytest_passatk.core.verdict import Verdict
from pytest_passatk.judging import Task
from pytest_passatk.sampling.counter import Work
from pytest_passatk.sampling.exchange import Exchange

BACKLOG = 128  # callers that wait for a line: three threads of each worker, all at once
CLOSING_SECONDS = 5.0  # long enough to see the last call
PAUSE_SECONDS = 0.01  # after a call that failed, lest a lack of descriptors keep this thread spinning
BROKEN = (EOFError, OSError, AuthenticationError)  # what a call meets whose other end is gone


class Switchboard:
    """Serves an exchange to the other processes of a run; `address` and `key` are what they need.

    Args:
        find_exchange: gives the exchange; asked at the first call, since there may never be one.
    """

    def __init__(self, find_exchange: Callable[[], Exchange]) -> None:
        self._find_exchange = find_exchange
        self.key = token_bytes(32)
        self._listener = _listen(self.key)
        self.address = self._listener.address
        self._closing = Event()
        self._operator = Thread(target=self._accept, name="passatk-switchboard", daemon=True)
        self._operator.start()

    def close(self) -> None:
        """Take no more calls."""
        self._closing.set()
        with suppress(*BROKEN):
            Client(self.address, authkey=self.key).close()  # closing the listener would not wake who waits on it
        self._operator.join(CLOSING_SECONDS)

    def _accept(self) -> None:
        with self._listener:
            while not self._closing.is_set():
                try:
                    connection = self._listener.accept()
                except BROKEN:  # the caller died on its way, or is none of ours
                    self._closing.wait(PAUSE_SECONDS)
                else:
                    Thread(target=self._serve, args=(connection,), name="passatk-line", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        owners: set[str] = set()
        with suppress(*BROKEN), connection:
            while True:
                method, arguments = connection.recv()
                if method == "take":  # and no engine, whose line ends before its worker does
                    owners.add(arguments[0])
                connection.send(self._call(method, arguments))
        for owner in owners:
            self._find_exchange().leave(owner)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            call: Callable[..., Any] = getattr(self._find_exchange(), method)
            return call(*arguments)
        except PassatkError as error:
            return error
        except Exception:  # noqa: BLE001 - the caller waits for an answer
            return PassatkError(f"the controller could not answer:\n{traceback.format_exc()}")


def _listen(key: bytes) -> Listener:
    """A listener of the system's usual kind; over TCP on this machine where the temporary folder's path is too long."""
    try:
        return Listener(backlog=BACKLOG, authkey=key)
    except OSError:
        return Listener(("127.0.0.1", 0), backlog=BACKLOG, authkey=key)


class Link:
    """The exchange as another process sees it; see Counter and Desk for the methods."""

    def __init__(self, address: Any, key: bytes) -> None:
        self._address = address
        self._key = key
        self._lines = local()

    def open(self, plan: Plan) -> None:
        """See Counter."""
        self._call("open", plan)

    def take(self, owner: str, only: ProblemKey | None = None, timeout: float | None = None) -> Task | None:
        """See Counter."""
        task: Task | None = self._call("take", owner, only, timeout)
        return task

    def settle(self, task: Task, verdict: Verdict) -> None:
        """See Counter."""
        self._call("settle", task, verdict)

    def wait(self, key: ProblemKey, timeout: float) -> ProblemRecord | None:
        """See Counter."""
        record: ProblemRecord | None = self._call("wait", key, timeout)
        return record

    def classify(self, key: ProblemKey, classes: tuple[int, ...]) -> None:
        """See Counter."""
        self._call("classify", key, classes)

    def leave(self, owner: str) -> None:
        """See Counter."""
        self._call("leave", owner)

    def fail(self, error: PassatkError) -> None:
        """See Counter."""
        self._call("fail", error)

    def claim(self, owner: str) -> Work | None:
        """See Desk."""
        work: Work | None = self._call("claim", owner)
        return work

    def deliver(self, completion: Completion) -> bool:
        """See Desk."""
        goes_on: bool = self._call("deliver", completion)
        return goes_on

    def is_over(self) -> bool:
        """See Desk."""
        over: bool = self._call("is_over")
        return over

    def _call(self, method: str, *arguments: Any) -> Any:
        if not hasattr(self._lines, "line"):
            self._lines.line = Client(self._address, authkey=self._key)
        self._lines.line.send((method, arguments))
        answer = self._lines.line.recv()
        if isinstance(answer, PassatkError):
            raise answer
        return answer
