"""`passatk rejudge`: the completions of a run through the present verifier, and which verdicts that changes."""

import json
import os
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_passatk.commands.changes import SuiteChanges, Verdicts, compare, read_verdicts
from pytest_passatk.commands.lookup import add_run_arguments, find_run, find_suites
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.rejudging import PLUGIN, Rejudging
from pytest_passatk.report.text import visible
from pytest_passatk.store import RunRow, Store, SuiteRow

NAME = "rejudge"
HELP = "judge the completions of a run again"
DESCRIPTION = (
    "Judge the stored completions of a run again, with the verifier as it is now: repeats the run's pytest command in "
    "this folder, without its model, and lists the verdicts that changed. The new verdicts belong to a new run."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Which run, and how to tell."""
    add_run_arguments(parser)
    parser.add_argument("--json", action="store_true", help="write what changed as one JSON document")


def run(store: Store, chosen: Namespace) -> None:
    """Judge again, and print what changed."""
    found = find_run(store, chosen.run)
    suites = find_suites(store, found, chosen.suite)
    before = {suite.key: read_verdicts(store, suite) for suite in suites}
    number, altered = _judge(store, found, suites, chosen.suite)
    after = {suite.key: suite for suite in store.suites(number)}
    changes = [
        compare(before[suite.key], _verdicts(store, after.get(suite.key), suite), altered.get(str(suite.id), ()))
        for suite in suites
    ]
    write = _json if chosen.json else _table
    sys.stdout.write(write(found.id, number, changes))


def _verdicts(store: Store, after: SuiteRow | None, before: SuiteRow) -> Verdicts:
    return read_verdicts(store, after) if after else Verdicts(before, {}, ())


def _judge(
    store: Store, run: RunRow, suites: Sequence[SuiteRow], title: str | None
) -> tuple[int, Mapping[str, Sequence[str]]]:
    """Repeat the run's command; returns the number of the new run, and the problems that are other ones now.

    Raises:
        UsageError: pytest could not judge anything.
    """
    words = _command(store, run)
    shown = shlex.join(["pytest", *words])
    typed = ["passatk", "rejudge", str(run.id), *(["--suite", title] if title else [])]
    with TemporaryDirectory(prefix="passatk-") as folder:
        report, changed = Path(folder, "report.json"), Path(folder, "changed.json")
        order = Rejudging(
            run.id, str(Path(store.where).absolute()), tuple(suite.id for suite in suites), shlex.join(typed),
            str(report), str(changed),
        )  # fmt: skip
        print(f"passatk: judging run {run.id} again: {visible(shown)}", file=sys.stderr, flush=True)  # noqa: T201 - what it does
        status = subprocess.call(  # noqa: S603 - the user's own command, and their own Python
            [sys.executable, "-m", "pytest", "-p", PLUGIN, *words],
            env={**os.environ, **order.to_environment()},
            stdout=2,  # standard output is for what changed
        )
        altered: Mapping[str, Sequence[str]] = _read(changed) or {}
        number = (_read(report) or {}).get("run", {}).get("id")
    if number is None:
        raise UsageError(
            f"run {run.id} was not judged again: pytest ended with status {status}, and its lines above say why"
            f"{_hints(suites, altered)}: the command is to be repeated where it was typed, with its files in place and "
            f"the PASSATK_ variables of then: {visible(shown)}"
        )
    return number, altered


def _command(store: Store, run: RunRow) -> list[str]:
    """The arguments of pytest that a run was started with; a run that judged another one again had those of that."""
    words = shlex.split(run.command)
    while words[:2] == ["passatk", "rejudge"]:
        words = shlex.split(find_run(store, words[2]).command)
    return words[1:]


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def _hints(suites: Iterable[SuiteRow], altered: Mapping[str, Sequence[str]]) -> str:
    """What can be said of suites of which nothing was judged."""
    names = [f"{visible(suite.title)} ({_gone(suite, altered)})" for suite in suites]
    return f"; {', '.join(names)}"


def _gone(suite: SuiteRow, altered: Mapping[str, Sequence[str]]) -> str:
    if ids := altered.get(str(suite.id)):
        return f"prompt or settings of {len(ids)} problems changed, such as {visible(ids[0])}"
    file = suite.name.partition("::")[0]
    return f"{visible(file)} is not here" if not Path(file).exists() else "not collected"


def _table(old: int, new: int, changes: Sequence[SuiteChanges]) -> str:
    total, judged = sum(len(each.changes) for each in changes), sum(each.judged for each in changes)
    head = f"run {old} judged again as run {new}: {total:,} of {judged:,} verdicts changed\n"
    return head + "".join(f"\n{line}\n" for each in changes for line in ["\n".join(each.lines())])


def _json(old: int, new: int, changes: Sequence[SuiteChanges]) -> str:
    document = {"run": old, "rejudged": new, "suites": [each.to_dict() for each in changes]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
