"""Runs that sample in stages, and stop when their gates are decided."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from sessions import FAKES, HEADER, LEAN, MakeSessions, Sessions

PATIENCE = 60.0  # seconds; only to end a hang
PROBLEMS, N = 24, 16
SUITE = (
    HEADER
    + f"""
ROWS = [{{"id": f"p{{number}}", "says": "7", "answer": "7"}} for number in range({PROBLEMS})]

@suite(ROWS, prompt="{{says}}", n={N}, ks=(1, 2), model="fake_rate:load:0.7")
def test_rate(problem, completion):
    assert completion.text == problem.answer
"""
)
FIND = ("-o", f"pythonpath={FAKES}")  # for workers that load models themselves
STAGES = ("--passatk-compare", "main", "--passatk-stop-when-decided", "--passatk-alpha", "0.05")
WIDE, NARROW = (("--passatk-compare-fail", f"pass@1:{drop}") for drop in ("15pp", "0.5pp"))
WORSE = ("--model", "fake_rate:load:0.1")
SIZES = [2, 4, 8, 16]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a baseline with 96 samples a problem, 7 of 10 right."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "test_suite.py").write_text(SUITE)
    arguments = [*LEAN, "--passatk-save", "main", "--n", "96", "--seed", "5"]
    path = os.pathsep.join([str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PASSATK_", "PYTEST_"))}
    subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=folder, env={**environment, "PYTHONPATH": path}, check=True
    )
    return (folder / "baselines" / "main" / "rate.jsonl").read_text()


@pytest.fixture
def make_gated(make_sessions: MakeSessions, baseline: str) -> MakeSessions:
    """Sessions with a suite and its baseline."""

    def make(workers: int) -> Sessions:
        sessions = make_sessions(workers)
        place = sessions.pytester.path / "baselines" / "main"
        place.mkdir(parents=True, exist_ok=True)
        (place / "rate.jsonl").write_text(baseline)
        sessions.write(SUITE)
        return sessions

    return make


@pytest.fixture(params=[0, 2], ids=["n0", "n2"])
def gated(make_gated: MakeSessions, request: pytest.FixtureRequest) -> Sessions:
    """Sessions with a suite and its baseline, without and with workers."""
    return make_gated(request.param)


def gate(sessions: Sessions) -> tuple[int, str]:
    """The samples a problem, and the verdict on pass@1."""
    [comparison] = sessions.report["comparisons"]
    [line] = [line for line in comparison["lines"] if line["k"] == 1]
    assert line["look"]["decision"] == line["decision"]
    return drawn(sessions), line["decision"]


def drawn(sessions: Sessions) -> int:
    """The samples of each problem in the last report, which are all that the suite has."""
    [suite] = sessions.report["suites"]
    assert {problem["n"] for problem in suite["problems"]} == {suite["n"]}
    return int(suite["n"])


def decided(sessions: Sessions) -> Any:
    """What the last report says of the looks."""
    return sessions.report["comparisons"][0]["looks"]


# Verdicts


def test_a_model_that_is_much_worse_stops_at_the_first_look(gated: Sessions) -> None:
    result = gated.run(*STAGES, *WIDE, *WORSE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*looks at rate after 2, 4, 8, 16 samples a problem*", "*gate*pass@1*"])
    assert gate(gated) == (2, "regressed")
    assert len(gated.log) == 2 * PROBLEMS
    assert (decided(gated)["sizes"], decided(gated)["taken"]) == (SIZES, 1)
    result.stdout.fnmatch_lines(["*sampled in stages, 1 of 4: 48 of 384 samples (88% saved)*"])
    assert set(gated.counts()) == {f"p{number}" for number in range(PROBLEMS)}
    assert {len(samples) for samples in gated.samples().values()} == {2}


def test_an_unchanged_model_stops_early_as_ok(gated: Sessions) -> None:
    result = gated.run(*STAGES, *WIDE)
    assert result.ret == 0
    size, verdict = gate(gated)
    assert verdict == "ok"
    assert size in SIZES[1:3]
    assert len(gated.log) == size * PROBLEMS
    assert result.parseoutcomes() == {"passed": PROBLEMS}


def test_what_cannot_be_decided_is_sampled_to_the_end(gated: Sessions) -> None:
    assert gated.run(*STAGES, *NARROW).ret == 0
    assert gate(gated) == (N, "inconclusive")
    assert len(gated.log) == N * PROBLEMS
    assert gated.run(*STAGES, *NARROW, "--passatk-strict").ret == pytest.ExitCode.TESTS_FAILED
    assert len(gated.log) == N * PROBLEMS, "the store has them all"


def test_the_default_gates_share_alpha(gated: Sessions) -> None:
    assert gated.run(*STAGES, "--n", "32", *WORSE).ret == pytest.ExitCode.TESTS_FAILED
    assert decided(gated)["gates"] == 2
    assert drawn(gated) == 4


@pytest.mark.parametrize("model", [(), WORSE], ids=["same", "worse"])
def test_workers_change_no_verdict(make_gated: MakeSessions, model: tuple[str, ...]) -> None:
    found: list[Any] = []
    for workers, engines in [(0, "shared"), (2, "shared"), (2, "per-worker")]:
        sessions = make_gated(workers)
        sessions.run(*FIND, *STAGES, *WIDE, *model, "--passatk-engines", engines, "--passatk-no-cache")
        found.append((gate(sessions), sessions.counts(), decided(sessions)))
    assert found[0] == found[1] == found[2]


def test_suites_of_a_run_stop_apart(gated: Sessions, baseline: str) -> None:
    source = SUITE + SUITE.partition("\n@suite")[2].join(["\n@suite", ""]).replace("test_rate", "test_worse").replace(
        ":0.7", ":0.1"
    )
    gated.write(source)
    (gated.pytester.path / "baselines" / "main" / "worse.jsonl").write_text(baseline.replace('"rate"', '"worse"'))
    arguments = ("--passatk-allow-change", "verifier", *STAGES, *NARROW)
    assert gated.run(*arguments).ret == pytest.ExitCode.TESTS_FAILED
    sizes = {suite["title"]: suite["n"] for suite in gated.report["suites"]}
    verdicts = {each["title"]: each["lines"][0]["decision"] for each in gated.report["comparisons"]}
    assert sizes == {"rate": N, "worse": 2}
    assert verdicts == {"rate": "inconclusive", "worse": "regressed"}
    assert len(gated.log) == (N + 2) * PROBLEMS


# What comes in between


def test_an_error_withholds_and_stops_nothing(gated: Sessions) -> None:
    broken = SUITE.replace("    assert", "    if problem.id == 'p3': raise OSError('no')\n    assert")
    gated.write(broken)
    result = gated.run("--passatk-allow-change", "verifier", *STAGES, *WIDE, *WORSE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, "no verdict may come of it"
    assert len(gated.log) == N * PROBLEMS
    assert gated.report["suites"][0]["estimates"] == []


def started(sessions: Sessions, moment: int, *arguments: str) -> "subprocess.Popen[str]":
    """A run of which the model drew so many samples by now."""
    process = sessions.start(*arguments, FAKE_DELAY="0.02")
    deadline = monotonic() + PATIENCE
    while len(sessions.log) < moment and process.poll() is None and monotonic() < deadline:
        sleep(0.01)
    return process


ENDS: dict[str, Callable[["subprocess.Popen[str]"], None]] = {
    "interrupted": lambda process: process.send_signal(signal.SIGINT),
    "killed": lambda process: process.kill(),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_ends_in_a_stage_resumes_there(gated: Sessions, how: str) -> None:
    process = started(gated, 5 * PROBLEMS, *STAGES, *NARROW)
    ENDS[how](process)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0, said
    before = len(gated.log)
    assert 5 * PROBLEMS <= before < N * PROBLEMS
    assert gated.run(*STAGES, *NARROW).ret == 0
    assert gate(gated) == (N, "inconclusive")
    assert len(set(gated.log)) == N * PROBLEMS
    assert len(gated.log) <= N * PROBLEMS + 2, "at most the sample in hand was drawn again"


DEADLY = """
import os, signal
from pathlib import Path

def pytest_runtest_call(item):
    if item.name == "test_rate[p3]":
        try:
            Path("died").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("engines", ["shared", "per-worker"])
def test_a_worker_that_dies_in_a_stage_holds_nothing_up(make_gated: MakeSessions, engines: str) -> None:
    sessions = make_gated(2)
    sessions.write(DEADLY, "conftest.py")
    result = sessions.run(*FIND, *STAGES, *WIDE, *WORSE, "--passatk-engines", engines)
    assert (sessions.pytester.path / "died").exists()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert gate(sessions) == (2, "regressed")
    assert len(set(sessions.log)) == 2 * PROBLEMS


def test_samples_beyond_the_look_that_decides_change_nothing(gated: Sessions) -> None:
    gated.run(*WORSE)
    assert len(gated.log) == N * PROBLEMS
    assert gated.run(*STAGES, *WIDE, *WORSE).ret == pytest.ExitCode.TESTS_FAILED
    assert gate(gated) == (2, "regressed")
    assert len(gated.log) == N * PROBLEMS
    assert gated.report["suites"][0]["figures"]["reused"] == 2 * PROBLEMS


def test_the_store_tells_how_far_a_run_went(gated: Sessions) -> None:
    gated.run(*STAGES, *WIDE, *WORSE)
    shown = subprocess.run(
        [sys.executable, "-m", "pytest_passatk.cli", "show", "1"],
        cwd=gated.pytester.path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert f"{PROBLEMS} problems × 2" in shown.stdout, shown.stdout + shown.stderr


# Usage


def test_stages_without_a_baseline_are_a_usage_error(gated: Sessions) -> None:
    result = gated.run("--passatk-stop-when-decided")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--passatk-stop-when-decided needs --passatk-compare" in result.stdout.str() + result.stderr.str()
    assert gated.log == []


@pytest.mark.parametrize("option", ["--passatk-inline", "--pdb"])
def test_stages_do_not_go_with_judging_one_problem_after_the_other(make_gated: MakeSessions, option: str) -> None:
    sessions = make_gated(0)
    result = sessions.run(*STAGES, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --passatk-stop-when-decided does not go with --passatk-inline or --pdb*"])
    assert sessions.log == []
