"""Finding what a command line names, and saying what there is where it names nothing."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pytest_passatk.core.errors import UsageError
from pytest_passatk.report.text import visible
from pytest_passatk.store import ProblemRow, RunRow, Store, SuiteRow

EXAMPLES = 5


def add_run_arguments(parser: ArgumentParser) -> None:
    """The arguments that say which part of which run."""
    parser.add_argument("run", metavar="RUN", help="the number of a run, or `last`")
    parser.add_argument("--suite", metavar="TITLE", help="one suite of the run, by its title")


def find_run(store: Store, named: str) -> RunRow:
    """The run of that number, or the last one. Raises UsageError."""
    runs = store.runs()
    if not runs:
        raise UsageError(f"{store.where}: there is no run in it yet: run a suite with pytest first")
    if named == "last":
        return runs[-1]
    for run in runs:
        if str(run.id) == named:
            return run
    raise UsageError(
        f"no run {named!r} in {store.where}: it has runs {runs[0].id} to {runs[-1].id}; `passatk runs` lists them, "
        "and `last` names the last"
    )


def find_suites(store: Store, run: RunRow, title: str | None) -> list[SuiteRow]:
    """The suites of the run with that title or node id, or all of them. Raises UsageError."""
    suites = store.suites(run.id)
    found = [suite for suite in suites if title is None or title in {suite.title, suite.full_title, suite.name}]
    if not found:
        asked = "a suite" if title is None else f"suite {title!r}"
        has = ", ".join(visible(suite.full_title) for suite in suites) or "none"
        raise UsageError(f"run {run.id} has no such thing as {asked}; its suites: {has}")
    return found


def find_problem(store: Store, suites: Sequence[SuiteRow], named: str) -> list[tuple[SuiteRow, ProblemRow]]:
    """The problem, given as `ID` or `SUITE[ID]`, in every suite that has it. Raises UsageError."""
    found = [
        (suite, problem)
        for suite in suites
        for problem in store.problems(suite.id, _id_within(suite, named))
    ]  # fmt: skip
    if not found:
        known = [visible(each.id) for suite in suites for each in store.outcomes(suite.id)]
        raise UsageError(f"no problem {named!r} in {_titles(suites)}; {_nearest(named, known)}")
    return found


def _id_within(suite: SuiteRow, named: str) -> str:
    for prefix in (f"{suite.full_title}[", f"{suite.title}["):
        if named.startswith(prefix) and named.endswith("]"):
            return named[len(prefix) : -1]
    return named


def _titles(suites: Iterable[SuiteRow]) -> str:
    return ", ".join(visible(suite.full_title) for suite in suites)


def _nearest(named: str, known: Sequence[str]) -> str:
    close = get_close_matches(named, known, EXAMPLES, cutoff=0.5)
    if close:
        return f"near to it: {', '.join(close)}"
    return f"there are {len(known):,}, such as {', '.join(known[:EXAMPLES])}"
