"""With workers: the same numbers, one writer, and an end whatever happens to a worker."""

import re
from pathlib import Path
from typing import Any

import pytest
from sessions import HEADER, SUITE, MakeSessions

ROOT = Path(__file__).parents[2]
ALL = {"always": (4, 4), "half": (4, 2), "never": (4, 0)}

# Timings and names of runs: all else has to be the same.
VOLATILE = {
    "id", "command", "started", "seconds", "tokens_per_second", "latency_p50", "latency_p95", "first_token_p50",
    "first_token_p95",
}  # fmt: skip

MANY = (
    HEADER
    + """
import pytest

ROWS = [{"id": f"p{number}", "says": "7|" * number + "8|LENGTH:8|", "answer": "7"} for number in range(12)]

@suite(ROWS, prompt="{says}", extract=lambda text: text or None, n=5, model="fake_model:load")
def test_many(problem, completion):
    if problem.id == "p3":
        pytest.skip("not now")
    assert completion.answer == problem.answer

@suite(ROWS[:2], prompt="{says}", same=lambda a, b: len(a) == len(b), extract=str, n=3, model="fake_model:load:other")
def test_few(problem, completion):
    assert completion.answer == problem.answer
"""
)


def lasting(value: Any, name: str = "") -> Any:
    """A report without what no two runs share."""
    if isinstance(value, dict):
        return {key: lasting(each, key) for key, each in value.items() if key not in VOLATILE or name == "problems"}
    return [lasting(each, name) for each in value] if isinstance(value, list) else value


def table(result: pytest.RunResult) -> str:
    """The words of the table without timings, by which its lines are broken, and the line that names the run."""
    text = result.stdout.str().partition("= pass@k =")[2].partition("\n====")[0]
    words = re.sub(r"tokens/s [\d,]+|latency .*|first token .*", "", text).replace("·", " ").split()
    return " ".join(words)


def run_both(make_sessions: MakeSessions, *arguments: str) -> tuple[list[Any], list[str]]:
    """Reports and tables of a run without workers and one with them, neither of which knows of the other."""
    reports, tables = [], []
    for workers in (0, 2):
        sessions = make_sessions(workers)
        result = sessions.run("--passatk-no-cache", *arguments)
        assert result.ret == 0
        reports.append(lasting(sessions.report))
        tables.append(table(result))
    return reports, tables


def test_workers_change_neither_report_nor_table(make_sessions: MakeSessions) -> None:
    make_sessions(0).write(MANY)
    reports, tables = run_both(make_sessions)
    assert reports[0] == reports[1]
    assert [len(suite["problems"]) for suite in reports[0]["suites"]] == [12, 2]
    assert tables[0] == tables[1]
    assert "many fake" in tables[0]


def test_workers_change_no_sample_of_a_real_model(make_sessions: MakeSessions) -> None:
    suite = str(ROOT / "suites" / "arithmetic")
    reports, tables = run_both(make_sessions, suite, "--limit", "6", "--n", "3", "--seed", "5")
    assert reports[0] == reports[1]
    assert reports[0]["suites"][0]["samples"]["solved"] > 0
    assert tables[0] == tables[1]


@pytest.mark.parametrize("how", ["loadfile", "loadscope", "worksteal"])
def test_however_items_are_dealt_out(make_sessions: MakeSessions, how: str) -> None:
    sessions = make_sessions(2)
    sessions.write()
    sessions.write(SUITE, "test_other.py")
    result = sessions.run("--dist", how)
    assert result.ret == 0
    result.assert_outcomes(passed=6)
    assert sessions.counts(0) == sessions.counts(1) == ALL


def test_more_workers_than_problems(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(3)
    sessions.write()
    sessions.run("-k", "half").assert_outcomes(passed=1)
    assert sessions.counts() == {"half": (4, 2)}


def test_workers_share_one_run_with_ordinary_tests(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write(SUITE + "\n\ndef test_plain(tmp_path):\n    assert tmp_path.exists()\n")
    sessions.run().assert_outcomes(passed=4)
    assert sessions.report["run"]["id"] == 1


# One writer

SPY = """
import os, sys

def note(event, arguments):
    if event == "sqlite3.connect" and str(arguments[0]).startswith("file:"):
        with open("pids.log", "a") as log:
            print(event, os.getpid(), file=log)

sys.addaudithook(note)
"""
LOCAL_MODEL = """
import os
from fake_model import FakeModel, load

class Spy(FakeModel):
    def sample(self, requests):
        with open("pids.log", "a") as log:
            print("sample", os.getpid(), file=log)
        return super().sample(requests)

def spy(target, options):
    return Spy(target or "fake", options)
"""


def test_only_the_controller_samples_and_opens_the_store(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write(SPY, "conftest.py")
    sessions.write(LOCAL_MODEL, "local_model.py")
    sessions.write()
    process = sessions.start("--model", "local_model:spy")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    notes = (sessions.pytester.path / "pids.log").read_text().split()
    assert set(notes[::2]) == {"sample", "sqlite3.connect"}
    assert set(notes[1::2]) == {str(process.pid)}


# Workers that die

DEADLY = """
import os, signal, time
from pathlib import Path

def test_deadly():
    while not Path("fake.log").exists() or len(Path("fake.log").read_text().split()) < MOMENT:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""
SLOW = SUITE.replace("    assert", "    import time\n    time.sleep(SECONDS)\n    assert")


@pytest.mark.parametrize(("moment", "seconds"), [(0, 0.0), (6, 0.02), (12, 0.3)], ids=["start", "midst", "end"])
def test_a_worker_that_is_killed_costs_no_sample(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch, moment: int, seconds: float
) -> None:
    sessions = make_sessions(2)
    sessions.write((DEADLY + SLOW).replace("MOMENT", str(moment)).replace("SECONDS", str(seconds)))
    monkeypatch.setenv("FAKE_DELAY", "0.02")
    result = sessions.run("--passatk-judges", "6")
    assert result.ret == 1
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running 'test_suite.py::test_deadly'*"])
    assert sessions.counts() == ALL
    assert sessions.report["suites"][0]["withheld"] is None
    assert len(sessions.log) == 12


def test_a_run_ends_when_no_worker_is_left(make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = make_sessions(1)
    sessions.write(DEADLY.replace("MOMENT", "1") + SUITE)
    monkeypatch.setenv("FAKE_DELAY", "0.02")
    result = sessions.run("--max-worker-restart", "0")
    assert result.ret in {1, 2}
    assert sessions.run("--deselect", "test_suite.py::test_deadly").ret == 0
    assert sessions.counts() == ALL
    assert len(sessions.log) == 12


BROKEN = (
    HEADER
    + """
@suite([{"id": str(number)} for number in range(1000)], prompt="7", n=1, model="fake_model:load")
def test_broken(problem, completion):
    raise KeyError("gone")
"""
)


def test_a_limit_of_failures_ends_all_workers(make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = make_sessions(2)
    sessions.write(BROKEN)
    monkeypatch.setenv("FAKE_DELAY", "0.2")
    result = sessions.run("--maxfail", "1")
    assert result.ret in {1, 2}
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["skipped"] <= 2, "what the workers waited for when they heard of it"
    assert "ended in ERROR" in sessions.report["suites"][0]["withheld"]
    assert len(sessions.log) < 1000


# Workers that disagree


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('prompt="{says}"', "prompt=lambda problem: problem.fields['says'] + '|' * (os.getpid() % 1000)"),
        ("ROWS, prompt", "[{**row, 'mark': os.getpid()} for row in ROWS], prompt"),
    ],
    ids=["prompts", "rows"],
)
def test_workers_that_collect_differently_are_refused(make_sessions: MakeSessions, old: str, new: str) -> None:
    sessions = make_sessions(2)
    sessions.write("import os\n" + SUITE.replace(old, new))
    result = sessions.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*test_suite.py::test_fake: two workers collected it differently*'always'*"])
