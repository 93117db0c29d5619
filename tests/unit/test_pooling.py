"""Putting measurements together."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.errors import UsageError
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.gate.pooling import pool, update, update_new_only

MODEL = {"name": "tiny", "revision": "1", "chat_template": "none", "versions": {"numpy": "2.0"}}


def side(counts: Mapping[str, tuple[int, int]], seed: int, label: str = "this run", **changes: Any) -> Measurement:
    run = MeasuredRun(f"key {seed}", seed, f"2026-01-{seed:02}", {"pytest-passatk": "0.1"})
    problems = tuple(Measured(name, n, c, f"row {name}", f"prompt {name}") for name, (n, c) in sorted(counts.items()))
    plain = Measurement(label, "quiz", MODEL, {"temperature": 1.0}, "v", None, (run,), problems)
    return replace(plain, **changes)


def counts(measurement: Measurement) -> dict[str, tuple[int, int]]:
    return {problem.id: (problem.n, problem.c) for problem in measurement.problems}


def seeds(measurement: Measurement) -> list[int]:
    return [run.seed for run in measurement.runs]


MAIN = side({"a": (8, 3), "b": (8, 0)}, 1, "main")
COUNTS = st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
SIDES = st.lists(st.dictionaries(st.sampled_from("abcd"), COUNTS, min_size=1), min_size=2, max_size=5)


# Pooling


@given(SIDES)
def test_pooling_adds_up_the_runs_whatever_problems_they_have(sides: list[dict[str, tuple[int, int]]]) -> None:
    pooled = side(sides[0], 1, "main")
    for seed, each in enumerate(sides[1:], 2):
        pooled = pool(pooled, side(each, seed))
    names = sorted(set().union(*sides))
    assert [problem.id for problem in pooled.problems] == names
    for problem in pooled.problems:
        assert problem.runs == tuple(each.get(problem.id, (0, 0)) for each in sides)
        assert (problem.n, problem.c) == tuple(map(sum, zip(*problem.runs, strict=True)))
    assert (seeds(pooled), pooled.label) == ([*range(1, len(sides) + 1)], "main")


@given(SIDES.map(lambda sides: sides[:3]))
def test_the_order_of_pooling_does_not_matter(sides: list[dict[str, tuple[int, int]]]) -> None:
    runs = [side(each, seed, "main") for seed, each in enumerate(sides, 1)]
    forth, back = runs[0], runs[-1]
    for run in runs[1:]:
        forth = pool(forth, run)
    for run in runs[-2::-1]:
        back = pool(back, run)
    assert forth == back


def test_the_samples_of_one_seed_are_counted_once() -> None:
    once = pool(MAIN, side({"a": (16, 4), "b": (8, 1)}, 1))
    assert (counts(once), seeds(once)) == ({"a": (16, 4), "b": (8, 1)}, [1])
    assert once.problems[0].runs == ()


def test_a_shorter_run_of_one_seed_takes_nothing_away() -> None:
    again = pool(MAIN, side({"a": (4, 4), "b": (8, 0)}, 1))
    assert counts(again) == counts(MAIN)


@pytest.mark.parametrize("c", range(9))
def test_counts_are_never_chosen_by_how_good_they_are(c: int) -> None:
    new = side({"a": (8, c), "b": (8, c)}, 1)
    for combine in (pool, update):
        assert counts(combine(MAIN, new)) == counts(new)
    assert counts(update_new_only(MAIN, new)) == counts(MAIN)


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "model": ({"model": {**MODEL, "name": "small"}}, "model: name tiny, now small"),
    "revision": ({"model": {**MODEL, "revision": "2"}}, "model: revision 1, now 2"),
    "sampling": ({"sampling": {"temperature": 0.5}}, "temperature is 1.0 in main and 0.5 in this run"),
    "verifier": ({"verifier": "w"}, "the verifier is v in main and w in this run"),
    "template": ({"model": {**MODEL, "chat_template": "t"}}, "chat_template is none in main and t in this run"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_differs_does_not_mix(changes: dict[str, Any], words: str) -> None:
    new = side({"a": (8, 1)}, 2, **changes)
    for combine in (pool, update):
        with pytest.raises(UsageError, match="this run cannot join main of quiz") as caught:
            combine(MAIN, new)
        assert words in str(caught.value)
        assert "--passatk-update" in str(caught.value)
    with pytest.raises(UsageError, match="this run cannot join main of quiz"):
        update_new_only(MAIN, side({"c": (8, 1)}, 2, **changes))


@pytest.mark.parametrize("part", ["row", "prompt"])
def test_changed_problems_do_not_pool(part: str) -> None:
    new = side({"a": (8, 1), "b": (8, 1)}, 2)
    changes: dict[str, Any] = {part: "other"}
    new = replace(new, problems=(new.problems[0], replace(new.problems[1], **changes)))
    with pytest.raises(UsageError, match=rf"the {part} is not the same in main and this run: 1 problem \(b\)"):
        pool(MAIN, new)


def test_runs_of_other_versions_pool_and_each_keeps_its_own() -> None:
    new = side({"a": (8, 1)}, 2, model={**MODEL, "versions": {"numpy": "2.1"}})
    pooled = pool(MAIN, replace(new, runs=(replace(new.runs[0], versions={"numpy": "2.1"}),)))
    assert [dict(run.versions) for run in pooled.runs] == [{"pytest-passatk": "0.1"}, {"numpy": "2.1"}]


# Updating


def test_an_update_touches_only_what_was_run() -> None:
    updated = update(MAIN, side({"b": (4, 4), "c": (4, 1)}, 2))
    assert counts(updated) == {"a": (8, 3), "b": (4, 4), "c": (4, 1)}
    assert {problem.id: problem.runs for problem in updated.problems} == {
        "a": ((8, 3), (0, 0)), "b": ((0, 0), (4, 4)), "c": ((0, 0), (4, 1)),
    }  # fmt: skip


def test_an_update_of_all_problems_replaces_model_and_runs() -> None:
    new = side({"a": (4, 1), "b": (4, 1)}, 2, model={**MODEL, "name": "small"}, verifier="w", sampling={})
    assert update(pool(MAIN, side({"a": (8, 1)}, 3)), new) == replace(new, label="main")


def test_an_update_takes_changed_rows() -> None:
    new = side({"a": (4, 1)}, 2)
    new = replace(new, problems=(replace(new.problems[0], row="other"),))
    updated = update(MAIN, new)
    assert [problem.row for problem in updated.problems] == ["other", "row b"]


def test_an_update_that_would_mix_names_what_was_not_run() -> None:
    with pytest.raises(UsageError, match=r"model: name tiny, now small; not run: 1 problem \(b\): run all problems"):
        update(MAIN, side({"a": (8, 3)}, 2, model={**MODEL, "name": "small"}))


def test_new_problems_are_added_beside_the_old_counts() -> None:
    added = update_new_only(MAIN, side({"a": (8, 8), "c": (4, 1)}, 2))
    assert counts(added) == {"a": (8, 3), "b": (8, 0), "c": (4, 1)}
    assert update_new_only(MAIN, side({"a": (8, 8)}, 2, verifier="w")) == MAIN
