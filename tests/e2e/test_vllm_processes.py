"""vLLM in sessions of their own processes: interrupted, killed, and run twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.vllm

SUITE = Path(__file__).resolve().parents[2] / "suites" / "arithmetic"
PATIENCE = 200.0  # seconds; a busy machine is slow, and only what hangs takes so long
CORE = "VLLM::EngineCor"  # the process of an engine; the system cuts names


class Session:
    """A session of pytest in a process of its own.

    Args:
        folder: to run in; holds the store.
        n: samples a problem.
        apart: whether vLLM's engine gets a process of its own, as it does on a GPU.
    """

    def __init__(self, folder: Path, n: int, *, apart: bool = False) -> None:
        self.store, self.output = folder / "store.sqlite", folder / "output.txt"
        command = [
            sys.executable, "-m", "pytest", str(SUITE), "--model", "vllm:tiny", "--n", str(n), "-q",
            "--passatk-store", str(self.store), "-p", "no:cacheprovider",
        ]  # fmt: skip
        environment = os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": str(int(apart))}
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)

    def await_that(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def samples(self) -> set[tuple[str, int, str]]:
        """Stream, index and text of all that is in the store."""
        query = "SELECT digest, idx, text FROM samples JOIN streams ON streams.id = samples.stream"
        try:
            with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as store:
                return set(store.execute(query).fetchall())
        except sqlite3.Error:
            return set()  # there is no store yet

    def end(self) -> str:
        """Wait for the end, and return what the session wrote."""
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        return self.output.read_text()


def descendants(pid: int) -> dict[int, str]:
    """The living descendants of a process, with their names."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            head, _, tail = (entry / "stat").read_text().rpartition(")")
        except OSError:  # it has ended in the meantime
            continue
        state, parent = tail.split()[:2]
        if state != "Z":
            parents[int(entry.name)] = (int(parent), head.partition("(")[2])
    found = {child: name for child, (parent, name) in parents.items() if parent == pid}
    for _ in range(4):
        found |= {child: name for child, (parent, name) in parents.items() if parent in found}
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int, str]]:
    """The samples of a session that nothing disturbed."""
    session = Session(tmp_path_factory.mktemp("whole"), 8)
    output = session.end()
    assert session.process.returncode == 0, output
    return session.samples()


def test_two_processes_draw_the_same_samples(whole: set[tuple[str, int, str]], tmp_path: Path) -> None:
    again = Session(tmp_path, 8)
    again.end()
    assert again.samples() == whole
    assert len({text for _, _, text in whole}) > 1


@pytest.mark.parametrize("apart", [False, True], ids=["inside", "apart"])
def test_an_interruption_keeps_what_finished_and_leaves_no_process(tmp_path: Path, apart: bool) -> None:
    session = Session(tmp_path, 100, apart=apart)
    session.await_that(lambda: len(session.samples()) >= 50)
    children = descendants(session.process.pid)
    assert (CORE in children.values()) == apart
    interrupt(session)
    assert children.keys().isdisjoint(descendants(1).keys() | descendants(os.getpid()).keys())
    kept = session.samples()
    assert len(kept) >= 50
    again = Session(tmp_path, 100, apart=False)
    assert f"reused {len(kept):,}" in again.end()
    assert kept <= again.samples()


@pytest.mark.parametrize("apart", [False, True], ids=["inside", "apart"])
def test_an_interruption_of_the_start_leaves_no_process(tmp_path: Path, apart: bool) -> None:
    session = Session(tmp_path, 2, apart=apart)
    session.await_that(session.store.exists)
    if apart:
        session.await_that(lambda: CORE in descendants(session.process.pid).values())
    children = descendants(session.process.pid)
    interrupt(session)
    assert children.keys().isdisjoint(descendants(1).keys() | descendants(os.getpid()).keys())


def interrupt(session: Session) -> None:
    """What Ctrl-C does, to the main process only."""
    session.process.send_signal(signal.SIGINT)
    output = session.end()
    assert session.process.returncode == pytest.ExitCode.INTERRUPTED, output


def test_a_killed_engine_ends_the_run_with_the_reason_and_the_same_command_resumes(
    tmp_path: Path, whole: set[tuple[str, int, str]]
) -> None:
    session = Session(tmp_path, 100, apart=True)
    session.await_that(lambda: len(session.samples()) >= 50)
    [core] = [pid for pid, name in descendants(session.process.pid).items() if name == CORE]
    os.kill(core, signal.SIGKILL)
    output = session.end()
    assert session.process.returncode == pytest.ExitCode.TESTS_FAILED
    assert "its process is gone" in output
    assert "max_num_seqs=" in output
    assert "the same command resumes" in output
    kept = session.samples()
    again = Session(tmp_path, 8)
    assert "passed" in again.end()
    assert kept <= again.samples()
    assert {(stream, index) for stream, index, _ in whole} <= {(s, i) for s, i, _ in again.samples()}
