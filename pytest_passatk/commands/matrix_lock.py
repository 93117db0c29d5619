"""One run at a time in a matrix's folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_passatk.core.errors import UsageError

NAME = ".lock"
DIGITS = 20  # of the number of a process, at most


@contextmanager
def holding(folder: Path) -> Iterator[int | None]:
    """Hold the folder, and give the descriptor that does; `None` where the system has no such lock.

    What inherits the descriptor holds it, too: a run of pytest goes on where the command that started it is killed, and
    another one beside it would mix their files.

    Raises:
        UsageError: another one holds it, or it cannot be written.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        yield None
        return
    held = _open(folder)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            at_work = os.pread(held, DIGITS, 0).decode()
            process = f" (process {at_work})" if at_work else ""
            raise UsageError(f"{folder}: a run is still at work there{process}: wait for it, or end it") from error
        yield held
    finally:
        os.close(held)


def sign(held: int, process: int) -> None:
    """Write down which process is at work, for whoever finds the folder held."""
    os.ftruncate(held, 0)
    os.pwrite(held, str(process).encode(), 0)


def _open(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}: name another folder with out = …") from error
