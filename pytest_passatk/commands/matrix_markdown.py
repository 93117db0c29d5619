"""A matrix as a page of Markdown."""

from collections.abc import Iterator, Sequence

from pytest_passatk.commands.matrix_rows import Row
from pytest_passatk.commands.matrix_runs import Result
from pytest_passatk.commands.matrix_words import caveats, foot, moved, ratio, share, speed, took, verdict
from pytest_passatk.report.markdown_text import SENTENCE, bullets, code, table


def to_markdown(rows: Sequence[Row], ks: Sequence[int], results: Sequence[Result]) -> str:
    """One table, then the cells that failed, and what to know.

    Args:
        rows: in the order to show.
        ks: the k's to show.
        results: of all cells.
    """
    return "\n\n".join(filter(None, _sections(rows, ks, results))) + "\n"


def _sections(rows: Sequence[Row], ks: Sequence[int], results: Sequence[Result]) -> Iterator[str]:
    changed = any(row.changes or row.incomparable for row in rows)
    if rows:
        cells = [_cells(row, ks, changed=changed) for row in rows]
        yield table(_header(ks, changed=changed), cells, len(rows))
    failed = [f"{code(each.cell.title)}: {code(each.fault, SENTENCE)}" for each in results if each.fault]
    if failed:
        yield "Failed:\n\n" + bullets(failed, len(failed))
    if lines := [*foot(results), *(code(line, SENTENCE) for line in caveats(rows))]:
        yield bullets(lines, len(lines))


def _header(ks: Sequence[int], *, changed: bool) -> list[str]:
    changes = [name for k in ks for name in (f"pass@{k}: change", "verdict")]
    head = ["model", "suite", "arm", *(f"pass@{k}" for k in ks), "tokens/s", "wall"]
    return [*head, *changes, "tokens/s ratio"] if changed else head


def _cells(row: Row, ks: Sequence[int], *, changed: bool) -> list[str]:
    cells = [code(row.model), code(row.suite), code(row.arm) if row.arm else ""]
    cells += [_with_ends(*share(row.passes.get(k))) for k in ks]
    cells += [speed(row), took(row)]
    return [*cells, *_changes(row, ks), _with_ends(*ratio(row))] if changed else cells


def _changes(row: Row, ks: Sequence[int]) -> Iterator[str]:
    for k in ks:
        if found := row.changes.get(k):
            yield _with_ends(*moved(found))
            yield f"**{verdict(found)}**" if found.gated else verdict(found)
        else:
            yield ""
            yield "**incomparable**" if row.incomparable else ""


def _with_ends(value: str, ends: str) -> str:
    return f"{value} ({ends.replace('–', ' to ')})" if ends else value
