"""A run that is cut short, by whatever: what finished is kept, nothing is left behind, the same command goes on."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sessions import HEADER, MakeSessions, Sessions

from pytest_passatk.store import Store, schema, store

ALL = [f"{problem}#{index}" for problem in ("always", "half", "never") for index in range(4)]
SLOW = {"FAKE_DELAY": "0.1"}  # seconds a sample
PATIENCE = 120.0  # seconds; only to end a hang


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end(process: "subprocess.Popen[str]") -> str:
    """What a process said until its end."""
    try:
        return process.communicate(timeout=PATIENCE)[0]
    finally:
        process.kill()


def running(sessions: Sessions) -> list[int]:
    """The processes that a session started, and those that they did: all of them inherit the environment."""
    mark = f"FAKE_LOG={sessions.pytester.path / 'fake.log'}".encode()
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in environment(folder).split(b"\0")]


def wait_until_nobody_is_left(sessions: Sessions) -> None:
    try:
        wait_for(lambda: not running(sessions))
    finally:
        for process in running(sessions):
            os.kill(process, signal.SIGKILL)


def environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:  # it ended just now
        return b""


def kept(sessions: Sessions) -> list[str]:
    """The samples in the store."""
    if not sessions.store.exists():
        return []
    connection = sqlite3.connect(sessions.store)
    try:
        query = "SELECT problem, idx FROM samples JOIN streams ON streams.id = stream"
        made = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return sorted(f"{problem}#{index}" for problem, index in connection.execute(query)) if made else []
    finally:
        connection.close()


def is_at(sessions: Sessions, moment: int) -> bool:
    return moment < 0 or (sessions.store.exists() and len(sessions.log) >= moment)


HANGING = (
    HEADER
    + """
import signal, subprocess, sys, time
from pathlib import Path

@suite([{"id": "a"}], prompt="7", n=1, model="fake_model:load")
def test_it(problem, completion):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10_000)"])
    Path("hangs").touch()
    time.sleep(10_000)
"""
)

# Killed


@pytest.mark.parametrize(
    ("workers", "moments", "how"),
    [
        (0, (-1, 0, 1, 4, 8), ()),
        (0, (2,), ("--passatk-judge-start", "spawn", "--passatk-judges", "1")),
        (2, (-1, 0, 5), ()),
    ],
    ids=["n0", "n0-spawn", "n2"],
)
def test_a_killed_run_loses_at_most_the_sample_in_hand(
    make_sessions: MakeSessions, workers: int, moments: tuple[int, ...], how: tuple[str, ...]
) -> None:
    sessions = make_sessions(workers)
    sessions.write()
    for moment in moments:  # counted in samples; -1 is while it starts, 0 with the store just made
        process = sessions.start(*how, **SLOW)
        wait_for(partial(is_at, sessions, moment), process)
        process.kill()
        end(process)
        wait_until_nobody_is_left(sessions)
        assert set(sessions.log[:-1]) <= set(kept(sessions))
    assert sessions.run().ret == 0
    assert kept(sessions) == ALL
    assert len(sessions.log) <= len(ALL) + len(moments)
    assert sessions.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}


def test_a_killed_run_takes_verifiers_that_hang_with_it(sessions: Sessions) -> None:
    sessions.write(HANGING)
    process = sessions.start("--passatk-judge-timeout", str(100 * PATIENCE))
    wait_for((sessions.pytester.path / "hangs").exists, process)
    process.kill()
    end(process)
    wait_until_nobody_is_left(sessions)


def test_a_killed_run_is_listed_without_an_end(alone: Sessions) -> None:
    alone.write()
    process = alone.start(**SLOW)
    wait_for(lambda: len(alone.log) > 1, process)
    process.kill()
    end(process)
    alone.run()
    found = Store(alone.store, create=False)
    assert [run.exit for run in found.runs()] == [None, 0]
    found.close()


# Interrupted


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["process", "terminal"])
def test_an_interrupt_keeps_what_finished_and_leaves_nobody_behind(
    sessions: Sessions, send: Callable[[int, int], None]
) -> None:
    sessions.write()
    process = sessions.start(**SLOW)
    wait_for(lambda: len(sessions.log) >= 3, process)
    send(process.pid, signal.SIGINT)
    said = end(process)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    wait_until_nobody_is_left(sessions)
    assert kept(sessions) == sorted(sessions.log)
    assert 3 <= len(sessions.log) < len(ALL)
    assert "KeyboardInterrupt" in said
    assert "pass@k withheld" in said
    assert sessions.run().ret == 0
    assert sorted(sessions.log) == ALL


INTERRUPTED_REPORT = """
import pytest

class Wrapper:
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self):
        (yield).get_result()

def pytest_configure(config):
    config.pluginmanager.register(Wrapper())

def pytest_runtest_makereport(item):
    if "half" in item.name:
        raise KeyboardInterrupt  # as Ctrl-C does that comes just now
"""


def test_an_interrupt_within_a_wrapper_of_another_plugin_is_an_interrupt(alone: Sessions) -> None:
    """A wrapper of the old style makes pluggy warn of what it lets through, and here a warning is an error."""
    alone.write(INTERRUPTED_REPORT, "conftest.py")
    alone.pytester.makeini("[pytest]\nfilterwarnings = error")
    alone.write()
    process = alone.start()
    said = end(process)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "test_suite.py  4/4" in said
    assert kept(alone) == sorted(alone.log)


def test_an_interrupt_ends_a_run_whose_model_answers_no_more(alone: Sessions) -> None:
    alone.write()
    process = alone.start(FAKE_DELAY=str(100 * PATIENCE))
    wait_for(lambda: alone.store.exists() and len(running(alone)) > 2, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == pytest.ExitCode.INTERRUPTED
    end(process)
    wait_until_nobody_is_left(alone)


# The model dies


def test_a_model_that_dies_ends_the_run_and_the_same_command_resumes(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.write()
    monkeypatch.setenv("FAKE_DIES_AFTER", "5")
    result = sessions.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the fake model died", "*the run ended early: the fake model died*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert len(sessions.log) == 5
    assert kept(sessions) == sorted(sessions.log)
    monkeypatch.delenv("FAKE_DIES_AFTER")
    assert sessions.run().ret == 0
    assert sorted(sessions.log) == ALL


def test_a_worker_that_comes_late_hears_that_the_run_has_ended(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(2)
    late = "import os, time\ntime.sleep(2 * (os.environ.get('PYTEST_XDIST_WORKER') == 'gw1'))\n"
    sessions.write(late, "conftest.py")
    sessions.write()
    monkeypatch.setenv("FAKE_DIES_AFTER", "1")
    result = sessions.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the fake model died", "*the run ended early: the fake model died*"])


def test_a_model_that_dies_at_once_is_told_by_one_item(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.write()
    monkeypatch.setenv("FAKE_DIES_AFTER", "0")
    result = alone.run()
    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("\nthe fake model died\n") == 1


# The file


def newer(path: Path) -> None:
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer": (newer, f"the store has schema {schema.VERSION + 1}*upgrade pytest-passatk"),
    "text": (lambda path: path.write_text("Dear diary,\n" * 100), "not a readable store"),
    "folder": (Path.mkdir, "a folder, not a store"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_store_that_cannot_be_used_is_a_usage_error_and_stays_as_it_is(alone: Sessions, kind: str) -> None:
    make, words = FILES[kind]
    path = alone.pytester.path / "kept.sqlite"
    alone.write()
    make(path)
    before = path.is_file() and path.read_bytes()
    result = alone.run("--passatk-store", "kept.sqlite")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {path}: *{words}*--passatk-store*"])
    assert (path.is_file() and path.read_bytes()) == before
    assert alone.log == []


def test_workers_tell_of_a_store_that_cannot_be_used(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    path = sessions.write("Dear diary,\n" * 100, "kept.sqlite")
    result = sessions.run("--passatk-store", "kept.sqlite")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([f"*{path}: *not a readable store*--passatk-store*"])
    assert sessions.log == []


LONG = """
ROWS = [{"id": str(number), "says": "7" * 3000} for number in range(10)]

@suite(ROWS, prompt="{says}", n=4, model="fake_model:load")
def test_it(problem, completion):
    assert completion.text
"""


def test_a_full_disk_ends_the_run_and_keeps_what_finished(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(path: Path | None, *, create: bool = True) -> sqlite3.Connection:
        connection = schema.connect(path, create=create)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    sessions.write(HEADER + LONG)
    with monkeypatch.context() as patch:
        patch.setattr(store, "connect", connect)
        result = sessions.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{sessions.store}: *full*"])
    finished = kept(sessions)
    assert 0 < len(finished) < 40
    assert sessions.run().ret == 0
    assert len(sessions.log) == 40 + 1, "only the sample that found no room was drawn again"
    assert set(finished) < set(kept(sessions))


# Two at once


def test_two_runs_share_a_store(sessions: Sessions) -> None:
    sessions.write()
    runs = [sessions.start("--passatk-json", f"report-{number}.json", **SLOW) for number in range(2)]
    said = [end(process) for process in runs]
    assert [process.returncode for process in runs] == [0, 0], said
    assert kept(sessions) == ALL
    for number in range(2):
        (sessions.pytester.path / f"report-{number}.json").rename(sessions.pytester.path / "report.json")
        assert sessions.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}
    assert len(sessions.log) <= 2 * len(ALL)
