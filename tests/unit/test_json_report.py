"""The JSON report: what is in it, and how the file comes about."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.extrapolation import extrapolate
from pytest_passatk.core.record import Profile, RunRecord, SuiteRecord
from pytest_passatk.core.summary import summarize
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import measure
from pytest_passatk.report.json_report import to_json, write
from pytest_passatk.report.output import replacing

MakeRecord = Callable[..., SuiteRecord]


def _run(*suites: SuiteRecord) -> RunRecord:
    return RunRecord(3, "pytest suites --n 4", 11, "2026-01-02T03:04:05+00:00", 1.5, suites)


def _report(*suites: SuiteRecord) -> dict[str, Any]:
    return to_json(_run(*suites), [summarize(suite) for suite in suites])


def _suite(record: SuiteRecord) -> dict[str, Any]:
    suite = _report(record)["suites"][0]
    assert isinstance(suite, dict)
    return suite


def test_the_run_is_told_apart_from_every_other(make_record: MakeRecord) -> None:
    report = _report(make_record({"a": "PPFF"}))
    assert report["schema"] == 1
    assert report["run"] == {
        "id": 3,
        "command": "pytest suites --n 4",
        "seed": 11,
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
        "profile": None,
    }
    assert set(report["versions"]) == {"pytest-passatk", "python"}


def test_counts_of_every_problem_allow_any_estimate_to_be_made_again(make_record: MakeRecord) -> None:
    suite = _suite(make_record({"a": "PPfT", "b": "FFFF", "s": "S", "e": "PPPE", "i": "P"}))
    counts = {p["id"]: (p["status"], p["planned"], p["n"], p["c"]) for p in suite["problems"]}
    assert counts == {
        "a": ("complete", 4, 4, 2),
        "b": ("complete", 4, 4, 0),
        "s": ("skipped", 4, 0, 0),
        "e": ("error", 4, 3, 3),
        "i": ("incomplete", 4, 1, 1),
    }
    first, error = suite["problems"][0], suite["problems"][3]
    assert (first["timeouts"], first["truncated"], first["no_answer"], first["stream"]) == (1, 1, 1, "stream-a")
    assert error["errors"] == [3]


def test_estimates_and_figures_are_those_of_the_table(make_record: MakeRecord) -> None:
    record = make_record({"a": "PPFF", "b": "FFFF"}, sampled=4)
    summary, suite = summarize(record), _suite(record)
    assert [(each["k"], each["value"]) for each in suite["estimates"]] == [
        (each.k, each.value) for each in summary.estimates
    ]
    assert suite["estimates"][0]["run"] == {
        "low": summary.estimates[0].run[0],
        "high": summary.estimates[0].run[1],
        "se": summary.estimates[0].run_se,
    }
    assert summary.figures is not None
    assert suite["figures"]["distinct"] == summary.figures.distinct
    assert suite["figures"]["texts"]["maximum"] == summary.figures.texts.maximum if summary.figures.texts else None
    assert suite["figures"]["tokens_per_second"] == 20
    assert suite["samples"] == {"judged": 8, "solved": 2, "timeouts": 0, "errors": 0}
    assert suite["bands"] == {"never": ["b"], "sometimes": ["a"], "always": []}
    assert (suite["level"], suite["withheld"], suite["skipped"]) == (0.95, None, [])


def test_the_cost_is_there_where_a_price_is(make_record: MakeRecord) -> None:
    record = make_record({"a": "PPFF", "b": "FFFF"}, sampled=4, told=True)
    report = to_json(_run(record), [summarize(record, price=(1, 2))])
    assert report["suites"][0]["figures"]["cost"] == {
        "run": 100e-6, "samples": 200e-6, "solved_problem": 200e-6, "untold": 0,
    }  # fmt: skip
    assert _suite(record)["figures"]["cost"] is None


def test_the_profile_of_a_run_is_told(make_record: MakeRecord) -> None:
    run = replace(_run(make_record({})), profile=Profile("nightly", "passatk.toml", {"n": "8"}))
    assert to_json(run, [summarize(make_record({}))])["run"]["profile"] == {
        "name": "nightly", "file": "passatk.toml", "options": {"n": "8"},
    }  # fmt: skip


def test_an_extrapolation_is_there_for_the_suites_that_have_one(make_record: MakeRecord) -> None:
    record = make_record({"a": "PPFF", "b": "PFFF"})
    found = extrapolate(summarize(record).counts, 8)
    report = to_json(_run(record), [summarize(record, beyond=8)])
    assert report["suites"][0]["extrapolation"] == {
        "k": 8, "low": found.low, "high": found.high, "point": found.point,
    }  # fmt: skip
    assert _suite(record)["extrapolation"] is None


def test_a_run_without_a_baseline_compares_nothing(make_record: MakeRecord) -> None:
    assert _report(make_record({"a": "PPFF"}))["comparisons"] == []


def test_a_comparison_tells_all_that_led_to_its_verdicts(make_record: MakeRecord) -> None:
    before, after = make_record({"a": "PPPP", "b": "PPPF", "c": "FFFF"}), make_record({"a": "FFFF", "b": "PPFP"})
    policy = Policy({"pass@1": Tolerance(5, "%")}, alpha=0.05)
    compared = compare(_measured(before, "main"), _measured(after, "this run"), (1, 2), policy)
    found = to_json(_run(after), [summarize(after)], [compared])["comparisons"][0]
    one, line = compared.lines[0], found["lines"][0]
    assert [each["metric"] for each in found["lines"]] == ["pass@1", "pass@2"]
    assert (line["gated"], found["lines"][1]["gated"]) == (True, False)
    assert (line["decision"], line["delta"]) == (str(one.decision), pytest.approx(-0.5))
    assert line["interval"] == {"low": one.interval[0], "high": one.interval[1]}
    assert line["p"] == {"down": one.p_down, "up": one.p_up}
    assert line["p_adjusted"] == {"down": one.adjusted[0], "up": one.adjusted[1]}
    assert line["tolerance"] == {"typed": "5%", "points": pytest.approx(5 * 7 / 8)}
    assert (line["before"]["value"], line["after"]["value"]) == (one.before.value, one.after.value)
    assert found["policy"] == {"asked": {"pass@1": "5%"}, "alpha": 0.05, "level": 0.95, "enforced": True}
    assert (found["regressed"], found["inconclusive"]) == (list(compared.regressed), list(compared.inconclusive))
    assert found["problems"] == [
        {"id": "a", "before": {"n": 4, "c": 4}, "after": {"n": 4, "c": 0}},
        {"id": "b", "before": {"n": 4, "c": 3}, "after": {"n": 4, "c": 3}},
    ]
    move = compared.moves[0]
    assert found["moves"] == [
        {"kind": "broken", **found["problems"][0], "p": move.p, "p_adjusted": move.p_adjusted}
    ]  # fmt: skip
    assert (found["before"]["label"], found["before"]["problems"]) == ("main", 3)
    assert found["before"]["n"] == {"least": 4, "most": 4}
    assert found["before"]["model"]["versions"] == {"numpy": "2.0"}
    assert found["response"]["label"] == str(compared.response.label) if compared.response else None


def _measured(record: SuiteRecord, label: str) -> Measurement:
    return measure(record, label=label, seed=0, started="", version="1")


def test_settings_and_model_say_what_was_measured(make_record: MakeRecord) -> None:
    suite = _suite(make_record({"a": "PPFF"}, ks=(1, 4)))
    assert (suite["n"], suite["ks"], suite["extracts"]) == (4, [1, 4], True)
    assert (suite["name"], suite["title"]) == ("suites/arithmetic.py::test_arithmetic", "arithmetic")
    assert suite["sampling"]["temperature"] == 1.0
    assert suite["model"]["versions"] == {"numpy": "2.0"}


@pytest.mark.parametrize("revision", ["v2.1", None])
def test_the_revision_of_the_rows_is_as_the_suite_states_it(make_record: MakeRecord, revision: str | None) -> None:
    record = make_record({"a": "PPFF"})
    suite = _suite(replace(record, planned=replace(record.planned, revision=revision)))
    assert suite["revision"] == revision


def test_a_withheld_estimate_is_empty_and_explained(make_record: MakeRecord) -> None:
    suite = _suite(make_record({"a": "PPFE"}))
    assert suite["estimates"] == []
    assert suite["withheld"] == "1 sample ended in ERROR: arithmetic[a]#3"


def test_no_answer_is_null_where_nothing_is_extracted(make_record: MakeRecord) -> None:
    suite = _suite(make_record({"a": "PfFF"}, extracts=False))
    assert suite["problems"][0]["no_answer"] is None
    assert suite["figures"]["no_answer"] is None


def test_the_file_holds_the_report(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record({"größe \udc80": "PPFF"})
    path = tmp_path / "new" / "report.json"
    write(path, _run(record), [summarize(record)])
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(_report(record)))
    assert "größe" in path.read_text(encoding="utf-8")
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_a_report_can_be_read_by_whoever_reads_new_files(make_record: MakeRecord, tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    record = make_record({"a": "PPFF"})
    write(tmp_path / "report.json", _run(record), [summarize(record)])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as stream:
        json.dump({"new": object()}, stream)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replacing(pipe) as stream:
            stream.write("through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["file/report.json", "folder"])
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    message = f"{name}: cannot be written: .*: name another file"
    with pytest.raises(UsageError, match=message), replacing(tmp_path / name):
        pytest.fail("the block must not run without a file")
