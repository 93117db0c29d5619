"""The signs that a report is drawn with, and plain ones for streams that cannot take them."""

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs.

    Attributes:
        rule: under a suite's title.
        dot: between figures.
        dash: between the ends of an interval.
        times: between problems and samples.
        plus_minus: in front of the name of an interval.
        ellipsis: where a list is cut.
        thin: the wider interval in a plot.
        thick: the narrower one.
        point: the estimate.
        arrow: from before to after.
        gutter: in front of each line of foreign text.
        bars: the heights of a bar, ascending.
    """

    rule: str
    dot: str
    dash: str
    times: str
    plus_minus: str
    ellipsis: str
    thin: str
    thick: str
    point: str
    arrow: str
    gutter: str
    bars: str


UNICODE = Glyphs("─", "·", "–", "×", "±", "…", "─", "━", "●", "→", "│", "▁▂▃▄▅▆▇█")
ASCII = Glyphs("-", "|", "-", "x", "+-", "...", "-", "=", "o", "->", "|", ".:-=+*#@")


def glyphs_for(encoding: str) -> Glyphs:
    """Signs that the encoding can take."""
    try:
        "".join(astuple(UNICODE)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
