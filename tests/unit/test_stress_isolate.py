"""Tasks in forks: what they answer, what they raise, and what becomes of those that die or never end."""

import os
import signal
import sys
import time

import pytest

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.stress.isolate import CrashedError, HungError, can_fork, in_fork


class Unreadable(Exception):  # noqa: N818 - it is what the test is about
    """It can be pickled, and not read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_it_answers_with_what_the_task_returns() -> None:
    big = list(range(300_000))
    assert in_fork(lambda: big, 10) == big


def test_what_the_task_changes_is_gone_with_it() -> None:
    seen: list[int] = []
    assert in_fork(lambda: seen.append(1) or len(seen), 10) == 1  # type: ignore[func-returns-value]
    assert seen == []


def test_it_raises_what_the_task_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        in_fork(lambda: 1 // 0, 10)


@pytest.mark.parametrize("error", [Unreadable(1, 2), OSError(2, "gone")])
def test_an_exception_that_cannot_cross_comes_as_words(error: Exception) -> None:
    def task() -> None:
        raise error

    with pytest.raises((PassatkError, OSError), match=r"1 and 2|gone"):
        in_fork(task, 10)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (os.abort, "by SIGABRT"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "by SIGKILL"),
        (lambda: os._exit(3), "with status 3"),
        (lambda: sys.exit(3), "with status 3, without an answer"),
        (lambda: sys.exit("no"), "with status 1"),
        (lambda: os._exit(0), "with status 0, without an answer"),
    ],
    ids=["abort", "kill", "exit", "leave", "refuse", "silent"],
)
def test_a_task_that_dies_is_a_crash_with_its_cause(end: object, words: str) -> None:
    with pytest.raises(CrashedError, match=words):
        in_fork(end, 10)  # type: ignore[arg-type]


def test_a_task_that_hangs_is_killed() -> None:
    pids: list[int] = []
    read, write = os.pipe()

    def task() -> None:
        os.write(write, str(os.getpid()).encode())
        time.sleep(600)

    with pytest.raises(HungError, match=r"within 0\.5 s"):
        in_fork(task, 0.5)
    pids.append(int(os.read(read, 20)))
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_engines_on_a_gpu_are_not_forked() -> None:
    assert can_fork("cpu")
    assert not can_fork("cuda:0")
