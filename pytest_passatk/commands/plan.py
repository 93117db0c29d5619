"""`passatk plan`: how many samples a comparison needs, before any of them is drawn."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from pytest_passatk.commands.columns import aligned
from pytest_passatk.commands.sides import PLACE, OpenStore, add_alpha_argument, add_folder_argument, open_places, parsed
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.estimate import Count, mean_pass_at_k
from pytest_passatk.core.interval import default_ks
from pytest_passatk.gate.family import TOLERANCE, Tolerance, parse_tolerance
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.power import POWER, detectable, fewest, projection, reach
from pytest_passatk.harness.parsers import at_least, between
from pytest_passatk.report.text import visible
from pytest_passatk.report.wording import points

NAME = "plan"
HELP = "say how many samples a comparison with a baseline needs"
DESCRIPTION = (
    "From the counts of a baseline: the smallest drop that a run with n samples a problem is expected to find, and the "
    "samples that it takes to find a given one, with this baseline and with one of four times as many samples."
)
SIZES = (8, 16, 32, 64, 128, 256)
GATES = 2  # of a run of one suite that names none
RICHER = 4  # samples of a good baseline for each sample of a candidate; more gains little


def add_arguments(parser: ArgumentParser) -> None:
    """Which suite, and what to find in it."""
    parser.add_argument("--suite", metavar="TITLE", help="the suite, where the baseline has several")
    parser.add_argument("--baseline", metavar=PLACE, help="what to compare with, where there are several baselines")
    parser.add_argument(
        "--mde", metavar="DROP", type=parsed(parse_tolerance), default=parse_tolerance(TOLERANCE),
        help=f"the drop to find: 3pp, or 5%% of the baseline (default: {TOLERANCE})",
    )  # fmt: skip
    parser.add_argument("--k", type=int, action="append", help="a k of pass@k; repeatable (default: powers of two)")
    add_alpha_argument(parser)
    parser.add_argument(
        "--gates", type=parsed(at_least(1)), default=GATES,
        help=f"figures of the run that share alpha (default: {GATES}, pass@1 and a pass@k of one suite)",
    )  # fmt: skip
    parser.add_argument(
        "--power", type=parsed(between(0.5, 0.999)), default=POWER, help=f"chance to find it (default: {POWER})"
    )
    add_folder_argument(parser)


def run(open_store: OpenStore, chosen: Namespace) -> int:
    """Print the plan."""
    place = chosen.baseline or _only(open_places(open_store, chosen).names(), f"a baseline in {chosen.baselines}")
    places = open_places(open_store, chosen, place)
    baseline = places.get(place, chosen.suite or _only(places.titles(place), f"a suite in {place}", "--suite"))
    if not baseline.problems:
        raise UsageError(f"{place} has no problem of {visible(baseline.title)}: save a run of it first")
    least = min(count.n for count in baseline.counts)
    ks = sorted(set(chosen.k or default_ks(least)))
    if not 1 <= ks[0] <= ks[-1] <= least:
        raise UsageError(f"{place} has {least} samples of a problem: --k must be from 1 to {least}, or sample it more")
    rows = [_headings(chosen.mde), *(_row(baseline.counts, k, chosen) for k in ks)]
    sys.stdout.write("\n".join([_title(baseline, chosen), "", *aligned(rows), "", *_advice(least)]) + "\n")
    return 0


def _only(found: Sequence[str], what: str, option: str = "--baseline") -> str:
    if len(found) == 1:
        return found[0]
    there = ", ".join(map(visible, found)) or "none: make one with pytest … --passatk-save NAME"
    raise UsageError(f"name {what} with {option}: there is {there}")


def _title(baseline: Measurement, chosen: Namespace) -> str:
    sizes = sorted({count.n for count in baseline.counts})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        f"{visible(baseline.title)} against {visible(baseline.label)}: {len(baseline.problems):,} problems x {n}; "
        f"alpha {chosen.alpha:g} over {chosen.gates} gate{'s' if chosen.gates > 1 else ''}, power {chosen.power:g}"
    )


def _headings(drop: Tolerance) -> tuple[str, ...]:
    finds = tuple(f"n={n}" for n in SIZES)
    return ("finds in pp", *finds, f"n for {drop.amount:g}{drop.unit}", f"{RICHER}n baseline")


def _row(counts: Sequence[Count], k: int, chosen: Namespace) -> tuple[str, ...]:
    drop = chosen.mde.share(mean_pass_at_k(counts, k))
    alpha = chosen.alpha / chosen.gates  # the first of Holm's levels
    room = (drop / reach(alpha, chosen.power)) ** 2
    variance = projection(counts, k)
    here = variance(min(count.n for count in counts))
    finds = [points(detectable(here + variance(n), alpha, chosen.power)) if n >= k else "-" for n in SIZES]
    now = fewest(k, lambda n: here + variance(n) <= room)
    richer = fewest(k, lambda n: variance(n) + variance(RICHER * n) <= room)
    return (f"pass@{k}", *finds, _size(now), _size(richer))


def _size(n: int | None) -> str:
    return "none does" if n is None else f"{n:,}"


def _advice(least: int) -> list[str]:
    return [
        f"`none does`: {least} samples a problem leave the baseline itself too uncertain.",
        f"Pool runs of other seeds into it (--passatk-save): {RICHER} samples of the baseline for",
        "one of a candidate are worth having, and are drawn once.",
    ]
