"""Whole sessions against a fake server: what a person sees, what is kept, and how they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.e2e.fake_server import NAME, Asked, FakeServer, Reply, complete, refuse, serving

pytest.importorskip("openai", reason="openai is not installed: pip install 'pytest-passatk[openai]'")

KEY = "sk-secret-of-this-test"
PATIENCE = 120.0  # seconds; only to end a hang
SUITE = """
from pytest_passatk import Completion, Problem, suite

ROWS = [{"id": f"p{at}", "question": f"{at} + 1", "answer": str(at + 1)} for at in range(6)]

@suite(ROWS, prompt="{question}", extract=str.strip, n=4, max_tokens=8)
def test_sums(problem, completion):
    assert completion.answer == problem.answer
"""


def add(asked: Asked) -> Reply:
    """The right answer to every second sample."""
    right = int(asked.prompt.split()[0]) + 1
    return complete(asked, *(str(right + at % 2) for at in range(asked.body.get("n", 1))))


@contextmanager
def session(folder: Path, server: FakeServer, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A session of pytest as a process of its own."""
    (folder / "test_sums.py").write_text(SUITE, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PASSATK_", "OPENAI_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--model",
         f"openai:{NAME}", "--passatk-json", "report.json", "--passatk-model-args", "retries=0", *arguments],
        cwd=folder, env={**clean, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(folder: Path, server: FakeServer, *arguments: str) -> tuple[int, str]:
    """The exit status of a session, and what it said."""
    with session(folder, server, *arguments) as process:
        said = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, said


def counts(folder: Path) -> dict[str, tuple[int, int]]:
    report: Any = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {problem["id"]: (problem["n"], problem["c"]) for problem in report["suites"][0]["problems"]}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_session_measures_and_resumes(tmp_path: Path, workers: str) -> None:
    with serving(add) as server:
        status, said = run(tmp_path, server, "-n", workers)
        assert (status, counts(tmp_path)) == (0, {f"p{at}": (4, 2) for at in range(6)}), said
        assert len(server.asked) == 6
        status, said = run(tmp_path, server, "-n", workers, "--n", "6")
        assert (status, counts(tmp_path)) == (0, {f"p{at}": (6, 3) for at in range(6)}), said
        assert [asked.body["n"] for asked in server.asked[6:]] == [2] * 6
        assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert f"backend openai (address {server.url}/v1)" in said
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []
    assert KEY not in said


def test_a_refused_key_is_a_usage_error_in_the_servers_words(tmp_path: Path) -> None:
    with serving(add, models=refuse(401, "who are you?")) as server:
        status, said = run(tmp_path, server)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"{server.url}/v1: 401: who are you?" in said


def test_one_refused_problem_withholds_the_estimate_and_the_others_go_on(tmp_path: Path) -> None:
    with serving(lambda asked: refuse(400, "too long") if asked.prompt == "3 + 1" else add(asked)) as server:
        status, said = run(tmp_path, server)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "p3: " in said
    assert "refused it: 400: too long" in said
    assert counts(tmp_path)["p5"] == (4, 2)


def test_a_server_that_dies_ends_the_run_and_the_same_command_resumes(tmp_path: Path) -> None:
    with serving(lambda asked: add(asked) if asked.number < 3 else refuse(500, "out of memory")) as server:
        command = ("--passatk-concurrency", "1")
        status, said = run(tmp_path, server, *command)
        assert status == pytest.ExitCode.TESTS_FAILED
        assert "500: out of memory; what finished is kept, and the same command resumes" in said
        server.script = add
        server.asked.clear()
        status, said = run(tmp_path, server, *command)
        assert (status, len(server.asked)) == (0, 3), said
        assert "12 in the store" in said


def test_an_interrupted_session_ends_with_requests_in_flight(tmp_path: Path) -> None:
    hangs = Event()

    def script(asked: Asked) -> Reply:
        if asked.number < 2:
            return add(asked)
        hangs.set()
        return Reply(hang=True)

    with serving(script) as server:
        with session(tmp_path, server, "--passatk-concurrency", "1") as process:
            assert hangs.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == pytest.ExitCode.INTERRUPTED, said
        assert server.gone.wait(PATIENCE)
        server.script = add
        server.asked.clear()
        status, said = run(tmp_path, server)
        assert (status, len(server.asked)) == (0, 4), said


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_servers_cause_is_said_while_the_run_goes_on(tmp_path: Path, workers: str) -> None:
    def script(asked: Asked) -> Reply:
        return add(asked) if "seed" not in asked.body else refuse(400, "seed: not supported")

    with serving(script) as server:
        status, said = run(tmp_path, server, "-n", workers)
    assert status == 0, said
    assert f"passatk: {server.url}/v1 takes no seeds, so that the same command" in said


def test_costs_of_a_server_that_tells_no_usage_say_what_they_leave_out(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        reply = add(asked)
        return replace(reply, body={**reply.body, "usage": None})

    with serving(script) as server:
        status, said = run(tmp_path, server, "--passatk-price", "0,8")
    assert status == 0, said
    assert "without untold tokens of 24 samples" in said


def test_a_password_that_was_typed_is_written_nowhere(tmp_path: Path) -> None:
    with serving(add) as server:
        secret = server.url.replace("://", "://me:hunter2@") + "/v1?token=hunter3"
        status, said = run(tmp_path, server, "--base-url", secret)
    assert status == 0, said
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in kept for word in (b"hunter2", b"hunter3") if word in path.read_bytes()] == []
    assert "hunter" not in said
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert f"--base-url '{server.url.replace('://', '://…@')}/v1?…'" in report["run"]["command"]
