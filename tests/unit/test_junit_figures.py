"""The properties of a JUnit file."""

from collections.abc import Callable
from dataclasses import replace

from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.summary import summarize
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import measure
from pytest_passatk.report.properties import properties

MakeRecord = Callable[..., SuiteRecord]


def measured(record: SuiteRecord, label: str) -> Measurement:
    return measure(record, label=label, seed=0, started="", version="1")


def compared(make_record: MakeRecord) -> Comparison:
    before, after = (make_record(dict.fromkeys("abcdefgh", letters)) for letters in ("PPPP", "PPFF"))
    policy = Policy({"pass@1": Tolerance(3, "pp")})
    return compare(measured(before, "main"), measured(after, "this run"), (1, 2), policy)


def test_estimates_have_their_intervals(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PPFF", "b": "FFFF"}, ks=(1,)))
    low, high = summary.estimates[0].run
    assert list(properties([summary], ())) == [
        ("passatk.arithmetic.pass@1", "0.25"),
        ("passatk.arithmetic.pass@1.low", f"{low:.6g}"),
        ("passatk.arithmetic.pass@1.high", f"{high:.6g}"),
        ("passatk.arithmetic.pass@1.n", "4"),
    ]


def test_a_withheld_estimate_says_why(make_record: MakeRecord) -> None:
    summary = summarize(make_record({"a": "PPFE"}))
    assert dict(properties([summary], ())) == {
        "passatk.arithmetic.withheld": "1 sample ended in ERROR: arithmetic[a]#3"
    }


def test_what_is_gated_has_its_verdict(make_record: MakeRecord) -> None:
    comparison = compared(make_record)
    assert dict(properties((), [comparison])) == {
        "passatk.gate.arithmetic.pass@1": "regressed",
        "passatk.gate.arithmetic.pass@1.delta": "-0.5",
        "passatk.gate.arithmetic.pass@1.p": f"{comparison.lines[0].adjusted[0]:.6g}",
    }


def test_a_gated_speed_has_its_verdict(make_record: MakeRecord) -> None:
    gated = PaceLine("tokens/s", 100.0, 80.0, 0.2, Tolerance(5, "%"), Decision.REGRESSED, "")
    unasked = PaceLine("latency_p50", 1.0, 1.0, 0.0, None, None, "")
    comparison = replace(compared(make_record), lines=(), pace=(gated, unasked))
    assert dict(properties((), [comparison])) == {
        "passatk.gate.arithmetic.tokens/s": "regressed",
        "passatk.gate.arithmetic.tokens/s.loss": "0.2",
    }


def test_what_is_incomparable_says_why_without_a_sign_that_xml_forbids(make_record: MakeRecord) -> None:
    comparison = replace(compared(make_record), title="a\0b", lines=(), incomparable=("another\x1b prompt", "rows"))
    assert dict(properties((), [comparison])) == {"passatk.gate.a\\x00b.incomparable": "another\\x1b prompt; rows"}
