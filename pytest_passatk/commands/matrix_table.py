"""A matrix on the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pytest_passatk.commands.matrix_rows import Row
from pytest_passatk.commands.matrix_runs import Result
from pytest_passatk.commands.matrix_words import caveats, foot, moved, ratio, share, speed, took, verdict
from pytest_passatk.report.glyphs import Glyphs
from pytest_passatk.report.paper import printed
from pytest_passatk.report.text import visible

STYLES = {"improved": "bold green", "ok": "green", "regressed": "bold red", "inconclusive": "yellow"}


def draw(
    rows: Sequence[Row], ks: Sequence[int], results: Sequence[Result], *, width: int, color: bool, glyphs: Glyphs
) -> str:
    """A line for each arm, with a second one for what it changed; then the cells that failed, and what to know.

    Args:
        rows: in the order to show.
        ks: the k's to show.
        results: of all cells.
        width: columns of the terminal.
        color: whether to write ANSI colours.
        glyphs: signs to draw with.
    """
    things: list[RenderableType] = [
        *([_table(rows, ks, glyphs)] if rows else []),
        *_failures(results),
        *_foot(rows, results),
    ]
    return printed(things, width=width, color=color)


def _table(rows: Sequence[Row], ks: Sequence[int], glyphs: Glyphs) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("model, suite", "arm", *(f"pass@{k}" for k in ks), "tokens/s, wall"):
        table.add_column(name, overflow="fold")
    before = None
    for row in rows:
        here = (row.model, row.suite)
        name = "" if here == before else "\n".join(map(visible, here))
        table.add_row(Text(name), Text(visible(row.arm)), *_cells(row, ks, glyphs))
        before = here
    return table


def _cells(row: Row, ks: Sequence[int], glyphs: Glyphs) -> Iterator[Text]:
    for k in ks:
        yield Text("\n").join(_pass(row, k, glyphs))
    yield Text("\n".join(_plain(line, glyphs) for line in (speed(row), took(row), *filter(None, _ratio(row)))))


def _pass(row: Row, k: int, glyphs: Glyphs) -> Iterator[Text]:
    yield Text(_plain(" ".join(share(row.passes.get(k))).rstrip(), glyphs))
    if found := row.changes.get(k):
        yield Text(_plain(" ".join(moved(found)), glyphs), style="dim")
        yield Text(verdict(found), style=STYLES[found.decision] if found.gated else "dim")
    elif row.incomparable:
        yield Text("incomparable", style="bold red")


def _ratio(row: Row) -> Iterator[str]:
    value, ends = ratio(row)
    yield f"× {value}" if value else ""
    yield ends


def _plain(text: str, glyphs: Glyphs) -> str:
    return text.replace("–", glyphs.dash).replace("×", glyphs.times)


def _failures(results: Sequence[Result]) -> Iterator[Text]:
    for result in results:
        if result.fault:
            words = f"failed: {result.cell.title}: {result.fault}; see {result.cell.log}"
            yield Text(visible(words), style="bold red", overflow="fold")


def _foot(rows: Sequence[Row], results: Sequence[Result]) -> Iterator[Text]:
    yield Text()
    for line in (*foot(results), *caveats(rows)):
        yield Text(visible(line), style="dim", overflow="fold")
