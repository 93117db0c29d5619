"""How many engines a run with workers has, and what becomes of them."""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sessions import FAKES, HEADER, SUITE, MakeSessions, Sessions
from test_interrupted import SLOW, end, kept, running, wait_for, wait_until_nobody_is_left
from test_workers import ALL, BROKEN, MANY, ROOT, lasting, table

# Workers start with the path of the process that imported pytest-xdist first: that of these tests.
FIND = ("-o", f"pythonpath={FAKES}")
ENGINE = (*FIND, "--model", "fake_engine:load")
APART = (*ENGINE, "--passatk-engines", "per-worker")


def engines(sessions: Sessions) -> list[dict[str, Any]]:
    """What the engines noted: who sampled what."""
    path = sessions.pytester.path / "engines.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def sampled(sessions: Sessions) -> Counter[str]:
    return Counter(sessions.log)


# -n, meant as --n


def test_a_number_of_workers_that_may_be_one_of_samples_is_refused(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    result = sessions.run(*ENGINE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        ["ERROR: -n 2 starts 2 pytest workers; did you mean --n 2 *-engines shared*-engines per-worker"]
    )
    assert engines(sessions) == []


def in_ini(sessions: Sessions, _: pytest.MonkeyPatch) -> tuple[str, ...]:
    sessions.write("[pytest]\npassatk_n = 4\n", "pytest.ini")
    return ENGINE


def in_environment(_: Sessions, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("PASSATK_N", "4")
    return ENGINE


def in_profile(sessions: Sessions, _: pytest.MonkeyPatch) -> tuple[str, ...]:
    sessions.write("[profiles.nightly]\nn = 4\n", "passatk.toml")
    return (*ENGINE, "--passatk-profile", "nightly")


def typed(*arguments: str) -> Callable[[Sessions, pytest.MonkeyPatch], tuple[str, ...]]:
    return lambda sessions, monkeypatch: arguments  # noqa: ARG005 - as the others


WAYS = {
    "typed": typed(*ENGINE, "--n", "4"),
    "ini": in_ini,
    "environment": in_environment,
    "profile": in_profile,
    "shared": typed(*ENGINE, "--passatk-engines", "shared"),
    "no engine": typed("--model", "fake_model:load"),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_says_what_is_meant_gets_it(make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    sessions = make_sessions(2)
    sessions.write()
    assert sessions.run(*WAYS[way](sessions, monkeypatch)).ret == 0
    assert sessions.counts() == ALL
    assert {line["worker"] for line in engines(sessions)} <= {"controller"}


@pytest.mark.parametrize("how", ["shared", "per-worker"])
def test_without_workers_there_is_one_engine_whatever_is_said(alone: Sessions, how: str) -> None:
    alone.write()
    assert alone.run(*ENGINE, "--passatk-engines", how).ret == 0
    assert alone.counts() == ALL
    assert [line["worker"] for line in engines(alone)] == ["controller"]


# An engine a worker


def test_each_worker_samples_its_shard_at_once(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    result = sessions.run(*APART)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["passatk: engine is briefed", "passatk: 2 engines, one in each worker"])
    assert sessions.counts() == ALL
    asked = {line["worker"]: line["asked"] for line in engines(sessions)}
    assert len(engines(sessions)) == 2
    assert asked["gw0"] == [f"{problem}#{index}" for problem in ("always", "never") for index in range(4)]
    assert asked["gw1"] == [f"half#{index}" for index in range(4)]
    assert {line["briefed"] for line in engines(sessions)} == {3}
    assert set(sampled(sessions).values()) == {1}


@pytest.mark.parametrize("suite", ["fake", "tiny"])
def test_engines_of_workers_change_neither_report_nor_table(make_sessions: MakeSessions, suite: str) -> None:
    make_sessions(0).write(MANY)
    folder = str(ROOT / "suites" / "arithmetic")
    arguments = ("test_suite.py",) if suite == "fake" else (folder, "--limit", "7", "--n", "3", "--seed", "5")
    reports, tables = [], []
    for workers in (0, 2, 3):
        sessions = make_sessions(workers)
        result = sessions.run(*FIND, "--passatk-no-cache", "--passatk-engines", "per-worker", *arguments)
        assert result.ret == 0
        reports.append(lasting(sessions.report))
        tables.append(table(result))
    assert reports[0] == reports[1] == reports[2]
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("how", ["load", "worksteal", "loadfile", "loadscope", "each"])
def test_engines_of_workers_however_items_are_dealt_out(make_sessions: MakeSessions, how: str) -> None:
    sessions = make_sessions(3)
    sessions.write()
    result = sessions.run(*APART, "--dist", how)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == (9 if how == "each" else 3)
    assert sessions.counts() == ALL
    assert set(sampled(sessions).values()) == {1}


def test_workers_without_a_problem_of_their_own_end_with_the_others(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(3)
    sessions.write()
    sessions.run(*APART, "-k", "half").assert_outcomes(passed=1)
    assert [line["worker"] for line in engines(sessions)] == ["gw0"]


TWO = (
    HEADER
    + """
ROWS = [{"id": f"p{number}", "says": "7|8", "answer": "7"} for number in range(5)]

@suite(ROWS, prompt="{says}", n=4, model="fake_engine:load:first")
def test_first(problem, completion):
    assert completion.text == problem.answer

@suite(ROWS, prompt="{says}", n=6, model="fake_engine:load:second")
def test_second(problem, completion):
    assert completion.text == problem.answer

@suite(ROWS, prompt="{says}", n=2, model="fake_engine:load:first")
def test_same(problem, completion):
    assert completion.text == problem.answer
"""
)


def test_engines_take_one_model_after_the_other_and_what_is_missing_only(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write(TWO)
    apart = (*FIND, "--passatk-engines", "per-worker")
    assert sessions.run(*apart, "-k", "p1 or p2").ret == 0
    assert len(sessions.log) == 2 * (4 + 6), "test_same shares its samples with test_first"
    assert sessions.run(*apart).ret == 0
    assert len(sessions.log) == 5 * (4 + 6)
    later = engines(sessions)[4:]
    for worker in ("gw0", "gw1"):
        assert [line["model"] for line in later if line["worker"] == worker] == ["first", "second"]
    before = len(sessions.log)
    assert sessions.run(*apart).ret == 0
    assert len(sessions.log) == before
    assert [suite["samples"]["solved"] for suite in sessions.report["suites"]] == [10, 15, 5]


# GPUs


def pinned(sessions: Sessions) -> dict[str, str]:
    return {line["worker"]: line["gpus"] for line in engines(sessions)}


@pytest.mark.parametrize(
    ("visible", "arguments", "expected"),
    [
        ("3,5", (), {"gw0": "3", "gw1": "5"}),
        ("0,1,2,3", ("--passatk-model-args", "tensor_parallel_size=2"), {"gw0": "0,1", "gw1": "2,3"}),
        ("GPU-a1,GPU-b2", (), {"gw0": "GPU-a1", "gw1": "GPU-b2"}),
        ("", (), {"gw0": "", "gw1": ""}),
    ],
    ids=["listed", "parallel", "names", "none wanted"],
)
def test_each_worker_sees_its_own_gpus(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch,
    visible: str, arguments: tuple[str, ...], expected: dict[str, str],
) -> None:  # fmt: skip
    sessions = make_sessions(2)
    sessions.write()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert sessions.run(*APART, *arguments).ret == 0
    assert pinned(sessions) == expected
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible, "the controller keeps all"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "*with -n 2 needs 2 GPUs, and there are 1: use fewer workers*--passatk-engines shared"),
        (("--passatk-model-args", "tensor_parallel_size=4"), "*needs 8 GPUs, 4 for each worker, and there are 1:*"),
        (("--passatk-device", "cuda:1"), "ERROR: --passatk-device cuda:1: names one GPU*say --passatk-device cuda"),
    ],
)
def test_more_engines_than_gpus_are_refused(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    sessions = make_sessions(2)
    sessions.write()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("FAKE_DEVICE", "cuda")
    result = sessions.run(*APART, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines([words])
    assert engines(sessions) == []
    assert sessions.run(*ENGINE, "--passatk-engines", "shared").ret == 0


# Ends


def test_an_engine_that_fails_ends_the_run_and_the_same_command_resumes(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(2)
    sessions.write()
    monkeypatch.setenv("FAKE_DIES_AFTER", "2")
    result = sessions.run(*APART)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the run ended early: the fake model died*"])
    assert kept(sessions) == sorted(sessions.log)
    monkeypatch.delenv("FAKE_DIES_AFTER")
    assert sessions.run(*APART).ret == 0
    assert sessions.counts() == ALL
    assert set(sampled(sessions).values()) == {1}


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["process", "terminal"])
def test_an_interrupt_leaves_no_engine_behind(make_sessions: MakeSessions, send: Callable[[int, int], None]) -> None:
    sessions = make_sessions(2)
    sessions.write()
    process = sessions.start(*APART, **SLOW)
    wait_for(lambda: len(sessions.log) >= 3, process)
    send(process.pid, signal.SIGINT)
    said = end(process)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    wait_until_nobody_is_left(sessions)
    assert len(kept(sessions)) >= 3 - 2
    assert set(kept(sessions)) <= set(sessions.log)
    assert len(set(sessions.log) - set(kept(sessions))) <= 2, "at most the sample in the hand of each engine"
    assert sessions.run(*APART).ret == 0
    assert sessions.counts() == ALL


def test_a_controller_that_is_killed_takes_the_engines_with_it(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    process = sessions.start(*APART, **SLOW)
    wait_for(lambda: len(sessions.log) >= 3, process)
    process.kill()
    end(process)
    wait_until_nobody_is_left(sessions)
    assert len(set(sessions.log) - set(kept(sessions))) <= 4
    assert sessions.run(*APART).ret == 0
    assert sessions.counts() == ALL


def test_a_limit_of_failures_ends_all_engines(make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = make_sessions(2)
    sessions.write(BROKEN)
    monkeypatch.setenv("FAKE_DELAY", "0.1")
    result = sessions.run(*APART, "--maxfail", "1")
    assert result.ret in {1, 2}
    assert result.parseoutcomes()["failed"] == 1
    assert len(sessions.log) < 200


# Workers that die at a problem

# In the worker: it kills itself while it runs ITEM, once MOMENT samples are drawn, for the first DEATHS times.
DEADLY = """
import os, signal, threading, time
from pathlib import Path

def pytest_runtest_call(item):
    if item.name == ITEM:
        threading.Thread(target=die, daemon=True).start()

def die():
    while not Path("fake.log").exists() or len(Path("fake.log").read_text().split()) < MOMENT:
        time.sleep(0.01)
    for number in range(DEATHS):
        try:
            Path(f"died-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
"""
SLOW_SUITE = SUITE.replace("    assert", "    import time\n    time.sleep(0.3)\n    assert")
MODES = {"shared": (), "per-worker": APART}


def write_deadly(sessions: Sessions, moment: int, deaths: int, item: str = "test_fake[half]") -> None:
    source = DEADLY.replace("ITEM", repr(item)).replace("MOMENT", str(moment)).replace("DEATHS", str(deaths))
    sessions.write(source, "conftest.py")
    sessions.write(SLOW_SUITE)


def named(sessions: Sessions) -> list[str]:
    """The problems of the JUnit file."""
    file = (sessions.pytester.path / "junit.xml").read_text()
    return [re.sub(r".*\[|\]", "", name) for name in re.findall(r'<testcase.*? name="([^"]*)"', file)]


MOMENTS = {"sampling": (2, "half"), "judging": (12, "never")}  # samples drawn, and the problem that waits for its own


@pytest.mark.parametrize(
    ("mode", "during", "how"),
    [
        ("shared", "sampling", "load"),
        ("shared", "judging", "load"),
        ("per-worker", "sampling", "load"),
        ("per-worker", "judging", "load"),
        ("shared", "sampling", "worksteal"),
        ("per-worker", "sampling", "loadscope"),
    ],
)
def test_a_problem_whose_worker_died_runs_again(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch, mode: str, during: str, how: str
) -> None:
    moment, item = MOMENTS[during]
    sessions = make_sessions(2)
    write_deadly(sessions, moment, deaths=1, item=f"test_fake[{item}]")
    monkeypatch.setenv("FAKE_DELAY", "0.1")
    result = sessions.run(*MODES[mode], "--dist", how, "--passatk-judges", "1", "--junitxml", "junit.xml")
    assert result.ret == 0
    assert (sessions.pytester.path / "died-0").exists()
    assert result.parseoutcomes() == {"passed": 3, "rerun": 1}
    assert sorted(named(sessions)) == sorted([*ALL, item]), "the attempt that died is there, too"
    result.stdout.fnmatch_lines(
        [f"*passatk: worker gw? died while it ran test_suite.py::test_fake?{item}?; it is put back*"]
    )
    assert sessions.counts() == ALL
    assert sorted(set(sessions.log)) == kept(sessions)
    assert len(sessions.log) <= 12 + (mode == "per-worker"), "at most the sample in the dead engine's hand"


def test_a_worker_that_replaces_another_takes_its_gpu(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(1)
    write_deadly(sessions, 2, deaths=1, item="test_fake[always]")
    monkeypatch.setenv("FAKE_DELAY", "0.1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert sessions.run(*APART).ret == 0
    assert pinned(sessions) == {"gw0": "3", "gw1": "3"}


def test_a_problem_at_which_every_worker_dies_fails_in_the_end(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    write_deadly(sessions, 0, deaths=99)
    result = sessions.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"passed": 2, "rerun": 2, "failed": 1}
    result.stdout.fnmatch_lines(["*test_suite.py::test_fake?half?: worker gw? died while it ran, as 2 did before*"])


def test_a_scheduler_that_runs_nothing_again_says_so(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    write_deadly(sessions, 0, deaths=1)
    result = sessions.run("--dist", "each")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_fake?half?: worker gw? died*EachScheduling cannot run it again*"])


@pytest.mark.parametrize("mode", MODES)
def test_a_problem_that_nobody_reports_is_missed(make_sessions: MakeSessions, mode: str) -> None:
    sessions = make_sessions(1)
    write_deadly(sessions, 0, deaths=1)
    result = sessions.run(*MODES[mode], "--max-worker-restart", "0")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["ERROR: 2 problems were not reported*test_suite.py::test_fake?half?, *?never?*"])
    assert sessions.run(*MODES[mode]).ret == 0
    assert sessions.counts() == ALL


def test_the_shard_of_a_dead_worker_goes_to_the_other(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(2)
    sessions.write()
    monkeypatch.setenv("FAKE_DELAY", "0.1")
    process = sessions.start(*APART, "--max-worker-restart", "0")
    wait_for(lambda: len(engines(sessions)) == 2 and len(sessions.log) >= 3, process)
    dead = next(line for line in engines(sessions) if line["worker"] == "gw1")
    os.kill(dead["pid"], signal.SIGKILL)
    said = end(process)
    assert {line["worker"] for line in engines(sessions)} == {"gw0", "gw1"}
    assert sorted(set(sessions.log)) == kept(sessions), said
    assert len(kept(sessions)) == 12
    wait_for(lambda: not running(sessions))


def test_a_worker_without_items_may_die_while_it_samples(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    process = sessions.start(*APART, "--dist", "loadfile", FAKE_DELAY="0.2")
    wait_for(lambda: len(engines(sessions)) == 2 and len(sessions.log) >= 2, process)
    os.kill(next(line["pid"] for line in engines(sessions) if line["worker"] == "gw1"), signal.SIGKILL)
    said = end(process)
    assert process.returncode == 0, said
    assert sessions.counts() == ALL
    assert len(sessions.log) <= 12 + 1
