"""The process in which a model lives apart from the session."""

import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn

from pytest_passatk.core.errors import PassatkError, stopped_by
from pytest_passatk.core.protocols import Model, ModelOptions, info_of
from pytest_passatk.models import registry


class Said(Enum):
    """What a message of the process is."""

    VALUE = "value"
    END = "end"
    ERROR = "error"


class Host:
    """Does what the session asks: `load` first, then `infos` and `sample` in any order; `close` ends the process."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._arms: tuple[str, ...] = ()

    def do(self, task: str, *arguments: Any) -> Iterator[Any]:
        """The values that answer a message. Raises what the model raises."""
        if task == "load":
            self._load(*arguments)
        elif task == "infos" and self._model:
            yield {arm: info_of(self._model, arm) for arm in self._arms}
        elif task == "sample" and self._model:
            yield from self._model.sample(*arguments)
        elif task == "close":
            self._close()

    def _load(self, spec: str, options: ModelOptions) -> None:
        self._model, self._arms = registry.load(spec, options), options.arms

    def _close(self) -> NoReturn:
        try:
            if self._model:
                self._model.close()
        finally:
            os._exit(0)  # without taking large libraries apart, which takes seconds


def serve(fd: int) -> None:
    """Do what comes over a socket, until the session says so or is gone."""
    link, inbox, host = Connection(fd), SimpleQueue[bytes](), Host()
    Thread(target=_read, args=(link, inbox), daemon=True).start()
    while True:
        with suppress(OSError):  # the session is gone: the other thread ends this one
            _answer(link, host, inbox.get())


def _read(link: Connection, inbox: "SimpleQueue[bytes]") -> None:
    """Take messages while the engine works; without a session there is nothing to work for."""
    try:
        while True:
            inbox.put(link.recv_bytes())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _answer(link: Connection, host: Host, message: bytes) -> None:
    try:
        for value in host.do(*pickle.loads(message)):  # noqa: S301 - from the session
            link.send((Said.VALUE, value))
    except PassatkError as error:
        link.send((Said.ERROR, error))
    except Exception as error:  # noqa: BLE001 - as text, since its class may not be known elsewhere
        link.send((Said.ERROR, stopped_by(error)))
    else:
        link.send((Said.END, None))
