"""What judging comes to: counts are measurements, a broken harness is a failure."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sessions import HEADER, MakeSessions, Sessions

from pytest_passatk.store import SampleRow

# One problem a case; the body does what the problem's id says.
CASES: dict[str, tuple[str, str]] = {
    "right": ("pass", ""),
    "wrong": ("fail", "assert '7' == '8'"),
    "diff": ("fail", "Extra items in the left set"),
    "said": ("fail", "said so"),
    "bare": ("fail", "raise AssertionError  # here"),
    "failed": ("fail", "pytest said so"),
    "expected": ("fail", "known"),
    "slow prover": ("timeout", "slow prover"),
    "slow": ("timeout", "ran out of time"),
    "crash": ("error", "KeyError: 'gone'"),
    "extract": ("error", "ZeroDivisionError"),
    "exit": ("error", "SystemExit: 3"),
    "unprintable": ("error", "no words"),
    "huge": ("fail", "… "),
    "loud": ("pass", ""),
    "warned": ("pass", ""),
    "told": ("error", "the body returned a bool: assert instead"),
    "skipped": ("skip", "not now"),
    "missing": ("skip", "no_such_module"),
}
BODY = """
import sys
import warnings
import pytest
from pytest_passatk import VerifierTimeout

def extract(text):
    return 1 / 0 if text == "extract" else text or None

class Unprintable(AssertionError):
    def __str__(self):
        raise ValueError("no words")

@suite(ROWS, prompt="{says}", extract=extract, n=2, model="fake_model:load")
def test_it(problem, completion):
    match problem.id:
        case "wrong":
            assert completion.answer == "8"
        case "diff":
            assert {1, 2} == {1}
        case "said":
            assert not completion.answer, "said so"
        case "bare":
            raise AssertionError  # here
        case "failed":
            pytest.fail("pytest said so")
        case "expected":
            pytest.xfail("known")
        case "slow prover":
            raise VerifierTimeout("slow prover")
        case "slow":
            raise VerifierTimeout
        case "crash":
            raise KeyError("gone")
        case "exit":
            sys.exit(3)
        case "unprintable":
            raise Unprintable
        case "huge":
            assert not completion.answer, "x" * 1_000_000
        case "loud":
            print("out" * 100_000, "err" * 100_000, file=sys.stderr)
            print("out" * 100_000)
        case "warned":
            warnings.warn("old", DeprecationWarning)
            eval("1 is 1")
        case "told":
            return completion.answer == "7"
        case "skipped":
            pytest.skip("not now")
        case "missing":
            pytest.importorskip("no_such_module")
"""


def suite_of_cases(cases: dict[str, Any], body: str) -> str:
    rows = [{"id": case, "says": case if case == "extract" else "7", "answer": "7"} for case in cases]
    return f"{HEADER}ROWS = {rows!r}\n{body}"


def verdicts(samples: dict[str, tuple[SampleRow, ...]]) -> dict[str, set[str | None]]:
    return {problem: {sample.status for sample in found} for problem, found in samples.items()}


def test_counts_are_no_failures(sessions: Sessions) -> None:
    sessions.write()
    result = sessions.run()
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert sessions.counts() == {"always": (4, 4), "half": (4, 2), "never": (4, 0)}


def test_items_show_solved_of_n(sessions: Sessions) -> None:
    sessions.write()
    result = sessions.run("-v")
    for line in ("*test_fake?always?*", "*2/4*", "*0/4*"):
        result.stdout.fnmatch_lines([line])


@pytest.mark.parametrize(
    ("workers", "how"),
    [
        (0, ("--passatk-judge-start", "fork")),
        (0, ("--passatk-judge-start", "spawn", "--passatk-judges", "1")),
        (0, ("--passatk-inline",)),
        (2, ()),
        (2, ("--passatk-inline",)),
    ],
    ids=["fork", "spawn", "inline", "n2", "n2-inline"],
)
def test_every_outcome_of_a_body_is_told_apart(make_sessions: MakeSessions, workers: int, how: tuple[str, ...]) -> None:
    sessions = make_sessions(workers)
    sessions.write(suite_of_cases(CASES, BODY))
    result = sessions.run("-W", "error", *how)
    samples = sessions.samples()
    assert verdicts(samples) == {case: {status} for case, (status, _) in CASES.items()}
    for case, (_, reason) in CASES.items():
        assert all(reason in str(sample.reason) for sample in samples[case]), case
    assert len(str(samples["huge"][0].reason)) < 11_000
    errors = sum(status == "error" for status, _ in CASES.values())
    skips = sum(status == "skip" for status, _ in CASES.values())
    result.assert_outcomes(failed=errors, skipped=skips, passed=len(CASES) - errors - skips)
    assert result.ret == 1


ESCAPES: dict[str, tuple[str, str]] = {
    "hang": ("timeout", "no verdict within 1 s"),
    "deaf": ("timeout", "no verdict within 1 s"),
    "child": ("timeout", "no verdict within 1 s"),
    "stuck": ("timeout", "no verdict within 1 s"),
    "exit": ("error", "exit status 3"),
    "clean exit": ("error", "exit status 0"),
    "crash": ("error", "signal SIGSEGV"),
    "interrupt": ("error", "KeyboardInterrupt"),
    "deserter": ("error", "closed its files"),
    "right": ("pass", ""),
}
ESCAPING_BODY = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path

def sleep():
    while True:
        time.sleep(60)

@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
def test_it(problem, completion):
    match problem.id:
        case "hang":
            sleep()
        case "deaf":
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            sleep()
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path("child.pid").write_text(str(child.pid))
            child.wait()
        case "stuck":
            ctypes.PyDLL(None).pause()  # holds the interpreter's lock
        case "exit":
            os._exit(3)
        case "clean exit":
            os._exit(0)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "interrupt":
            raise KeyboardInterrupt
        case "deserter":
            os.closerange(3, 256)
            sleep()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def wait_until_gone(pid: int) -> None:
    for _ in range(200):
        if not is_alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} was left behind")


@pytest.mark.parametrize(
    ("workers", "how", "cases"),
    [
        (0, ("--passatk-judge-start", "fork"), list(ESCAPES)),
        (0, ("--passatk-judge-start", "spawn", "--passatk-judges", "1"), ["hang", "exit", "right"]),
        (2, (), list(ESCAPES)),
    ],
    ids=["fork", "spawn", "n2"],
)
def test_no_body_harms_the_session(
    make_sessions: MakeSessions, workers: int, how: tuple[str, ...], cases: list[str]
) -> None:
    sessions = make_sessions(workers)
    sessions.write(suite_of_cases(dict.fromkeys(cases), ESCAPING_BODY))
    result = sessions.run("--passatk-judge-timeout", "1", *how)
    samples = sessions.samples()
    assert verdicts(samples) == {case: {ESCAPES[case][0]} for case in cases}
    for case in cases:
        assert ESCAPES[case][1] in str(samples[case][0].reason)
    errors = sum(ESCAPES[case][0] == "error" for case in cases)
    result.assert_outcomes(passed=len(cases) - errors, failed=errors)
    for note in sessions.pytester.path.glob("child.pid"):
        wait_until_gone(int(note.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_that_is_killed_leaves_nobody_behind(alone: Sessions, number: signal.Signals) -> None:
    alone.write(suite_of_cases({"child": None}, ESCAPING_BODY))
    session = alone.start("--passatk-judge-timeout", "600")
    note = alone.pytester.path / "child.pid"
    for _ in range(600):
        if note.exists() and note.read_text():
            break
        time.sleep(0.05)
    os.killpg(session.pid, number)
    session.communicate(timeout=60)
    wait_until_gone(int(note.read_text()))


def test_what_a_body_starts_can_be_stopped(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {"it": None},
            """
import subprocess, sys, signal

@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
def test_it(problem, completion):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        child.send_signal(number)
        assert child.wait(30) != 0
""",
        )
    )
    alone.run()
    assert alone.counts() == {"it": (1, 1)}


def test_a_child_that_outlives_its_body_ends_with_the_session(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {"it": None},
            """
import subprocess, sys
from pathlib import Path

@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
def test_it(problem, completion):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child.pid").write_text(str(child.pid))
    child.returncode = 0  # nobody waits for it
""",
        )
    )
    alone.run().assert_outcomes(passed=1)
    wait_until_gone(int((alone.pytester.path / "child.pid").read_text()))


def test_the_pool_lives_on_after_many_kills(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {str(number): None for number in range(12)},
            """
import os

@suite(ROWS, prompt="{says}", n=4, model="fake_model:load")
def test_it(problem, completion):
    if completion.index % 2:
        os._exit(1)
""",
        )
    )
    alone.run().assert_outcomes(failed=12)
    assert {tuple(sample.status for sample in found) for found in alone.samples().values()} == {
        ("pass", "error", "pass", "error")
    }


def test_a_slow_end_of_one_judge_costs_the_others_no_time(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {str(number): None for number in range(8)},
            """
import os, time

@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
def test_it(problem, completion):
    if problem.id == "0":
        time.sleep(0.2)  # until the others are at work
        os.closerange(3, 256)
        time.sleep(60)
    time.sleep(0.3)
""",
        )
    )
    alone.run("--passatk-judge-timeout", "0.8", "--passatk-judges", "4").assert_outcomes(passed=7, failed=1)
    assert [solved for _, solved in alone.counts().values()] == [0] + 7 * [1]


def test_truncated_and_unanswered_samples_are_counted_apart(alone: Sessions) -> None:
    alone.write(
        HEADER
        + """
ROWS = [{"id": "a", "says": "7|LENGTH:7|LENGTH:|", "answer": "7"}]

@suite(ROWS, prompt="{says}", extract=lambda text: text or None, n=4, model="fake_model:load")
def test_it(problem, completion):
    assert completion.truncated == (completion.index in {1, 2})
    assert completion.answer == problem.answer
"""
    )
    alone.run().assert_outcomes(passed=1)
    problem = alone.report["suites"][0]["problems"][0]
    assert {name: problem[name] for name in ("n", "c", "truncated", "no_answer")} == {
        "n": 4, "c": 2, "truncated": 2, "no_answer": 2,
    }  # fmt: skip


def test_an_error_names_sample_and_traceback_and_withholds_the_estimate(sessions: Sessions) -> None:
    sessions.write(
        HEADER
        + """
@suite([{"id": "good", "answer": 1}, {"id": "bad", "answer": 2}], prompt="x", n=2, model="fake_model:load")
def test_it(problem, completion):
    if problem.id == "bad" and completion.index == 1:
        broken = {}
        broken["gone"]
"""
    )
    result = sessions.run()
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_it?bad?#1:*", '*broken?"gone"?*', "*KeyError: 'gone'*"])
    suite = sessions.report["suites"][0]
    assert suite["estimates"] == []
    assert "it[bad]#1" in suite["withheld"]
    assert {problem["id"]: problem["errors"] for problem in suite["problems"]} == {"good": [], "bad": [1]}


def test_an_answer_that_the_model_could_not_give_is_an_error(sessions: Sessions) -> None:
    sessions.write(
        HEADER
        + """
ROWS = [{"id": "fits", "says": "7"}, {"id": "long", "says": "ABORT:the prompt has 9000 tokens"}]

@suite(ROWS, prompt="{says}", n=2, model="fake_model:load")
def test_it(problem, completion):
    assert completion.text == "7"
"""
    )
    result = sessions.run()
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_it?long?#0 #1:*", "*the prompt has 9000 tokens*"])
    assert sessions.counts() == {"fits": (2, 2), "long": (0, 0)}
    assert sessions.report["suites"][0]["estimates"] == []


def test_a_coroutine_says_nothing(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {"it": None},
            """
@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
async def test_it(problem, completion):
    assert False
""",
        )
    )
    result = alone.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the body returned a coroutine: assert instead, in an ordinary function*"])


def test_a_skipped_problem_leaves_the_estimate(sessions: Sessions) -> None:
    sessions.write(
        HEADER
        + """
import pytest

@suite([{"id": "in"}, {"id": "out"}], prompt="7", n=2, model="fake_model:load")
def test_it(problem, completion):
    if problem.id == "out" and completion.index == 1:
        pytest.skip("needs a tool")
"""
    )
    result = sessions.run("-rs")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs a tool*"])
    suite = sessions.report["suites"][0]
    assert suite["skipped"] == ["out"]
    assert [(each["k"], each["value"], each["problems"]) for each in suite["estimates"]] == [(1, 1.0, 1), (2, 1.0, 1)]


def test_inline_shows_what_a_body_prints(alone: Sessions) -> None:
    alone.write(
        suite_of_cases(
            {"it": None},
            """
@suite(ROWS, prompt="{says}", n=1, model="fake_model:load")
def test_it(problem, completion):
    print("seen", completion.text)
""",
        )
    )
    alone.run("--passatk-inline", "-s").stdout.fnmatch_lines(["*seen 7*"])


DEBUGGER = """
class Debugger:
    quitting = False

    def __init__(self, *args, **kwargs):
        pass

    def reset(self):
        pass

    def interaction(self, frame, trace):
        trace = getattr(trace, "__traceback__", trace)
        while trace.tb_next:
            trace = trace.tb_next
        print("entered with", trace.tb_frame.f_locals["clue"])
"""


def test_the_debugger_starts_where_the_body_broke(alone: Sessions) -> None:
    alone.write(DEBUGGER, "debugger.py")
    alone.pytester.syspathinsert(alone.pytester.path)
    alone.write(
        suite_of_cases(
            {"it": None},
            """
@suite(ROWS, prompt="{says}", n=2, model="fake_model:load")
def test_it(problem, completion):
    clue = completion.index + 40
    if completion.index == 1:
        raise KeyError("gone")
""",
        )
    )
    result = alone.run("--pdb", "--pdbcls", "debugger:Debugger")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*KeyError*", "*entered with 41*"])
