"""Independent runs of one session, taken together."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.outcomes import outcomes_of
from pytest_passatk.core.plan import Plan, ProblemKey, label, repeat_seed
from pytest_passatk.core.record import ProblemRecord, SuiteRecord
from pytest_passatk.core.repeats import Drift, Repeats, pool_outcomes, pool_records
from pytest_passatk.core.summary import summarize
from pytest_passatk.report.wording import runs_of

MakeRecord = Callable[..., SuiteRecord]


def runs(make_record: MakeRecord, *problems: dict[str, str], arm: str = "") -> list[SuiteRecord]:
    made = [make_record(each, sampled=4) for each in problems]
    return [
        replace(record, planned=replace(record.planned, arm=arm, repeat=number))
        for number, record in enumerate(made, start=1)
    ]


def test_a_name_says_what_there_is_more_than_one_of() -> None:
    assert label("half", "") == "half"
    assert label("half", "esamp") == "half@esamp"
    assert label("half", "", 2) == "half#2"
    assert str(ProblemKey("t.py::test_it", "half", "esamp", 2)) == "t.py::test_it[half@esamp#2]"


def test_each_run_has_the_next_seed_and_the_first_that_of_the_session() -> None:
    assert [repeat_seed(7, repeat) for repeat in (0, 1, 2, 3)] == [7, 7, 8, 9]


def test_runs_of_an_arm_are_pooled_and_arms_are_not(make_record: MakeRecord) -> None:
    ours = runs(make_record, {"a": "PPFF", "b": "FFFF"}, {"a": "PFFF", "b": "PFFF"})
    theirs = runs(make_record, {"a": "PPPP", "b": "PPPP"}, {"a": "PPPP", "b": "PPPP"}, arm="lora")
    first, second = pool_records([ours[0], theirs[0], ours[1], theirs[1]])
    assert [(each.id, each.n, each.c) for each in summarize(first).counts] == [("a", 8, 3), ("b", 8, 1)]
    assert [(each.id, each.n, each.c) for each in summarize(second).counts] == [("a", 8, 8), ("b", 8, 8)]
    assert (first.planned.n, first.planned.ks, first.planned.repeat) == (8, ours[0].planned.ks, 0)
    assert (first.sampled, first.seconds) == (8, 4.0)
    assert first.drawn == Usage(0, 80, 8)
    assert first.runs == tuple(ours)


def test_one_run_stays_what_it_is(make_record: MakeRecord) -> None:
    record = make_record({"a": "PPFF"})
    assert pool_records([record]) == (record,)


def test_samples_are_numbered_through(make_record: MakeRecord) -> None:
    [pooled] = pool_records(runs(make_record, {"a": "PPFF"}, {"a": "FFE "}))
    assert [sample.completion.index for sample in pooled.problems[0].samples] == [0, 1, 2, 3, 4, 5, 6]
    assert summarize(pooled).withheld is not None
    assert "arithmetic[a]#6" in (summarize(pooled).withheld or "")


def test_the_store_pools_as_the_run_does(make_record: MakeRecord) -> None:
    parts = runs(make_record, {"a": "PPfF", "b": "SSSS"}, {"a": "FFE ", "b": "SSSS"})
    [pooled] = pool_records(parts)
    stored = [list(map(outcomes_of, part.problems)) for part in parts]
    assert pool_outcomes(stored) == list(map(outcomes_of, pooled.problems))


def answers(record: ProblemRecord, texts: str, classes: tuple[int, ...]) -> ProblemRecord:
    samples = (
        replace(each, verdict=replace(each.verdict, answer=None if text == "-" else text))
        for each, text in zip(record.samples, texts, strict=True)
    )
    return replace(record, samples=tuple(samples), classes=classes)


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (("xyz-", (0, 0, 1, 2)), ("yz-w", (0, 1, 2, 3)), (0, 0, 1, 2, 0, 1, 2, 3)),
        (("xxxx", (0, 0, 0, 0)), ("vwxu", (0, 0, 0, 1)), (0, 0, 0, 0, 0, 0, 0, 1)),
        (("xxxx", (0, 0, 0, 0)), ("uvwu", (0, 1, 2, 0)), (0, 0, 0, 0, 1, 2, 3, 1)),
    ],
    ids=["by text", "through another text", "none"],
)
def test_answer_classes_of_two_runs_are_one_where_they_share_a_text(
    make_record: MakeRecord,
    first: tuple[str, tuple[int, ...]],
    second: tuple[str, tuple[int, ...]],
    joined: tuple[int, ...],
) -> None:
    parts = [
        replace(part, problems=(answers(part.problems[0], *given),))
        for part, given in zip(runs(make_record, {"a": "PPPP"}, {"a": "PPPP"}), (first, second), strict=True)
    ]
    assert pool_records(parts)[0].problems[0].classes == joined


def test_a_plan_is_pooled_arm_by_arm(make_record: MakeRecord) -> None:
    parts = [record.planned for record in runs(make_record, {"a": "PPPP", "b": "FFFF"}, {"a": "PPPP"})]
    [pooled] = Plan(tuple(parts), 0).pooled().suites
    assert (pooled.n, [problem.id for problem in pooled.problems]) == (8, ["a", "b"])
    assert pooled.key == (pooled.name, "")
    assert len({part.key for part in parts}) == 2


def test_what_is_said_of_runs() -> None:
    drift = Drift(1.9, 2, 0.387, 3)
    assert list(runs_of("esamp", Repeats((8, 8, 8), drift))) == ["runs of esamp: χ² = 1.9, df = 2, p = .39"]
    [alarm] = runs_of("esamp", Repeats((8, 8, 8), replace(drift, p=0.001)))
    assert alarm.endswith("p = .0010; they differ more than their samples explain")
    assert list(runs_of("esamp", Repeats((8, 8)))) == []
    [none] = runs_of("esamp", Repeats((8, 8, 8)))
    assert "no χ²" in none
