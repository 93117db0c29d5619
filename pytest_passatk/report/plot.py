"""Small plots made of signs; arithmetic that knows no terminal."""

from collections.abc import Sequence

from pytest_passatk.core.interval import Estimate
from pytest_passatk.report.glyphs import Glyphs

BINS = 17  # bars of a histogram at most


def whisker(estimate: Estimate, width: int, glyphs: Glyphs) -> str:
    """The estimate on a scale of `width` columns from 0 to 1, in its run interval, in its population interval."""
    signs = [" "] * width
    for (low, high), sign in (
        (estimate.population, glyphs.thin),
        (estimate.run, glyphs.thick),
        ((estimate.value, estimate.value), glyphs.point),
    ):
        start, end = round(low * (width - 1)), round(high * (width - 1))
        signs[start : end + 1] = sign * (end + 1 - start)
    return "".join(signs)


def histogram(solved: Sequence[int], n: int, glyphs: Glyphs) -> str:
    """How many problems have 0, 1, … n solved samples, one bar each; a blank is none. Many n share a bar."""
    bins = min(n + 1, BINS)
    heights = [0] * bins
    for c in solved:
        heights[c * (bins - 1) // n] += 1
    tallest = max(heights, default=0)
    return "".join(_bar(height, tallest, glyphs.bars) for height in heights)


def _bar(height: int, tallest: int, bars: str) -> str:
    """The lowest bar from one problem on, so that a single one is seen."""
    return bars[(height * len(bars) - 1) // tallest] if height else " "
