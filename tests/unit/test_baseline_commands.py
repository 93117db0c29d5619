"""`passatk compare`, `passatk baseline` and `passatk plan`, on real files and stores."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from jsonschema import Draft202012Validator

from pytest_passatk.baselines.file import read, write
from pytest_passatk.cli import main
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.gate.power import detectable, projected_variance
from pytest_passatk.store import Store

Passatk: TypeAlias = Callable[..., tuple[int, str, str]]

MODEL = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none", {"numpy": "2"})
SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 512}


def measured(seed: int, *, lower: float = 0.0, n: int = 8, problems: int = 40, title: str = "quiz") -> Measurement:
    """A suite whose problems have pass rates from `-lower` to `1 − lower`, drawn from that seed."""
    source = random.Random(seed)
    rates = [i / (problems - 1) - lower for i in range(problems)]
    rows = (
        Measured(f"p{i:02}", n, sum(source.random() < rate for _ in range(n)), f"row {i}", f"prompt {i}")
        for i, rate in enumerate(rates)
    )
    run = MeasuredRun(f"key {seed}", seed, f"2026-01-{seed:02}", {"pytest-passatk": "0.1"})
    return Measurement("", title, MODEL.identity(), {**SAMPLING, "stop": []}, "verifier", None, (run,), tuple(rows))


@pytest.fixture
def passatk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Passatk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("PASSATK_STORE", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "baselines"
    write(folder / "main" / "quiz.jsonl", measured(1, n=32))
    write(folder / "same" / "quiz.jsonl", measured(2))
    write(folder / "worse" / "quiz.jsonl", measured(3, lower=0.3))
    return folder


def save(folder: Path, name: str, measurement: Measurement) -> Path:
    path = folder / name / f"{measurement.title}.jsonl"
    write(path, measurement)
    return path


# Comparing


@pytest.mark.usefixtures("folder")
def test_a_regression_fails_and_no_regression_does_not(passatk: Passatk) -> None:
    status, text, _ = passatk("compare", "main", "worse")
    assert status == 1
    assert re.search(r"pass@1 .* regressed", text)
    status, text, _ = passatk("compare", "main", "main")
    assert status == 0
    assert "share samples" in " ".join(text.split())


@pytest.mark.usefixtures("folder")
def test_a_comparison_is_written_as_in_the_report_of_a_run(passatk: Passatk, tmp_path: Path) -> None:
    assert passatk("compare", "main", "worse", "--suite", "quiz", "--json", str(tmp_path / "c.json"))[0] == 1
    document = json.loads((tmp_path / "c.json").read_text())
    schema = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
    assert document["schema"] == 1
    assert [each["title"] for each in document["comparisons"]] == ["quiz"]
    Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/comparison"}).validate(document["comparisons"][0])
    assert len(document["comparisons"][0]["moves"]) > 10


@pytest.mark.usefixtures("folder")
def test_what_fails_is_what_was_asked(passatk: Passatk) -> None:
    assert passatk("compare", "main", "worse", "--fail", "pass@1:90pp")[0] == 0
    assert passatk("compare", "main", "worse", "--fail", "pass@1:90pp", "--fail", "pass@2:1pp")[0] == 1
    assert passatk("compare", "main", "same", "--fail", "pass@1:0.1pp")[0] == 0, "inconclusive"
    assert passatk("compare", "main", "same", "--fail", "pass@1:0.1pp", "--strict")[0] == 1
    assert passatk("compare", "main", "same", "--fail", "pass@16:3pp")[0] == 4, "there are 8 samples"


@pytest.mark.parametrize("wrong", ["pass@1:3", "pass@0:3pp", "3pp", "tokens/s:3pp"])
@pytest.mark.usefixtures("folder")
def test_a_drop_that_is_none_is_explained(passatk: Passatk, capsys: pytest.CaptureFixture[str], wrong: str) -> None:
    with pytest.raises(SystemExit):
        passatk("compare", "main", "same", "--fail", wrong)
    assert re.search("argument --fail: .*(must be METRIC:DROP|write 3pp|no percentage points)", capsys.readouterr().err)


def test_a_speed_that_nobody_noted_does_not_pass(passatk: Passatk, folder: Path) -> None:
    save(folder, "other", measured(4))
    assert passatk("compare", "main", "other", "--fail", "tokens/s:5%")[0] == 4


def test_what_cannot_be_compared_has_a_status_of_its_own(passatk: Passatk, folder: Path) -> None:
    save(folder, "hot", replace(measured(4), sampling={**SAMPLING, "temperature": 1.5, "stop": []}))
    status, text, _ = passatk("compare", "main", "hot")
    assert status == 4
    assert "temperature is 1.0 in main and 1.5 in hot" in " ".join(text.split())
    assert passatk("compare", "main", "hot", "--allow-change", "sampling")[0] == 0
    assert passatk("compare", "main", "hot", "--allow-change", "rows")[0] == 4


def test_a_baseline_that_is_not_there_has_that_status_too(passatk: Passatk, folder: Path) -> None:
    status, _, error = passatk("compare", "mian", "same")
    assert status == 4
    assert "no baseline 'mian' in baselines: near to it: main" in error
    path = folder / "same" / "quiz.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    status, _, error = passatk("compare", "main", "same")
    assert status == 4
    assert "same/quiz.jsonl:41: the file is torn" in error


def test_suites_that_only_one_side_has(passatk: Passatk, folder: Path) -> None:
    save(folder, "main", measured(5, title="extra"))
    status, _, error = passatk("compare", "main", "same")
    assert (status, error) == (0, "passatk: not compared, since same has no such suite: extra\n")
    assert passatk("compare", "main", "same", "--suite", "quiz")[::2] == (0, "")
    status, _, error = passatk("compare", "same", "main")
    assert (status, "baseline same has no suite 'extra'" in error) == (4, True)


def test_stored_runs_compare_with_baselines(passatk: Passatk, folder: Path, tmp_path: Path) -> None:
    before = measured(1)
    store = Store(tmp_path / ".passatk" / "store.sqlite")
    plan = tuple(PlannedProblem(p.id, "What?", "judge", p.row or "") for p in before.problems)
    suite = PlannedSuite("t.py::test_quiz", "tiny", SamplingParams(), 8, (1,), True, plan, verifier="verifier")
    streams = store.add_streams([{"problem": p.id, "prompt": "What?"} for p in plan])
    for seed, first in ((11, Status.FAIL), (12, Status.ERROR)):
        run = store.start_run(started="2026-02-01", command="pytest", seed=seed, version="0.1")
        store.add_suite(run, suite, MODEL, streams, 0)
        statuses = [first, *[Status.FAIL] * 7]
        store.add_verdicts(
            (stream, i, "judge", Verdict(status)) for stream in streams for i, status in enumerate(statuses)
        )
        store.finish_run(run, seconds=1.0, status=0)
        if first is Status.FAIL:
            assert passatk("compare", "main", "1", "--allow-change", "prompt")[0] == 1
            assert passatk("baseline", "merge", "stored", "1")[0] == 0
    store.close()
    assert {(p.n, p.c) for p in read(folder / "stored" / "quiz.jsonl", "").problems} == {(8, 0)}
    status, text, _ = passatk("compare", "main", "last", "--allow-change", "prompt")
    assert (status, "without all their verdicts: 40 problems" in " ".join(text.split())) == (4, True)
    status, _, error = passatk("baseline", "merge", "more", "last")
    assert (status, "problems without all their verdicts: p00, p01" in error) == (2, True)


def test_only_a_run_needs_a_store(passatk: Passatk, folder: Path, tmp_path: Path) -> None:
    assert passatk("compare", "main", "main")[0] == 0
    status, _, error = passatk("compare", "main", "last")
    assert (status, "there is no store yet" in error) == (4, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]


# Looking after baselines


@pytest.mark.usefixtures("folder")
def test_baselines_are_listed(passatk: Passatk) -> None:
    status, text, _ = passatk("baseline", "list")
    assert status == 0
    assert [line.split()[:5] for line in text.splitlines()] == [
        ["baseline", "suite", "problems", "n", "runs"],
        ["main", "quiz", "40", "32", "1"],
        ["same", "quiz", "40", "8", "1"],
        ["worse", "quiz", "40", "8", "1"],
    ]


def test_nothing_to_list_or_check_is_no_success(passatk: Passatk) -> None:
    for action in ("list", "check"):
        assert passatk("baseline", action)[0] == 2


@pytest.mark.usefixtures("folder")
def test_a_baseline_is_shown_with_its_estimates_and_runs(passatk: Passatk) -> None:
    status, text, _ = passatk("baseline", "show", "main")
    assert status == 0
    assert re.search(r"pass@32 +0\.\d{3}", text)
    assert "run of 2026-01-01, seed 1, pytest-passatk 0.1" in text


def test_a_baseline_of_unequal_n_is_shown(passatk: Passatk, folder: Path) -> None:
    before = measured(1)
    save(folder, "uneven", replace(before, problems=(replace(before.problems[0], n=32, c=30), *before.problems[1:])))
    status, text, _ = passatk("baseline", "show", "uneven")
    assert (status, "samples of a problem: 8 to 32" in text, "pass@16" in text) == (0, True, False)
    empty = replace(before, problems=())
    save(folder, "empty", empty)
    assert passatk("baseline", "show", "empty")[0] == 0
    assert passatk("plan", "--baseline", "empty")[0] == 2
    assert passatk("compare", "empty", "same", "--allow-change", "problems")[0] == 4
    assert passatk("compare", "same", "empty")[0] == 4
    assert passatk("baseline", "list")[0] == 0


def test_runs_that_drift_are_noted(passatk: Passatk, folder: Path) -> None:
    for seed, lower in ((1, 0.0), (2, 0.0), (3, 0.4)):
        save(folder, f"run-{seed}", measured(seed, n=32, lower=lower))
    assert passatk("baseline", "merge", "pooled", "run-1", "run-2", "run-3")[0] == 0
    assert "note: the 3 runs of pooled differ more than" in passatk("baseline", "show", "pooled")[1]
    assert "note:" not in passatk("baseline", "show", "main")[1]


def test_a_diff_names_the_problems_that_moved(passatk: Passatk, folder: Path) -> None:
    before = read(folder / "same" / "quiz.jsonl", "")
    problems = [replace(each, c=0) if each.id == "p30" else each for each in before.problems if each.id != "p05"]
    save(folder, "moved", replace(before, problems=tuple(problems), verifier="other"))
    passes = next(each.c for each in before.problems if each.id == "p30")
    gone = next(each.c for each in before.problems if each.id == "p05")
    status, text, _ = passatk("baseline", "diff", "same", "moved")
    assert status == 0
    assert [re.sub(" +", " ", line.strip()) for line in text.splitlines()] == [
        "quiz: 2 of 40 problems differ",
        "the verifier is verifier in same and other in moved",
        f"p05 {gone}/8 -> absent",
        f"p30 {passes}/8 -> 0/8",
    ]


def test_merging_pools_and_refuses_to_overwrite(passatk: Passatk, folder: Path) -> None:
    save(folder, "more", measured(7))
    status, text, _ = passatk("baseline", "merge", "both", "same", "more")
    assert (status, text) == (0, "baselines/both/quiz.jsonl\n")
    pooled = read(folder / "both" / "quiz.jsonl", "")
    assert ({each.n for each in pooled.problems}, [run.seed for run in pooled.runs]) == ({16}, [2, 7])
    status, _, error = passatk("baseline", "merge", "both", "main", "same")
    assert (status, "there is a baseline both" in error) == (2, True)
    assert passatk("baseline", "merge", "both", "both", "main")[0] == 0
    assert {each.n for each in read(folder / "both" / "quiz.jsonl", "").problems} == {48}
    status, _, error = passatk("baseline", "merge", "12", "main", "same")
    assert (status, "cannot be the name of a baseline" in error) == (2, True)


def test_merging_what_differs_writes_nothing(passatk: Passatk, folder: Path) -> None:
    save(folder, "first", measured(7, title="another"))
    save(folder, "first", measured(7))
    save(folder, "second", measured(8, title="another"))
    save(folder, "second", replace(measured(8), verifier="other"))
    status, _, error = passatk("baseline", "merge", "out", "first", "second")
    assert (status, "second cannot join first of quiz" in error) == (2, True)
    assert not (folder / "out").exists()


def test_a_check_names_every_fault(passatk: Passatk, folder: Path) -> None:
    status, text, _ = passatk("baseline", "check")
    assert (status, text) == (0, "3 baseline files are in order\n")
    torn, renamed = folder / "same" / "quiz.jsonl", folder / "main" / "exam.jsonl"
    torn.write_bytes(torn.read_bytes()[:-1])
    renamed.write_bytes((folder / "main" / "quiz.jsonl").read_bytes())
    status, text, _ = passatk("baseline", "check")
    assert status == 1
    first, second = text.splitlines()
    assert "main/exam.jsonl:1: it is of suite quiz, and so would be called quiz.jsonl" in first
    assert "same/quiz.jsonl:41: the file is torn" in second
    assert passatk("baseline", "check", "worse")[0] == 0
    assert passatk("baseline", "check", "worse", "absent")[0] == 1


# Planning


def test_a_plan_says_what_would_be_found(passatk: Passatk, folder: Path) -> None:
    status, text, _ = passatk("plan", "--baseline", "main", "--suite", "quiz", "--mde", "5pp", "--k", "1", "--k", "8")
    assert status == 0
    head, _, headings, first, second, *_ = text.splitlines()
    assert head == "quiz against main: 40 problems x 32; alpha 0.01 over 2 gates, power 0.8"
    assert headings.split("  ")[-1].strip() == "4n baseline"
    counts = read(folder / "main" / "quiz.jsonl", "").counts
    eight, needed, richer = (float(first.split()[i].replace(",", "")) for i in (1, -2, -1))
    assert eight == pytest.approx(100 * finds(counts, 8), rel=0.06)
    assert finds(counts, int(needed)) <= 0.05 < finds(counts, int(needed) - 1)
    assert richer < needed
    assert second.startswith("pass@8")


def finds(counts: tuple[Count, ...], n: int) -> float:
    return detectable(projected_variance(counts, 1, 32) + projected_variance(counts, 1, n), 0.01 / 2)


def test_power_and_alpha_change_a_plan(passatk: Passatk, folder: Path) -> None:
    (folder / "same" / "quiz.jsonl").unlink()
    (folder / "worse" / "quiz.jsonl").unlink()
    usual, bold, crowded, timid = (
        [float(cell) for cell in passatk("plan", "--k", "1", *options)[1].splitlines()[3].split()[1:7]]
        for options in ([], ["--alpha", "0.2"], ["--gates", "9"], ["--power", "0.99"])
    )
    assert all(b < u < min(c, t) for u, b, c, t in zip(usual, bold, crowded, timid, strict=True))


def test_what_is_to_be_planned_must_be_clear(passatk: Passatk, folder: Path) -> None:
    for options, words in (
        ([], "with --baseline: there is main, same, worse"),
        (["--baseline", "same", "--k", "9"], "same has 8 samples of a problem: --k must be from 1 to 8"),
        (["--baseline", "same", "--suite", "exam"], "baseline same has no suite 'exam'"),
    ):
        status, _, error = passatk("plan", *options)
        assert (status, words in error) == (2, True), error
    save(folder, "same", measured(1, title="exam"))
    assert "with --suite: there is exam, quiz" in passatk("plan", "--baseline", "same")[2]
