"""What a person, or another program, reads after a run."""

from collections.abc import Sequence

from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.report.json_report import to_json, write

__all__ = ["render", "to_json", "write"]


def render(
    summaries: Sequence[SuiteSummary], *, width: int, color: bool, encoding: str = "utf-8", whole: bool = False
) -> str:
    """The summaries as text for a terminal; see `pytest_passatk.report.table.render`."""
    from pytest_passatk.report import table  # noqa: PLC0415 - rich is slow to import, and this is the end of the run

    return table.render(summaries, width=width, color=color, encoding=encoding, whole=whole)
