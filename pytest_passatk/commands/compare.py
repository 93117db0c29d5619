"""`passatk compare`: the gate on what was measured before, with no model."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size

from pytest_passatk.baselines.places import Places
from pytest_passatk.commands.sides import PLACE, OpenStore, add_alpha_argument, add_folder_argument, open_places, parsed
from pytest_passatk.core.interval import default_ks
from pytest_passatk.gate.comparability import KINDS, find_differences
from pytest_passatk.gate.compare import compare, settle
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.family import TOLERANCE, Policy, parse_requirement
from pytest_passatk.report import json_report
from pytest_passatk.report.text import visible
from pytest_passatk.report.verdicts import draw_comparisons

NAME = "compare"
HELP = "compare two baselines or runs"
DESCRIPTION = (
    "Compare B with A: pass@k with verdicts, and the problems that moved. Exit status: 0; 1 where a gated figure "
    "regressed; 4 where the two cannot be compared."
)
REGRESSED, REFUSED = 1, 4  # as a run of pytest has them


def add_arguments(parser: ArgumentParser) -> None:
    """What with what, and when it fails."""
    parser.add_argument("before", metavar="A", help=f"the baseline: {PLACE}")
    parser.add_argument("after", metavar="B", help=f"the candidate: {PLACE}")
    parser.add_argument("--suite", metavar="TITLE", help="one suite of B, by its title")
    parser.add_argument(
        "--fail", metavar="METRIC:DROP", type=parsed(parse_requirement), action="append", default=[],
        help=f"gate on a figure, such as pass@1:3pp; repeatable (default: pass@1 and one larger k, each {TOLERANCE})",
    )  # fmt: skip
    add_alpha_argument(parser)
    parser.add_argument(
        "--allow-change", "--passatk-allow-change", metavar="KIND", choices=KINDS, action="append", default=[],
        help=f"compare although this differs: {', '.join(KINDS)}; repeatable",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="an inconclusive gate fails, too")
    parser.add_argument("--all", action="store_true", help="list every problem that moved")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything, every problem that moved included")
    add_folder_argument(parser)


def run(open_store: OpenStore, chosen: Namespace) -> int:
    """Print the comparisons; returns the exit status."""
    places = open_places(open_store, chosen, chosen.before, chosen.after)
    titles = [chosen.suite] if chosen.suite else places.titles(chosen.after)
    asked = {metric: amount for each in chosen.fail for metric, amount in each.items()}
    policy = Policy(asked, chosen.alpha)
    found = settle([_compare(places, chosen, title, policy) for title in titles])
    sys.stdout.write(
        draw_comparisons(
            found,
            width=get_terminal_size().columns,
            color=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
            encoding=sys.stdout.encoding or "utf-8",
            whole=chosen.all,
        )
        + "\n"
    )
    _tell_left(places, chosen, titles)
    if chosen.json:
        json_report.write_comparisons(chosen.json, found)
    if any(comparison.incomparable for comparison in found):
        return REFUSED
    failed = any(each.regressed or (chosen.strict and each.inconclusive) for each in found)
    return REGRESSED if failed else 0


def _compare(places: Places, chosen: Namespace, title: str, policy: Policy) -> Comparison:
    before, after = places.get(chosen.before, title), places.get(chosen.after, title)
    lacking = [name for place in (chosen.before, chosen.after) for name in places.unmeasured(place, title)]
    differences = find_differences(before, after, unmeasured=lacking, allowed=chosen.allow_change)
    if differences.incomparable:
        return Comparison(
            title, before, after, policy, (), (), (), notes=differences.notes, incomparable=differences.incomparable
        )
    found = compare(before, after, default_ks(min((count.n for count in after.counts), default=1)), policy)
    return replace(found, notes=(*differences.notes, *found.notes))


def _tell_left(places: Places, chosen: Namespace, titles: Sequence[str]) -> None:
    """Say which suites of A nothing was said of."""
    left = [] if chosen.suite else sorted({*places.titles(chosen.before)} - {*titles})
    if left:
        named = ", ".join(map(visible, left))
        print(f"passatk: not compared, since {chosen.after} has no such suite: {named}", file=sys.stderr)  # noqa: T201 - the command's own output
