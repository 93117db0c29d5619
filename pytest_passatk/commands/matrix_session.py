"""A matrix from its file to its table."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size

from pytest_passatk.commands import matrix_json
from pytest_passatk.commands.matrix_cells import Cell, plan_cells
from pytest_passatk.commands.matrix_file import Matrix, read_matrix
from pytest_passatk.commands.matrix_lock import holding
from pytest_passatk.commands.matrix_markdown import to_markdown
from pytest_passatk.commands.matrix_rows import Row, orders, rows_of
from pytest_passatk.commands.matrix_runs import Result, finished, measure
from pytest_passatk.report.glyphs import glyphs_for
from pytest_passatk.report.output import replacing
from pytest_passatk.report.text import seconds, visible

FAILED = 1


def run(chosen: Namespace) -> int:
    """Measure every cell that is not finished, and print the table; returns the exit status."""
    matrix = read_matrix(chosen.file)
    cells = plan_cells(matrix)
    try:
        with holding(matrix.out) as held:
            results = list(_measure_all(cells, held, again=chosen.again))
    except KeyboardInterrupt:
        _tell("interrupted; the same command goes on from here\n")
        raise
    rows = [row for result in results for row in rows_of(result)]
    ks = orders(rows, _asked(matrix), results)
    _print(rows, ks, results)
    if chosen.markdown:
        with replacing(chosen.markdown) as stream:
            stream.write(to_markdown(rows, ks, results))
    if chosen.json:
        matrix_json.write(chosen.json, results, ks)
    failed = any(result.fault for result in results) or (chosen.fail and any(row.regressed for row in rows))
    return FAILED if failed else 0


def _measure_all(cells: Sequence[Cell], held: int | None, *, again: bool) -> Iterator[Result]:
    for number, cell in enumerate(cells, start=1):
        _tell(f"[{number}/{len(cells)}] {visible(cell.title)} ... ")
        result = (None if again else finished(cell)) or measure(cell, held)
        _tell(f"{_outcome(result)}\n")
        yield result


def _outcome(result: Result) -> str:
    if result.fault:
        return f"FAILED after {seconds(result.seconds)}: {result.fault}; see {result.cell.log}"
    return "finished before" if result.reused else f"{result.cell.arms} arms in {seconds(result.seconds)}"


def _asked(matrix: Matrix) -> tuple[int, ...]:
    """The k's of the whole matrix; none where each suite has its own."""
    return tuple(int(k) for text in matrix.options.get("k", ()) for k in text.split(","))


def _print(rows: Sequence[Row], ks: Sequence[int], results: Sequence[Result]) -> None:
    from pytest_passatk.commands.matrix_table import draw  # noqa: PLC0415 - rich is slow to import

    encoding = sys.stdout.encoding or "utf-8"
    text = draw(
        rows, ks, results, width=get_terminal_size().columns,
        color=sys.stdout.isatty() and not os.environ.get("NO_COLOR"), glyphs=glyphs_for(encoding),
    )  # fmt: skip
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)  # noqa: T201 - how far it is
