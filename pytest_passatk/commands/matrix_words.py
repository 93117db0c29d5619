"""The words in a matrix's cells, the same on the terminal and in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_passatk.commands.matrix_rows import SPEED, Change, Figure, Row
from pytest_passatk.commands.matrix_runs import Result
from pytest_passatk.gate.drift import ALARM
from pytest_passatk.report.text import seconds
from pytest_passatk.report.wording import change, equation, figure

NOTHING = "-"


def share(found: Figure | None) -> tuple[str, str]:
    """A pass@k: `0.546`, and `0.512–0.580`."""
    return (NOTHING, "") if found is None else (f"{found.value:.3f}", _ends(found, "{:.3f}"))


def moved(found: Change) -> tuple[str, str]:
    """A change in points: `-3.1`, and `-5.0 to -1.2`."""
    ends = (found.delta.low, found.delta.high)
    return change(found.delta.value), " to ".join(change(end) for end in ends if end is not None)


def verdict(found: Change) -> str:
    """The verdict, with what qualifies it; in brackets where it is not gated."""
    words = ", ".join((found.decision, *found.remarks))
    return words if found.gated else f"({words})"


def speed(row: Row) -> str:
    """Tokens a second."""
    return NOTHING if row.speed is None else figure(SPEED, row.speed)


def took(row: Row) -> str:
    """The seconds of sampling; nothing where all samples came from the store."""
    return NOTHING if row.reused == row.samples else seconds(row.seconds)


def ratio(row: Row) -> tuple[str, str]:
    """Its tokens a second as a share of the first arm's: `0.974`, and `0.951–0.998`."""
    return ("", "") if row.ratio is None else (f"{row.ratio.value:.3f}", _ends(row.ratio, "{:.3f}"))


def foot(results: Sequence[Result]) -> Iterator[str]:
    """What the figures are."""
    reports = [result.report for result in results if result.report]
    policies = [each["policy"] for report in reports for each in report["comparisons"]]
    if levels := {suite["level"] for report in reports for suite in report["suites"]}:
        yield f"pass@k with its {_percent(levels)} interval for these problems sampled again"
    if policies:
        yield (
            f"changes from the first arm in percentage points, with their {_percent({p['level'] for p in policies})} "
            "interval; a verdict in brackets is not gated"
        )
        alphas = " or ".join(f"{alpha:g}" for alpha in sorted({policy["alpha"] for policy in policies}))
        compared = sum(bool(report["comparisons"]) for report in reports)
        yield (
            f"chance of a false alarm {alphas} for each model on each suite ({compared} with several arms), and so at "
            f"most {min(1, sum(map(_alpha, reports))):.2g} in the table"
        )


def caveats(rows: Sequence[Row]) -> Iterator[str]:
    """What keeps single figures from being what they seem."""
    for row in rows:
        for reason in row.incomparable:
            yield f"{_name(row)}: incomparable: {reason}"
        if row.drift is not None and row.drift <= ALARM:
            yield f"{_name(row)}: its runs differ more than their samples explain, {equation(row.drift)}"
    if partial := [row for row in rows if row.reused]:
        yield f"samples from the store have no part in tokens/s and wall: {', '.join(map(_name, partial))}"


def _alpha(report: Mapping[str, Any]) -> float:
    """The chance of a false alarm in one run; its arms share it."""
    return max((float(each["policy"]["alpha"]) for each in report["comparisons"]), default=0.0)


def _name(row: Row) -> str:
    return " ".join(filter(None, (row.model, row.suite, row.arm)))


def _ends(found: Figure, form: str) -> str:
    return "–".join(form.format(end) for end in (found.low, found.high) if end is not None)


def _percent(levels: set[float]) -> str:
    return " or ".join(f"{level:.0%}" for level in sorted(levels))
