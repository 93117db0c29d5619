"""Simulated runs, in the types that the gate takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from generators import Floats, Generator
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count
from pytest_passatk.gate.measurement import Measured, Measurement
from pytest_passatk.gate.pairs import Pair

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated: a kind of problems and how many, samples of each before and after, and the k of pass@k."""

    kind: Generator
    problems: int
    n_before: int
    n_after: int
    k: int

    @property
    def cells(self) -> tuple[object, ...]:
        """The first cells of a row, under COLUMNS."""
        return self.kind.letter, self.problems, f"{self.n_before} / {self.n_after}", self.k

    def sides(
        self, draw: np.random.Generator, runs: int, change: Callable[[Floats], Floats]
    ) -> Iterator[tuple[Ints, Ints]]:
        """Passes before and after, a run at a time; `change` takes the rates of all runs to those after."""
        rates = self.kind.draw(draw, (runs, self.problems))
        after = change(rates)
        return zip(draw.binomial(self.n_before, rates), draw.binomial(self.n_after, after), strict=True)

    def pairs(self, before: Ints, after: Ints) -> list[Pair]:
        """One run of it, paired."""
        sides = zip(counts_of(before, self.n_before), counts_of(after, self.n_after), strict=True)
        return [Pair(*counts) for counts in sides]


COLUMNS = ("rates", "P", "n before / after", "k")


def counts_of(passes: Sequence[int] | Ints, n: int) -> list[Count]:
    """The passes of each problem, of n samples."""
    return [Count(str(number), n, int(c)) for number, c in enumerate(passes)]


def measurement(label: str, passes: Sequence[int] | Ints, n: int) -> Measurement:
    """A run as a side of a comparison."""
    problems = tuple(Measured(str(number), n, int(c)) for number, c in enumerate(passes))
    return Measurement(label, "simulated", {}, {}, None, None, (), problems)
