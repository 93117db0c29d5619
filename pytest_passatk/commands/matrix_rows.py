"""The rows of a matrix: one a model, suite and arm, from the JSON reports of its cells (docs/json.md)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_passatk.commands.matrix_runs import Result

Plain: TypeAlias = Mapping[str, Any]

SPEED = "tokens/s"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its interval; both ends are `None` where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What an arm changed in pass@k, as shares.

    Attributes:
        delta: the change, with its interval.
        decision: the verdict.
        gated: whether it belongs to the gated family.
        remarks: what qualifies the verdict.
    """

    delta: Figure
    decision: str
    gated: bool
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """An arm of a model on a suite.

    Attributes:
        model: as the table calls it.
        suite: likewise.
        arm: its label; empty where there is one only.
        passes: pass@k by k, with the interval for these problems sampled again.
        speed: tokens a second of the samples that were drawn in this run; `None` where none was.
        seconds: of sampling.
        reused: samples that came from the store, and have no part in speed and seconds.
        samples: all of them.
        changes: from the first arm, by k; empty for the first arm itself.
        ratio: of its tokens a second to those of the first arm; `None` where that is not known.
        drift: p of the test of whether its repeated runs differ by more than chance; `None` where it says nothing.
        incomparable: why there is no comparison with the first arm.
        regressed: the gated figures that did.
        notes: what to know about the comparison.
    """

    model: str
    suite: str
    arm: str
    passes: Mapping[int, Figure]
    speed: float | None
    seconds: float
    reused: int
    samples: int
    changes: Mapping[int, Change]
    ratio: Figure | None
    drift: float | None
    incomparable: tuple[str, ...]
    regressed: tuple[str, ...]
    notes: tuple[str, ...]


def rows_of(result: Result) -> list[Row]:
    """The rows of a cell; none where it failed."""
    if result.report is None:
        return []
    suites = result.report["suites"]
    compared = {(each["suite"], each["arm"]): each for each in result.report["comparisons"]}
    several = len({suite["name"] for suite in suites}) > 1
    return [_row(result, suite, compared.get((suite["name"], suite["arm"]), {}), several=several) for suite in suites]


def orders(rows: Sequence[Row], asked: Sequence[int], results: Sequence[Result]) -> list[int]:
    """The k's of the table: those that the file asks for, else those of the suites."""
    known = {k for row in rows for k in row.passes}
    wanted = {*asked} or {k for result in results if result.report for s in result.report["suites"] for k in s["ks"]}
    return sorted(wanted & known)


def _row(result: Result, suite: Plain, compared: Plain, *, several: bool) -> Row:
    figures, arm = suite["figures"] or {}, suite["arm"] or ""
    title = suite["title"].removesuffix(f"@{arm}")
    return Row(
        result.cell.model,
        title if several else result.cell.suite,
        arm,
        {each["k"]: _figure(each["value"], each["run"]) for each in suite["estimates"]},
        figures.get("tokens_per_second"),
        suite["seconds"],
        figures.get("reused", 0),
        figures.get("reused", 0) + figures.get("sampled", 0),
        {line["k"]: _change(line) for line in compared.get("lines", ())},
        _ratio(compared),
        _drift(suite),
        tuple(compared.get("incomparable", ())),
        tuple(compared.get("regressed", ())),
        tuple(compared.get("notes", ())),
    )


def _figure(value: float, interval: Plain) -> Figure:
    return Figure(value, interval["low"], interval["high"])


def _change(line: Plain) -> Change:
    return Change(_figure(line["delta"], line["interval"]), line["decision"], line["gated"], tuple(_remarks(line)))


def _remarks(line: Plain) -> Iterator[str]:
    if line["small_drop"]:
        yield "small real drop"
    if line["conservative"]:
        yield "conservative"


def _ratio(compared: Plain) -> Figure | None:
    for pace in compared.get("pace", ()):
        if pace["metric"] == SPEED and (ratio := pace["ratio"]):
            return _figure(ratio["value"], ratio["interval"] or {"low": None, "high": None})
    return None


def _drift(suite: Plain) -> float | None:
    drift = (suite["repeats"] or {}).get("drift")
    return drift["p"] if drift else None
