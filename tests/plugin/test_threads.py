"""Threads of numerical libraries, which the processes of a run share."""

import pytest
from sessions import SUITE, MakeSessions, Sessions

LIBRARIES = ("OPENBLAS", "VECLIB_MAXIMUM", "OMP", "MKL")

CONFTEST = """
import os
from pathlib import Path

def pytest_sessionfinish(session):
    process = os.environ.get("PYTEST_XDIST_WORKER", "main")
    seen = {name: os.environ.get(f"{name}_NUM_THREADS") for name in ("OPENBLAS", "VECLIB_MAXIMUM", "OMP", "MKL")}
    Path(f"threads-{process}").write_text(repr(seen))
"""


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in LIBRARIES:
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)


def threads(sessions: Sessions, process: str) -> dict[str, str | None]:
    found: dict[str, str | None] = eval((sessions.pytester.path / f"threads-{process}").read_text())  # noqa: S307 - own repr
    return found


def run(sessions: Sessions) -> None:
    sessions.write(CONFTEST, "conftest.py")
    sessions.write(SUITE)
    result = sessions.pytester.runpytest_subprocess("-n", str(sessions.workers), "-p", "no:cacheprovider")
    assert result.ret == 0


def test_numpy_has_one_thread_and_torch_its_own_choice(alone: Sessions) -> None:
    run(alone)
    assert threads(alone, "main") == {"OPENBLAS": "1", "VECLIB_MAXIMUM": "1", "OMP": None, "MKL": None}


def test_every_process_of_workers_has_one_thread(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    run(sessions)
    assert [threads(sessions, process) for process in ("gw0", "gw1", "main")] == [dict.fromkeys(LIBRARIES, "1")] * 3


def test_the_users_choice_stands(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    run(alone)
    assert threads(alone, "main")["OPENBLAS"] == "3"
