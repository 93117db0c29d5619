"""The JSON Schema of the report: it takes every report, and nothing that is not quite one; the page names its keys."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator

from pytest_passatk.core.duplicates import Copies
from pytest_passatk.core.record import Profile, RunRecord, SuiteRecord
from pytest_passatk.core.repeats import Drift, Repeats, pool_records
from pytest_passatk.core.summary import summarize
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import PACES, Policy, Tolerance
from pytest_passatk.gate.look import Look, Looks
from pytest_passatk.gate.measurement import Measurement, Pace
from pytest_passatk.gate.measuring import measure
from pytest_passatk.gate.ratio import Ratio
from pytest_passatk.report.json_report import to_json

MakeRecord = Callable[..., SuiteRecord]
Place: TypeAlias = tuple[str | int, ...]

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
LOOK = Look(1, 2, 0.001, -0.5, -0.7, 0.0004, 0.9, Decision.REGRESSED)
WRONG = [["neither a text, nor a number, nor an object"]]  # no place takes a list in a list


def run_of(*records: SuiteRecord) -> RunRecord:
    return RunRecord(3, "pytest", 11, "2026-01-02T03:04:05+00:00", 1.5, records)


def measured(record: SuiteRecord, label: str, **figures: float) -> Measurement:
    pace = Pace("cpu, x86_64", figures) if figures else None
    return measure(record, label=label, seed=0, started="2026-01-02T03:04:05+00:00", version="1", pace=pace)


def compared(make_record: MakeRecord) -> Comparison:
    before, after = make_record({"a": "PPPP", "b": "PPPF"}), make_record({"a": "FFFF", "b": "PPFP"})
    policy = Policy({"pass@1": Tolerance(3, "pp"), "tokens/s": Tolerance(5, "%")})
    found = compare(measured(before, "main", **dict.fromkeys(PACES, 2.0)), measured(after, "this run"), (1, 2), policy)
    one, *others = found.lines
    return replace(
        found,
        lines=(replace(one, look=LOOK), *others),
        pace=(
            PaceLine("tokens/s", 2.0, 1.0, 0.5, Tolerance(5, "%"), Decision.REGRESSED, "", Ratio(0.5, (0.4, 0.6), 3)),
            PaceLine("latency_p50", 2.0, None, None, None, None, "not noted"),
        ),
        notes=("compared on 2 of 3 problems",),
        suite=after.planned.name,
        looks=Looks((2, 4), 1, {1: LOOK}, {1: 0.009}, 1),
    )


def whole(make_record: MakeRecord) -> dict[str, Any]:
    """A report with a value in every place that can have one."""
    record = make_record({"a": "PPFF", "b": "PfT ", "e": "PPPE", "s": "SSSS"}, sampled=4, told=True)
    fine = make_record({"a": "PPFF", "b": "FFFF"}, sampled=4, told=True)
    fine = replace(fine, planned=replace(fine.planned, arm="lora", revision="v1", isolation="namespaces"))
    [fine] = pool_records([replace(fine, planned=replace(fine.planned, repeat=1))])
    run = replace(run_of(record, fine), profile=Profile("nightly", "passatk.toml", {"n": "8"}))
    copied = replace(summarize(fine, price=(1, 2), beyond=8), copies=Copies(2, 40, 1e-9))
    summaries = [summarize(record, price=(1, 2)), replace(copied, repeats=Repeats((4,), Drift(1.5, 2, 0.47, 3)))]
    return plain(to_json(run, summaries, [compared(make_record)]))


def plain(report: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(report, allow_nan=False))
    assert isinstance(found, dict)
    return found


def errors(report: dict[str, Any]) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message}" for error in VALIDATOR.iter_errors(report)]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Where there is a value, from the top down."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*here, key))


def changed(report: dict[str, Any], place: Place, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    copy = deepcopy(report)
    holder: Any = copy
    for key in place[:-1]:
        holder = holder[key]
    change(holder, place[-1])
    return copy


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_run_is_valid(make_record: MakeRecord) -> None:
    record = make_record({"a": "PPFF", "b": "FFFF"}, sampled=4)
    assert errors(plain(to_json(run_of(record), [summarize(record)]))) == []


def test_a_run_with_all_that_there_can_be_is_valid(make_record: MakeRecord) -> None:
    assert errors(whole(make_record)) == []


def test_a_withheld_run_is_valid(make_record: MakeRecord) -> None:
    record, nothing = make_record({"a": "PPFE"}, extracts=False), make_record({})
    report = plain(to_json(run_of(record, nothing), [summarize(record), summarize(nothing)]))
    assert [suite["estimates"] for suite in report["suites"]] == [[], []]
    assert errors(report) == []


def test_an_incomparable_suite_is_valid(make_record: MakeRecord) -> None:
    comparison = compared(make_record)
    bare = replace(comparison.before, model={}, sampling={}, verifier=None, problems=(), runs=())
    barred = replace(
        comparison, before=bare, pairs=(), lines=(), moves=(), pace=(), incomparable=("another prompt",),
        suite="", looks=None, response=None,
    )  # fmt: skip
    report = plain(to_json(run_of(), [], [barred]))
    assert report["comparisons"][0]["before"]["model"]["name"] is None
    assert errors(report) == []


def test_every_kind_of_value_is_in_the_whole_report(make_record: MakeRecord) -> None:
    """Otherwise the tests below would not reach it."""
    shown = {key for place in places(whole(make_record)) for key in place if isinstance(key, str)}
    assert {key for _, keys in objects(SCHEMA) for key in keys} <= shown


def test_a_report_without_one_of_its_keys_is_refused(make_record: MakeRecord) -> None:
    report = whole(make_record)
    for place in places(report):
        if place and isinstance(place[-1], str) and not is_free(place):
            assert not VALIDATOR.is_valid(changed(report, place, lambda holder, key: holder.pop(key))), place


def test_a_report_with_a_value_of_another_kind_is_refused(make_record: MakeRecord) -> None:
    report = whole(make_record)
    for place in places(report):
        if place:
            assert not VALIDATOR.is_valid(changed(report, place, lambda holder, key: holder.__setitem__(key, WRONG))), (
                place
            )


@pytest.mark.parametrize(("kind", "other"), [(bool, 1), (int, "1"), (float, "0.5"), (str, 1), (list, {}), (dict, [])])
def test_values_are_not_taken_for_one_another(make_record: MakeRecord, kind: type, other: Any) -> None:
    report = whole(make_record)
    found = [place for place in places(report) if place and type(at(report, place)) is kind]
    assert found
    for place in found:
        assert not VALIDATOR.is_valid(changed(report, place, lambda holder, key: holder.__setitem__(key, other))), place


def test_a_report_with_another_key_is_refused(make_record: MakeRecord) -> None:
    report = whole(make_record)
    for place in places(report):
        value = at(report, place)
        if isinstance(value, dict) and not is_free((*place, "another")):
            assert not VALIDATOR.is_valid(
                changed(report, (*place, "another"), lambda holder, key: holder.__setitem__(key, 1))
            ), place


def test_every_object_of_the_schema_is_closed_and_complete() -> None:
    for found, keys in objects(SCHEMA):
        assert found["additionalProperties"] is False
        assert found["required"] == list(keys)


def test_every_key_is_described_in_the_schema_and_on_the_page() -> None:
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_0-9/-]+)`", page))
    for _, keys in objects(SCHEMA):
        assert [key for key, each in keys.items() if not each.get("description")] == []
        assert set(keys) <= named


def test_every_value_that_the_schema_lists_is_on_the_page() -> None:
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    values = {value for each in inside(SCHEMA) for value in each.get("enum", ()) if value}
    assert [value for value in sorted(values) if f"`{value}`" not in page] == []


def at(report: dict[str, Any], place: Place) -> Any:
    value: Any = report
    for key in place:
        value = value[key]
    return value


def is_free(place: Place) -> bool:
    """Whether the key is one of a mapping that takes any."""
    return len(place) > 2 and place[-2] in {"versions", "options", "asked"}


def inside(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema, and all in it."""
    if isinstance(schema, dict):
        yield schema
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for part in parts:
        yield from inside(part)


def objects(schema: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every object with keys of its own, and these."""
    for each in inside(schema):
        if isinstance(each.get("properties"), dict) and "required" in each:
            yield each, each["properties"]
