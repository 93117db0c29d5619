"""`passatk runs`: one line a run."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from pytest_passatk.commands.columns import aligned
from pytest_passatk.core.summary import model_label
from pytest_passatk.report.text import seconds, visible
from pytest_passatk.store import RunRow, Store, SuiteRow

NAME = "runs"
HELP = "list the runs in the store"
DESCRIPTION = "List the runs in the store, oldest first."
HEADINGS = ("run", "started", "took", "exit", "model", "suites", "command")


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(store: Store, chosen: Namespace) -> None:  # noqa: ARG001 - every command is called alike
    """Print the runs."""
    rows = [HEADINGS, *(_row(each, store.suites(each.id)) for each in store.runs())]
    sys.stdout.writelines(f"{line}\n" for line in aligned(rows))


def _row(run: RunRow, suites: Sequence[SuiteRow]) -> tuple[str, ...]:
    return (
        str(run.id),
        run.started,
        "-" if run.seconds is None else seconds(run.seconds),
        "-" if run.exit is None else str(run.exit),
        ", ".join(dict.fromkeys(map(_model, suites))) or "-",
        ", ".join(map(_suite, suites)) or "-",
        visible(run.command),
    )


def _model(suite: SuiteRow) -> str:
    return visible(model_label(suite.model["name"], suite.model["backend"]))


def _suite(suite: SuiteRow) -> str:
    return f"{visible(suite.full_title)} {suite.problems}x{suite.n}"
