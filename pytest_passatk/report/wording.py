"""The words of a comparison, the same in every report."""

from collections import Counter
from collections.abc import Iterator
from math import ceil

from pytest_passatk.core.repeats import Repeats
from pytest_passatk.gate.comparison import Comparison, Line, PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.drift import ALARM, FEWEST
from pytest_passatk.gate.headroom import Response
from pytest_passatk.gate.moves import Kind, Move
from pytest_passatk.gate.ratio import Ratio
from pytest_passatk.report.text import seconds, visible

SHOWN = 10  # problems that moved, in a short report


def points(share: float) -> str:
    """A share in percentage points: `3`, `2.9` or `0.42`; two digits that count."""
    return f"{100 * share:.2g}" if abs(share) < 0.0995 else f"{100 * share:.0f}"  # noqa: PLR2004 - 9.95 turns into 10


def change(share: float) -> str:
    """A change in percentage points, signed, to a tenth."""
    return f"{100 * share:+.1f}"


def probability(p: float) -> str:
    """`.0031`, `.042`, `.50`, or `<.0001`."""
    if p < 1e-4:  # noqa: PLR2004 - nobody needs it finer
        return "<.0001"
    return f"{p:.{4 if p < 0.01 else 3 if p < 0.1 else 2}f}".removeprefix("0")  # noqa: PLR2004 - two digits that count


def equation(p: float) -> str:
    """`p = .042`, or `p <.0001`."""
    found = probability(p)
    return f"p {found}" if found.startswith("<") else f"p = {found}"


def finds(line: Line) -> str:
    """The smallest drop that is found, in points; `none` where even a drop to 0 would not be."""
    return points(line.detectable) if line.detectable <= line.before.value else "none"


def ruling(line: Line) -> str:
    """The verdict on a figure, with what qualifies it; in brackets where it is not gated."""
    words = [str(line.decision)]
    if line.small_drop:
        words.append("small real drop")
    if line.conservative:
        words.append("conservative")
    return ", ".join(words) if line.gated else f"({', '.join(words)})"


def explain(comparison: Comparison, metric: str) -> str:
    """Why a gate failed or could not decide, for somebody who has never seen one."""
    for line in comparison.lines:
        if line.metric == metric:
            return _explain_line(comparison, line)
    for pace in comparison.pace:
        if pace.metric == metric:
            return _explain_pace(comparison, pace)
    raise ValueError(f"{metric} is not compared")


def _explain_line(comparison: Comparison, line: Line) -> str:
    p, low, high = line.adjusted[0], *line.interval
    first = (
        f"{comparison.title}: {line.metric} went from {line.before.value:.3f} ({comparison.before.label}) to "
        f"{line.after.value:.3f} ({comparison.after.label}) on {len(comparison.pairs):,} problems: "
        f"{change(line.delta)} points, {comparison.policy.level:.0%} interval {change(low)} to {change(high)}."
    )
    if line.decision is Decision.REGRESSED:
        alpha = line.look.level if line.look else comparison.policy.alpha
        second = (
            f"The drop is real ({equation(p)}, at most {alpha:.2g} is taken as one), and may "
            f"exceed the {points(line.tolerated)} points that the gate tolerates."
        )
    else:
        second = (
            f"A drop of more than the tolerated {points(line.tolerated)} points can be neither shown "
            f"({equation(p)}) nor ruled out: with these samples {_reliable(line)} is found reliably; "
            f"{_remedy(comparison, line)}."
        )
    return "\n".join([first, second, *move_lines(comparison, "->")])


def _reliable(line: Line) -> str:
    found = finds(line)
    return "no drop at all" if found == "none" else f"only one of {found} points"


def _remedy(comparison: Comparison, line: Line) -> str:
    drop = f"a drop of {points(line.tolerated)} points"
    if line.needed is None:
        return f"no --n finds {drop}" + ("" if comparison.one_session else " with this baseline: sample it more, too")
    each = ceil(line.needed / max(1, len(comparison.after.runs)))  # --n is of one run
    return f"--n {max(line.k, each)} finds {drop}"


def needs(comparison: Comparison) -> Iterator[str]:
    """What more samples would bring, for the gated figures that are inconclusive."""
    for line in comparison.lines:
        if line.gated and line.decision is Decision.INCONCLUSIVE:
            yield f"{line.metric} is inconclusive: {_remedy(comparison, line)}"


def _explain_pace(comparison: Comparison, pace: PaceLine) -> str:
    if pace.before is None or pace.after is None or pace.loss is None:
        return f"{comparison.title}: {pace.metric} cannot be compared: {pace.why}"
    before, after = figure(pace.metric, pace.before), figure(pace.metric, pace.after)
    return (
        f"{comparison.title}: {pace.metric} went from {before} ({comparison.before.label}) to {after} "
        f"({comparison.after.label}), a loss of {pace.loss:.1%}; {pace.tolerance} is tolerated. {pace.why}".rstrip()
    )


def figure(metric: str, value: float) -> str:
    """A figure of speed."""
    return f"{value:,.0f}" if metric == "tokens/s" else seconds(value)


def spoken(comparison: Comparison) -> list[PaceLine]:
    """The figures of speed for a short report: those that were asked for, and tokens/s where both sides have it."""
    return [pace for pace in comparison.pace if pace.tolerance or (pace.metric == "tokens/s" and pace.loss is not None)]


def moved(comparison: Comparison) -> str:
    """How many problems moved, by kind."""
    counts = Counter(move.kind for move in comparison.moves)
    return ", ".join(f"{counts[kind]:,} {kind}" for kind in Kind if counts[kind]) or "none moved"


def worth_showing(comparison: Comparison) -> list[Move]:
    """The problems that did more than flicker, the least likely first."""
    return [move for move in comparison.moves if move.kind is not Kind.FLAKY]


def move_lines(comparison: Comparison, arrow: str) -> list[str]:
    """The ten clearest moves, a line each."""
    return [
        f"  {move.kind:9} {visible(move.pair.id)}  {counts(move, arrow)}  p {probability(move.p)}"
        for move in worth_showing(comparison)[:SHOWN]
    ]


def counts(move: Move, arrow: str) -> str:
    """`6/8 → 0/8`."""
    before, after = move.pair.before, move.pair.after
    return f"{before.c}/{before.n} {arrow} {after.c}/{after.n}"


def sizes(comparison: Comparison) -> str:
    """The samples a problem of the candidate and of the baseline: `8 and 32`."""
    sides = ({pair.after.n for pair in comparison.pairs}, {pair.before.n for pair in comparison.pairs})
    return " and ".join(f"{min(n):,}" if len(n) == 1 else f"{min(n):,} to {max(n):,}" for n in sides)


def probability_of(line: Line) -> float:
    """The p-value, adjusted for the gated family, against a change in the direction seen."""
    return line.adjusted[0] if line.delta < 0 else line.adjusted[1]


def pace_change(pace: PaceLine) -> str:
    """The change of a figure of speed, signed, a share of the baseline's; empty where it is not known."""
    if pace.loss is None:
        return ""
    return f"{-pace.loss if pace.metric == 'tokens/s' else pace.loss:+.1%}"


def ratios(comparison: Comparison) -> Iterator[str]:
    """How much faster or slower the candidate is than the arm beside which it ran."""
    for pace in spoken(comparison):
        if pace.ratio:
            sides = f"{pace.metric} of {visible(comparison.after.label)} over {visible(comparison.before.label)}"
            yield f"{sides}: {_ratio(pace.ratio, comparison.policy.level)}"


def _ratio(ratio: Ratio, level: float) -> str:
    if ratio.interval is None:
        return f"{ratio.value:.3f}; no interval: one run each; --passatk-repeat 3 gives one"
    low, high = ratio.interval
    return f"{ratio.value:.3f}, {level:.0%} interval {low:.3f} to {high:.3f} ({ratio.runs} runs each)"


def runs_of(title: str, repeats: Repeats) -> Iterator[str]:
    """Whether the runs of a suite differ by more than chance, for three runs or more."""
    drift, runs = repeats.drift, f"runs of {visible(title)}"
    if drift is None:
        if len(repeats.sizes) >= FEWEST:
            yield f"{runs}: no χ², since every problem was solved by all samples or by none"
        return
    warning = "; they differ more than their samples explain" if drift.p <= ALARM else ""
    yield f"{runs}: χ² = {drift.statistic:.1f}, df = {drift.df}, {equation(drift.p)}{warning}"


def answered(response: Response) -> str:
    """How pass@1 and pass@k answered together: `response of pass@1 and pass@8: sharpening`."""
    full = ", the benchmark being saturated" if response.before.saturated and response.after.saturated else ""
    return f"response of pass@1 and pass@{response.k}: {response.label}{full}"


def room(response: Response) -> str:
    """What the candidate has left to gain, by a surer hand and by solving more."""
    after = response.after
    return (
        f"headroom: conversion (pass@{response.k} - pass@1) {points(after.conversion)} pp, at most "
        f"{points(after.conversion_limit)}; coverage (1 - pass@{response.k}) {points(after.coverage)} pp, at most "
        f"{points(after.coverage_limit)}"
    )
