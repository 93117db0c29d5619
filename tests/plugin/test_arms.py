"""Several adapters as arms of one run: the same problems and seeds, told apart wherever they appear."""

import json

import pytest
from sessions import SUITE, MakeSessions, Sessions

from pytest_passatk.cli import main
from pytest_passatk.store import Store

ARMS = ("--model", "fake_arms:load", "--adapter", "base,+7,lora/8")
COUNTS = {"always": (4, 4), "half": (4, 2), "never": (4, 0)}
NONE = {"always": (4, 0), "half": (4, 0), "never": (4, 0)}


@pytest.fixture(params=[0, 2])
def sessions(make_sessions: MakeSessions, request: pytest.FixtureRequest) -> Sessions:
    made = make_sessions(request.param)
    made.write()
    return made


def test_each_arm_is_a_suite_of_the_report(sessions: Sessions) -> None:
    result = sessions.run(*ARMS)
    assert result.ret == 0
    result.assert_outcomes(passed=9)
    suites = sessions.report["suites"]
    assert [(suite["title"], suite["arm"], suite["model"]["adapter"]) for suite in suites] == [
        ("fake@base", "base", None), ("fake@+7", "+7", "+7"), ("fake@8", "8", "lora/8")
    ]  # fmt: skip
    assert {suite["name"] for suite in suites} == {"test_suite.py::test_fake"}
    assert [sessions.counts(at) for at in range(3)] == [COUNTS, NONE, NONE]
    result.stdout.fnmatch_lines(["fake@base *", "fake@+7 *", "fake@8 *"])
    result.stdout.fnmatch_lines(["passatk: fake@+7: adapter +7"])


def test_the_arms_have_the_same_seeds(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SEEN", str(sessions.pytester.path / "seen.json"))
    sessions.run(*ARMS)
    seeds = json.loads((sessions.pytester.path / "seen.json").read_text())["seeds"]
    assert len(seeds) == 36
    assert seeds[:12] == seeds[12:24] == seeds[24:]
    assert len(set(seeds)) == 12


def test_an_arm_is_found_by_its_name(sessions: Sessions) -> None:
    sessions.run(*ARMS, "-k", "base and half").assert_outcomes(passed=1)
    assert sessions.log == ["half#0", "half#1", "half#2", "half#3"]
    sessions.run(*ARMS, "test_suite.py::test_fake[half@8]").assert_outcomes(passed=1)
    sessions.run(*ARMS, "test_suite.py::test_fake").assert_outcomes(passed=9)
    assert len(sessions.log) == 36, "what the store had of an arm is not drawn again"


def test_an_arm_shares_its_samples_with_a_run_of_its_own(sessions: Sessions) -> None:
    sessions.run(*ARMS)
    sessions.run("--model", "fake_arms:load", "--adapter", "+7")
    sessions.run("--model", "fake_arms:load")
    sessions.run("--model", "fake_arms:load", "--adapter", "base")
    assert len(sessions.log) == 36
    assert sessions.report["suites"][0]["arm"] is None


def test_the_commands_tell_the_arms_apart(
    sessions: Sessions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.run(*ARMS)
    monkeypatch.chdir(sessions.pytester.path)
    capsys.readouterr()
    assert main(["show", "last", "--suite", "fake@+7"]) == 0
    assert "fake@+7" in (shown := capsys.readouterr().out)
    assert "fake@base" not in shown
    assert main(["export", "last", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({(row["suite"], row.get("arm"), row["problem"], row["index"]) for row in rows}) == len(rows) == 36
    store = Store(sessions.store, create=False)
    assert [(suite.title, suite.arm) for suite in store.suites(1)] == [
        ("fake@base", "base"), ("fake@+7", "+7"), ("fake@8", "8")
    ]  # fmt: skip
    store.close()


@pytest.mark.parametrize("place", ["command line", "environment"])
def test_a_run_with_arms_is_judged_again(
    make_sessions: MakeSessions, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    sessions = make_sessions(0)
    path = sessions.write()
    if place == "environment":
        with monkeypatch.context() as then:
            then.setenv("PASSATK_ADAPTER", ARMS[-1])
            sessions.run(*ARMS[:-2])
    else:
        sessions.run(*ARMS)
    path.write_text(SUITE.replace("assert completion", "assert not completion"))
    monkeypatch.chdir(sessions.pytester.path)
    capfd.readouterr()
    assert main(["rejudge", "last", "--json"]) == 0
    changes = json.loads(capfd.readouterr().out)["suites"]
    assert len(changes) == 3
    assert len(sessions.log) == 36, "no model is asked"


def test_one_arm_of_an_export_is_replayed_and_not_all(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(0)
    sessions.write()
    sessions.run(*ARMS)
    monkeypatch.chdir(sessions.pytester.path)
    assert main(["export", "1", "--format", "jsonl", "--output", "all.jsonl"]) == 0
    assert main(["export", "1", "--format", "jsonl", "--output", "one.jsonl", "--suite", "fake@base"]) == 0
    assert sessions.run("--model", "replay:one.jsonl").ret == 0
    assert sessions.counts() == COUNTS
    result = sessions.run("--model", "replay:all.jsonl")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*in each of the suites fake@base, fake@+7, fake@8, *one suite with passatk export*"])


def test_a_check_needs_no_arm(sessions: Sessions) -> None:
    result = sessions.run(*ARMS, "--passatk-check")
    assert sum(result.parseoutcomes().values()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "fake_model:load", "--adapter", "base,a"], "*does not take several arms in one run*"),
        (["--model", "tiny", "--adapter", "base,a"], "*without a choice of adapter*"),
        (["--model", "fake_arms:load", "--adapter", "a,b,a"], "*--adapter a,b,a: every arm must have a name*"),
        (["--model", "fake_arms:load", "--adapter", "a,,b"], "*--adapter a,,b: every arm must have a name*"),
    ],
    ids=["fake", "tiny", "twice", "nameless"],
)
def test_arms_that_cannot_be_are_refused(sessions: Sessions, arguments: list[str], message: str) -> None:
    result = sessions.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sessions.log == []
    (result.stdout if sessions.workers and "every" not in message else result.stderr).fnmatch_lines([message])
