"""The process that judges: it may hang, crash or exit, and its supervisor notices."""

import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from pytest_passatk.judging.task import OpenBench, Task


@dataclass(frozen=True, slots=True)
class Ready:
    """First message of a worker: it can judge."""


@dataclass(frozen=True, slots=True)
class Broken:
    """First and last message of a worker whose bench did not open."""

    reason: str


def serve(link: Connection, inherited: Iterable[Connection], open_bench: OpenBench) -> None:
    """Judge task after task until the link closes.

    Args:
        link: receives a Task, sends a Verdict.
        inherited: connections of other processes that a fork copied; held open, they would hide a death.
        open_bench: gives the judges: under fork those in memory, under spawn after importing the suites again.
    """
    for connection in inherited:
        connection.close()
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that what a body starts can be killed with it
    _silence()
    try:
        bench = open_bench()
    except BaseException:  # noqa: BLE001 - the reason has to reach the session, whatever it is
        link.send(Broken(traceback.format_exc()))
        return
    link.send(Ready())
    process = os.getpid()
    while True:
        try:
            task: Task = link.recv()
        except (EOFError, OSError):
            return
        verdict = bench.judge(task)
        if os.getpid() != process:  # a body forked, and its child came back: only the parent has a say
            os._exit(0)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that one body set must not hit the next
        link.send(verdict)


def _silence() -> None:
    """What a body prints would land in the middle of pytest's report; `--passatk-inline` shows it."""
    faulthandler.disable()  # pytest's would report a crash of this process as one of the session
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdin, sys.stdout, sys.stderr = (
        open(fd, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - descriptors, open as long as the process
        for fd, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
