"""What judging comes to: counts are measurements, a broken harness is a failure."""

import pytest
from sessions import HEADER, Sessions


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


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise KeyError('gone')", "KeyError: 'gone'"),
        ("import os; os._exit(3)", "exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_broken_body_withholds_the_estimate(alone: Sessions, body: str, reason: str, start: str) -> None:
    alone.write(
        HEADER
        + f"""
@suite([{{"id": "good", "answer": 1}}, {{"id": "bad", "answer": 2}}], prompt="x", n=2, model="fake_model:load")
def test_it(problem, completion):
    if problem.id == "bad" and completion.index == 1:
        {body}
"""
    )
    result = alone.run("--passatk-judge-start", start)
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_it?bad?#1:*", f"*{reason}*"])
    suite = alone.report["suites"][0]
    assert suite["estimates"] == []
    assert "bad" in suite["withheld"]
