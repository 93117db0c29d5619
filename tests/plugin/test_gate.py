"""The gate of a run: what it fails, what it lets pass, what it refuses to compare, and where its verdict shows."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from sessions import HEADER, Sessions

# Half of the samples of half the problems are right; the adapter `+7` of the fake model makes every answer wrong.
GATED = (
    HEADER
    + """
ROWS = [{"id": f"p{i:02}", "says": "7|8" if i % 2 else "7", "answer": "7"} for i in range(16)]

@suite(ROWS, prompt="{says}", extract=lambda text: text or None, n=8, ks=(1, 2, 8), model="fake_arms:load")
def test_fake(problem, completion):
    assert completion.answer == problem.answer
"""
)
SAVE = ("--passatk-save", "main", "--n", "16")
COMPARE = ("--passatk-compare", "main")
WORSE = ("--adapter", "+7")


@pytest.fixture
def saved(sessions: Sessions) -> Sessions:
    """Sessions whose suite has a baseline `main`."""
    sessions.write(GATED)
    assert sessions.run(*SAVE).ret == 0
    return sessions


@pytest.fixture
def saved_alone(alone: Sessions) -> Sessions:
    """The same without workers, for what follows in one process."""
    alone.write(GATED)
    assert alone.run(*SAVE).ret == 0
    return alone


def baseline(sessions: Sessions, name: str = "main") -> Path:
    return sessions.pytester.path / "baselines" / name / "fake.jsonl"


def test_a_baseline_holds_the_counts(saved_alone: Sessions) -> None:
    header, *lines = map(json.loads, baseline(saved_alone).read_text().splitlines())
    assert header["title"] == "fake"
    assert [(line["id"], line["n"], line["c"]) for line in lines[:2]] == [("p00", 16, 16), ("p01", 16, 8)]
    assert len(lines) == 16


def test_the_same_model_passes(saved: Sessions) -> None:
    result = saved.run(*COMPARE, "--seed", "1", "--passatk-compare-fail", "pass@1:30pp")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= gate =*", "fake  this run against main*", "*pass@1 * ok*"])


def test_a_regression_fails_as_a_test(saved: Sessions) -> None:
    result = saved.run(*COMPARE, *WORSE, "-ra", "--junit-xml", "junit.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=16, failed=2)
    result.stdout.fnmatch_lines(
        ["*fake: pass@1 went from 0.750 (main) to 0.000 (this run) on 16 problems: -75.0 points*", "*broken*"]
    )
    result.stdout.fnmatch_lines(["FAILED test_suite.py::test_fake::gate[[]pass@1[]]*"])
    assert max(map(int, re.findall(r"\[ *(\d+)%\]", result.stdout.str()))) == 100
    cases = ET.parse(saved.pytester.path / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert failed == ["gate[pass@1]", "gate[pass@2]"]


def test_only_what_was_asked_for_is_gated(saved_alone: Sessions) -> None:
    result = saved_alone.run(*COMPARE, *WORSE, "--passatk-compare-fail", "pass@2:100pp")
    assert result.ret == 0
    result = saved_alone.run(*COMPARE, *WORSE, "--passatk-compare-fail", "pass@8:3pp")
    assert result.ret == 1
    result.assert_outcomes(passed=16, failed=1)


@pytest.mark.parametrize("strict", [False, True])
def test_too_few_samples_are_inconclusive(saved: Sessions, strict: bool) -> None:
    few = ("-k", "p01 or p03", "--n", "2", "--k", "1", "--seed", "1")
    result = saved.run(*COMPARE, *few, *(["--passatk-strict"] if strict else []))
    assert result.ret == int(strict)
    result.stdout.fnmatch_lines(["*pass@1 * inconclusive*", "*compared on 2 of the 16 problems*"])


CHANGES = {
    "rows": (GATED.replace('"answer": "7"', '"answer": "7" if i else "8"'), (), ["*fake: *p00*"]),
    "prompt": (GATED.replace('prompt="{says}"', 'prompt="{says}|{says}"'), (), ["*fake: *prompt*p00*"]),
    "sampling": (GATED, ("--temperature", "0.5"), ["*fake: *temperature*0.5*"]),
    "verifier": (GATED.replace("assert comp", "assert True and comp"), (), ["*fake: *verifier*"]),
    "problems": (GATED.replace("range(16)", "range(15)"), (), ["*fake: *p15*"]),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_changed_cannot_be_compared(saved: Sessions, kind: str) -> None:
    source, arguments, lines = CHANGES[kind]
    drawn = len(saved.log)
    saved.write(source)
    result = saved.run(*COMPARE, *arguments)
    assert result.ret == 4
    (result.stdout if saved.workers else result.stderr).fnmatch_lines([*lines])
    assert len(saved.log) == drawn, "nothing is sampled that cannot be compared"
    assert saved.run(*COMPARE, *arguments, "--passatk-allow-change", kind).ret == 0


def test_a_problem_that_breaks_cannot_be_compared(saved: Sessions) -> None:
    saved.write(GATED.replace("assert comp", "assert problem.id != 'p03' or 1 / 0; assert comp"))
    result = saved.run(*COMPARE, "--passatk-allow-change", "verifier")
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*incomparable: *p03*"])


def test_a_body_that_skips_a_problem_cannot_be_compared(saved_alone: Sessions) -> None:
    saved_alone.write(
        "import pytest\n"
        + GATED.replace("    assert comp", "    problem.id == 'p03' and pytest.skip('no')\n    assert comp")
    )
    result = saved_alone.run(*COMPARE, "--passatk-allow-change", "verifier")
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*incomparable: *p03*"])


def test_a_mark_that_skips_the_suite_is_refused(saved_alone: Sessions) -> None:
    saved_alone.write("import pytest\n" + GATED.replace("@suite", "@pytest.mark.skip\n@suite"))
    assert saved_alone.run(*COMPARE).ret == 4


def test_a_missing_baseline_is_refused(sessions: Sessions) -> None:
    sessions.write(GATED)
    result = sessions.run("--passatk-compare", "nothing")
    assert result.ret == 4
    (result.stdout if sessions.workers else result.stderr).fnmatch_lines(["*nothing*--passatk-save*"])
    assert sessions.log == []


def test_a_renamed_suite_is_refused(saved_alone: Sessions) -> None:
    saved_alone.write(GATED.replace("test_fake", "test_other"))
    assert saved_alone.run(*COMPARE).ret == 4


def test_runs_of_other_seeds_pool(saved_alone: Sessions) -> None:
    for seed in ("1", "2"):
        assert saved_alone.run("--passatk-save", "main", "--n", "8", "--seed", seed).ret == 0
    header, *lines = map(json.loads, baseline(saved_alone).read_text().splitlines())
    assert [run["seed"] for run in header["runs"]] == [0, 1, 2]
    assert lines[1]["n"] == 32
    assert saved_alone.run(*SAVE).ret == 0
    assert json.loads(baseline(saved_alone).read_text().splitlines()[2])["n"] == 32, "a seed counts once"


def test_another_model_does_not_pool(saved_alone: Sessions) -> None:
    before = baseline(saved_alone).read_text()
    drawn = len(saved_alone.log)
    assert saved_alone.run(*SAVE, *WORSE).ret == 4
    assert baseline(saved_alone).read_text() == before
    assert len(saved_alone.log) == drawn


def test_update_replaces_and_does_not_fail(saved_alone: Sessions) -> None:
    result = saved_alone.run(*COMPARE, *WORSE, "--passatk-update")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*pass@1 *regressed*"])
    assert {json.loads(line)["c"] for line in baseline(saved_alone).read_text().splitlines()[1:]} == {0}


def test_update_leaves_problems_alone_that_did_not_run(saved_alone: Sessions) -> None:
    before = baseline(saved_alone).read_text()
    result = saved_alone.run(*COMPARE, *WORSE, "--passatk-update", "-k", "p01")
    assert result.ret != 0, "counts of two models in one file would be neither's"
    assert baseline(saved_alone).read_text() == before
    assert saved_alone.run(*COMPARE, "--passatk-update", "-k", "p01", "--seed", "3").ret == 0
    lines = baseline(saved_alone).read_text().splitlines()
    assert json.loads(lines[2])["n"] == 8
    assert lines[3:] == before.splitlines()[3:]


def test_update_new_only_adds(saved_alone: Sessions) -> None:
    saved_alone.write(GATED.replace("range(16)", "range(18)"))
    assert saved_alone.run(*COMPARE).ret == 4
    assert saved_alone.run(*COMPARE, "--passatk-update-new-only").ret == 0
    ids = [json.loads(line)["id"] for line in baseline(saved_alone).read_text().splitlines()[1:]]
    assert ids == [f"p{i:02}" for i in range(18)]
    assert saved_alone.run(*COMPARE).ret == 0


def test_a_run_of_the_store_is_a_baseline(alone: Sessions) -> None:
    alone.write(GATED)
    alone.run("--n", "8")
    assert alone.run("--passatk-compare", "last", *WORSE).ret == 1
    assert alone.run("--passatk-compare", "1", "--seed", "1").ret == 0
    assert alone.run("--passatk-compare", "7").ret == 4


def test_arms_compare_with_the_first(sessions: Sessions) -> None:
    sessions.write(GATED)
    result = sessions.run("--adapter", "base,+7")
    assert result.ret == 0, "nobody asked for a gate"
    result.stdout.fnmatch_lines(["*+7 against base*", "*pass@1 *regressed*"])
    result = sessions.run("--adapter", "base,+7", "--passatk-compare-fail", "pass@1:3pp")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED test_suite.py::test_fake::gate[[]pass@1@+7[]]*"])


def test_options_without_a_baseline_are_refused(alone: Sessions) -> None:
    alone.write(GATED)
    for option in ("--passatk-update", "--passatk-update-new-only", "--passatk-stop-when-decided"):
        assert alone.run(option).ret == 4


def test_the_summary_goes_to_the_page_of_a_job_too(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    page, own = alone.pytester.path / "page.md", alone.pytester.path / "own.md"
    page.write_text("another step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    alone.write(GATED)
    assert alone.run("--passatk-summary", str(own)).ret == 0
    assert "| `fake` |" in own.read_text()
    assert page.read_text() == f"another step\n\n\n{own.read_text()}"


@pytest.mark.parametrize("keep", [("--passatk-save", "other"), ("--passatk-update",), ("--passatk-update-new-only",)])
def test_a_run_that_stops_when_it_looks_clear_makes_no_baseline(alone: Sessions, keep: tuple[str, ...]) -> None:
    alone.write(GATED)
    result = alone.run(*COMPARE, "--passatk-stop-when-decided", *keep)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*biased baseline*"])


def test_an_interrupted_run_saves_nothing(sessions: Sessions) -> None:
    sessions.write(GATED.replace("assert comp", "assert problem.id != 'p03' or 1 / 0; assert comp"))
    assert sessions.run(*SAVE).ret == 1
    assert not baseline(sessions).exists()
