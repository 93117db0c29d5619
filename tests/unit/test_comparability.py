"""What makes two measurements incomparable, and what a person may allow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from pytest_passatk.core.plan import PlannedProblem
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.summary import summarize
from pytest_passatk.gate.comparability import KINDS, Differences, find_differences
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.gate.measuring import foresee, measure, pace_of, unmeasured

MakeRecord: TypeAlias = Callable[..., SuiteRecord]

MODEL = {"name": "tiny", "backend": "hf", "revision": "1", "chat_template": "t1", "versions": {"torch": "2.0"}}
SAMPLING: Mapping[str, Any] = {"temperature": 0.8, "stop": ["\n"]}


def side(label: str, names: Sequence[str] = "abc", *, seed: int = 1, n: int = 8) -> Measurement:
    problems = tuple(Measured(name, n, min(3, n), f"row {name}", f"prompt {name}") for name in names)
    run = MeasuredRun(f"key {seed}", seed, "2026-01-01", {"pytest-passatk": "0.1"})
    return Measurement(label, "quiz", MODEL, SAMPLING, "verifier 1", "rev 1", (run,), problems)


BEFORE, AFTER = side("main"), side("this run", seed=2)


def problem(measurement: Measurement, name: str, **changes: Any) -> Measurement:
    """The measurement with something changed about one problem."""
    changed = (replace(each, **changes) if each.id == name else each for each in measurement.problems)
    return replace(measurement, problems=tuple(changed))


def test_the_same_under_another_seed_is_comparable_without_a_word() -> None:
    assert find_differences(BEFORE, AFTER, collected="abc") == Differences((), ())


CHANGES: Mapping[str, tuple[Measurement, str]] = {
    "rows": (problem(AFTER, "b", row="other"), "the row is not the same in main and this run: 1 problem (b)"),
    "prompt": (problem(AFTER, "c", prompt="other"), "the prompt is not the same in main and this run: 1 problem (c)"),
    "sampling": (
        replace(AFTER, sampling={**SAMPLING, "temperature": 1.0}),
        "temperature is 0.8 in main and 1.0 in this run",
    ),
    "verifier": (replace(AFTER, verifier="v2"), "the verifier is verifier 1 in main and v2 in this run"),
    "problems": (side("this run", "abcd", seed=2), "in this run and not in main: 1 problem (d)"),
}
MORE: Sequence[tuple[str, Measurement, str]] = [
    (
        "prompt",
        replace(AFTER, model={**MODEL, "chat_template": "t2"}),
        "chat_template is t1 in main and t2 in this run",
    ),
    ("sampling", replace(AFTER, sampling={"temperature": 0.8}), 'stop is ["\\n"] in main and not noted in this run'),
    ("verifier", replace(AFTER, verifier=None), "the verifier is verifier 1 in main and not noted in this run"),
    ("rows", problem(AFTER, "a", row=None), "not noted on both sides: the row of 1 problem (a)"),
    ("prompt", problem(AFTER, "a", prompt=None), "not noted on both sides: the prompt of 1 problem (a)"),
]


@pytest.mark.parametrize(("kind", "after", "words"), [*((kind, *rest) for kind, rest in CHANGES.items()), *MORE])
def test_a_change_is_named_with_both_sides_and_a_way_out(kind: str, after: Measurement, words: str) -> None:
    [reason] = find_differences(BEFORE, after).incomparable
    assert reason.startswith(words)
    assert f"--passatk-allow-change {kind}" in reason
    assert "--passatk-save NAME" in reason
    allowed = find_differences(BEFORE, after, allowed={kind})
    assert (allowed.incomparable, allowed.notes) == ((), (f"allowed to differ: {words}",))
    others = find_differences(BEFORE, after, allowed={*KINDS} - {kind})
    assert len(others.incomparable) == 1


def test_all_changes_are_told_at_once() -> None:
    after = replace(problem(AFTER, "a", row="x", prompt="y"), sampling={**SAMPLING, "temperature": 1.0}, verifier="v2")
    assert len(find_differences(BEFORE, after).incomparable) == 4


def test_what_neither_side_noted_is_not_the_same() -> None:
    unknown = [replace(problem(each, "a", row=None), verifier=None) for each in (BEFORE, AFTER)]
    assert len(find_differences(*unknown).incomparable) == 2


def test_a_problem_that_is_gone_is_not_a_selection() -> None:
    [reason] = find_differences(BEFORE, side("this run", "ab", seed=2), collected="ab").incomparable
    assert reason.startswith("in main and gone: 1 problem (c): ")
    allowed = find_differences(BEFORE, side("this run", "ab", seed=2), collected="ab", allowed=["problems"])
    assert allowed == Differences((), ("allowed to differ: in main and gone: 1 problem (c)",))


@pytest.mark.parametrize("collected", ["abc", ""])
def test_a_selection_is_compared_and_told(collected: str) -> None:
    found = find_differences(BEFORE, side("this run", "b", seed=2), collected=collected)
    assert found == Differences((), ("compared on 1 of the 3 problems of main",))


def test_a_problem_that_is_skipped_now_is_no_selection() -> None:
    [reason] = find_differences(BEFORE, side("this run", "ab", seed=2), collected="abc", skipped=["c"]).incomparable
    assert reason.startswith("in main and skipped now: 1 problem (c): ")
    assert find_differences(BEFORE, AFTER, collected="abcz", skipped=["z"]) == Differences((), ())


def test_a_problem_without_its_verdicts_can_never_be_allowed() -> None:
    found = find_differences(BEFORE, side("this run", "ab", seed=2), collected="abc", unmeasured=["c"], allowed=KINDS)
    [reason] = found.incomparable
    assert reason.startswith("without all their verdicts: 1 problem (c): run the suite again")
    assert found.notes == ()


def test_another_model_is_what_is_under_test() -> None:
    model = {**MODEL, "name": "small", "revision": "2", "chat_template": "t2", "versions": {"torch": "2.1"}}
    found = find_differences(BEFORE, replace(AFTER, model=model))
    assert found == Differences(
        (), ("another model: chat_template t1, now t2; name tiny, now small; revision 1, now 2; torch 2.0, now 2.1",)
    )


def test_the_same_samples_say_nothing_new() -> None:
    [note] = find_differences(BEFORE, side("this run", seed=1)).notes
    assert note.startswith("this run has model, settings and seed of a run in main: they share samples")


def test_another_revision_of_equal_rows_is_noted() -> None:
    found = find_differences(BEFORE, replace(AFTER, revision="rev 2"))
    assert found == Differences((), ("the revision of the rows is rev 1 in main and rev 2 in this run",))


# What a run measures


def noted(record: SuiteRecord) -> SuiteRecord:
    """The record with digests of rows and verifier."""
    problems = tuple(PlannedProblem(p.id, p.prompt, p.judge, f"{p.id}{'0' * 31}") for p in record.planned.problems)
    return replace(record, planned=replace(record.planned, problems=problems, verifier="f" * 32))


def measured(record: SuiteRecord) -> Measurement:
    return measure(record, label="this run", seed=7, started="2026-01-01", version="0.1")


def test_a_run_measures_the_problems_with_all_their_verdicts(make_record: MakeRecord) -> None:
    record = noted(make_record({"z": "PPFT", "a": "FFFF", "s": "SSSS", "e": "PPPE", "m": "PP  "}))
    found = measured(record)
    assert [(p.id, p.n, p.c, p.row) for p in found.problems] == [
        ("a", 4, 0, f"a{'0' * 11}"),
        ("z", 4, 2, f"z{'0' * 11}"),
    ]
    assert unmeasured(record) == ("e", "m")
    assert (found.title, found.verifier, found.label) == ("arithmetic", "f" * 12, "this run")
    assert found.runs[0].versions == {"pytest-passatk": "0.1", "numpy": "2.0"}
    assert "device" not in found.model


def test_what_is_foreseen_compares_with_what_is_measured(make_record: MakeRecord) -> None:
    record = noted(make_record({"a": "PPFT", "b": "FFFF"}))
    foreseen = foresee(record.planned, record.model, label="this run", seed=7, version="0.1")
    assert [(p.id, p.n, p.c) for p in foreseen.problems] == [("a", 0, 0), ("b", 0, 0)]
    assert find_differences(measured(record), foreseen, collected=("a", "b")).incomparable == ()
    assert measured(record).runs[0].key == foreseen.runs[0].key


def test_a_problem_that_may_yet_be_skipped_does_not_bar_a_run(make_record: MakeRecord) -> None:
    before = replace(measured(noted(make_record({"a": "PPFT", "b": "SSSS"}))), label="main")
    record = noted(make_record({"a": "PPFT", "b": "FFFF"}))
    foreseen = foresee(record.planned, record.model, label="this run", seed=8, version="0.1")
    assert find_differences(before, foreseen) == Differences(
        (), ("not in main: 1 problem (b); unless they are skipped, this will be refused",)
    )
    assert len(find_differences(before, measured(record)).incomparable) == 1


@pytest.mark.parametrize("change", [{"seed": 8}, {"revision": "2"}, {"temperature": 0.5}])
def test_keys_tell_runs_with_other_samples(make_record: MakeRecord, change: Mapping[str, Any]) -> None:
    record = noted(make_record({"a": "PPFT"}))
    model = replace(record.model, revision=change.get("revision", record.model.revision))
    params = replace(record.planned.params, temperature=change.get("temperature", 1.0))
    other = replace(record, model=model, planned=replace(record.planned, params=params))
    key = measure(other, label="", seed=change.get("seed", 7), started="", version="0.1").runs[0].key
    assert key != measured(record).runs[0].key


def test_the_pace_is_that_of_samples_drawn_in_the_run(make_record: MakeRecord) -> None:
    paces = []
    for sampled in (0, 2, 4):
        figures = summarize(make_record({"a": "PPFT"}, sampled=sampled, told=True)).figures
        assert figures
        paces.append(pace_of(figures, device="cpu", processor="x86, 2 cores"))
    none, some, all_of_them = paces
    assert none is None
    assert some
    assert dict(some.figures) == {"tokens/s": 10.0}
    assert all_of_them
    assert set(all_of_them.figures) == {"tokens/s", "latency_p50", "latency_p95", "first_token_p50", "first_token_p95"}
    assert all_of_them.machine == "cpu, x86, 2 cores"
