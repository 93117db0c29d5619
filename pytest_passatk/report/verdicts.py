"""The verdicts of a gate, suite by suite."""

from collections.abc import Sequence

from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.glyphs import glyphs_for


def draw_comparisons(
    comparisons: Sequence[Comparison], *, width: int, color: bool, encoding: str = "utf-8", whole: bool = False
) -> str:
    """A block for each suite: the figures with their verdicts, what moved, and what to know about both.

    Args:
        comparisons: in the order to show.
        width: columns of the terminal.
        color: whether to write ANSI colours.
        encoding: of the stream that takes the text; where it has no box signs, ASCII stands in.
        whole: list every problem that moved instead of ten.
    """
    from pytest_passatk.report.verdict_block import draw  # noqa: PLC0415 - rich is slow to import

    text = draw(comparisons, width=width, color=color, glyphs=glyphs_for(encoding), whole=whole)
    return text.encode(encoding, "backslashreplace").decode(encoding)
