"""The table of a run, suite by suite."""

from collections.abc import Sequence

from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.report.glyphs import glyphs_for


def render(
    summaries: Sequence[SuiteSummary], *, width: int, color: bool, encoding: str = "utf-8", whole: bool = False
) -> str:
    """A block for each suite: pass@k for each k, the other figures, and the problems in their bands.

    Args:
        summaries: in the order to show.
        width: columns of the terminal.
        color: whether to write ANSI colours.
        encoding: of the stream that takes the text; where it has no box signs, ASCII stands in.
        whole: list every problem instead of as many as fit into two lines.
    """
    from pytest_passatk.report.block import draw  # noqa: PLC0415 - rich is slow to import, and needed once, at the end

    text = draw(summaries, width=width, color=color, glyphs=glyphs_for(encoding), whole=whole)
    return text.encode(encoding, "backslashreplace").decode(encoding)
