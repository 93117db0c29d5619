"""Rows become problems, and a row that cannot is named."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.suite import Row, Suite


def load_problems(suite: Suite, limit: int | None = None) -> list[Problem]:
    """The problems of a suite, in order.

    Args:
        suite: whose rows to read.
        limit: the most problems to read; `None` reads all.

    Raises:
        UsageError: there is no row, a row is no mapping, two rows have one id, or the file cannot be read.
    """
    where = f"{suite.file}: {suite.body.__name__}"
    numbered = enumerate(islice(_rows(suite), limit))
    problems = [_problem(suite, number, row, where) for number, row in numbered]
    if not problems:
        raise UsageError(f"{where}: the suite has no rows: {_remedy(suite)}")
    _refuse_duplicates(problems, where)
    return problems


def _remedy(suite: Suite) -> str:
    if isinstance(suite.rows, Iterator):
        return "a generator can be read only once, so give @suite a list, or a function that returns the rows"
    return "give at least one row to @suite"


def _rows(suite: Suite) -> Iterable[Row]:
    if isinstance(suite.rows, Path):
        return read_json_lines(suite.rows)
    return suite.rows() if callable(suite.rows) else suite.rows


def read_json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON Lines file, blank lines left out. Raises UsageError with file and line."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _parse(line, f"{path}:{number}")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: the suite's rows are read from there") from error


def _parse(line: str, where: str) -> Mapping[str, Any]:
    try:
        row: Mapping[str, Any] = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: not JSON ({error.msg}): one object a line is wanted") from error
    return row


def _problem(suite: Suite, number: int, row: Row, where: str) -> Problem:
    if isinstance(row, Problem):
        return row
    if not isinstance(row, Mapping):
        raise UsageError(
            f"{where}: row {number} is a {type(row).__name__}: a mapping of columns or a Problem is wanted"
        )
    id_ = str(row.get(suite.id, number))
    if not id_ or not id_.isprintable():
        raise UsageError(f"{where}: row {number} has the id {id_!r}: printable text is wanted, it is part of a test id")
    return Problem(id_, row.get(suite.answer), row.get(suite.tests), row)


def _refuse_duplicates(problems: list[Problem], where: str) -> None:
    times = Counter(problem.id for problem in problems)
    twice = [id_ for id_, count in times.items() if count > 1]
    if twice:
        raise UsageError(f"{where}: {len(twice)} problem ids come twice, the first is {twice[0]!r}: ids must be unique")
