"""Holm's adjustment of p-values for the number of tests."""

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """The adjusted p-values, in the order given: reject those at most alpha, and any false one has at most that chance.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.
    """
    adjusted, floor = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        floor = max(floor, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = floor
    return adjusted
