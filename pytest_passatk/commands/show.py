"""`passatk show`: what a run came to, or the samples of one of its problems."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from shutil import get_terminal_size

from pytest_passatk.baselines.stored import measured
from pytest_passatk.commands.lookup import add_run_arguments, find_problem, find_run, find_suites
from pytest_passatk.commands.transcript import transcript
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.repeats import Repeats, pool_outcomes
from pytest_passatk.core.summary import SuiteSummary, conclude, model_label
from pytest_passatk.gate.drift import between_runs
from pytest_passatk.report.table import render
from pytest_passatk.report.text import seconds, visible
from pytest_passatk.store import RunRow, Store, SuiteRow

NAME = "show"
HELP = "show a run, or one of its problems"
DESCRIPTION = (
    "Show a run: pass@k, recomputed from the verdicts in the store, and the problems in their bands. With a problem: "
    "its prompt, and the text, answer, verdict and reason of every sample."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Which run, and which problem."""
    add_run_arguments(parser)
    parser.add_argument("problem", metavar="PROBLEM", nargs="?", help="the id of a problem, or SUITE[ID]")


def run(store: Store, chosen: Namespace) -> None:
    """Print the run or the problem."""
    found = find_run(store, chosen.run)
    suites = find_suites(store, found, chosen.suite)
    if chosen.problem is None:
        sys.stdout.write(f"{_heading(found)}\n\n{_summaries(store, found, suites)}\n")
        return
    for suite, problem in find_problem(store, suites, chosen.problem):
        title = f"{suite.full_title}[{problem.id}]"
        for line in transcript(title, problem, color=_color(), encoding=_encoding()):
            sys.stdout.write(line + "\n")


def _heading(run: RunRow) -> str:
    ended = "not finished" if run.exit is None else f"exit {run.exit}"
    took = "" if run.seconds is None else f", {seconds(run.seconds)}"
    return (
        f"run {run.id}: {run.started}{took}, {ended}, seed {run.seed}, pytest-passatk {run.version}\n"
        f"{visible(run.command)}"
    )


def _summaries(store: Store, run: RunRow, suites: list[SuiteRow]) -> str:
    width = get_terminal_size().columns
    summaries = [_pooled(store, run, rows) for rows in _by_arm(suites)]
    return render(summaries, width=width, color=_color(), encoding=_encoding(), whole=True)


def _by_arm(suites: Sequence[SuiteRow]) -> list[list[SuiteRow]]:
    """The rows, those that differ in their run only together."""
    arms: dict[tuple[str, str], list[SuiteRow]] = {}
    for suite in suites:
        arms.setdefault((suite.name, suite.arm), []).append(suite)
    return list(arms.values())


def _pooled(store: Store, run: RunRow, rows: Sequence[SuiteRow]) -> SuiteSummary:
    """The summary of a suite in all its runs of a session together."""
    outcomes, sizes = [store.outcomes(row.id) for row in rows], tuple(row.n for row in rows)
    if len(rows) == 1:
        return summarize(replace(rows[0], title=rows[0].full_title), outcomes[0])
    repeats = Repeats(sizes, between_runs(measured(store, run, rows)))
    return replace(summarize(replace(rows[0], n=sum(sizes)), pool_outcomes(outcomes)), repeats=repeats)


def summarize(suite: SuiteRow, outcomes: Sequence[Outcomes]) -> SuiteSummary:
    """The summary of a stored suite, for these outcomes of its problems."""
    return conclude(
        name=suite.name,
        title=suite.title,
        model=model_label(suite.model["name"], suite.model["backend"], suite.model.get("patch")),
        n=suite.n,
        ks=suite.ks,
        outcomes=outcomes,
    )


def _color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"
