"""What the looks at a suite came to that was sampled in stages."""

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_passatk.gate.decision import Decision


@dataclass(frozen=True, slots=True)
class Look:
    """What one look said of one figure.

    Attributes:
        number: of the look, from 1.
        n: samples a problem that it saw.
        level: the one-sided p-value to stop at; 0 where this look could not stop anything.
        delta: the change that it saw.
        bound: its lower limit at 1 − level.
        p_down: mid-p of the pooled permutation test against a drop.
        p_up: against a rise.
        decision: the verdict.
    """

    number: int
    n: int
    level: float
    delta: float
    bound: float
    p_down: float
    p_up: float
    decision: Decision

    @property
    def decided(self) -> bool:
        """Whether nothing more has to be sampled for it."""
        return self.decision is not Decision.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Looks:
    """How far the sampling of a suite went.

    Attributes:
        sizes: samples a problem at each look that was planned; the last is the n that was asked for.
        taken: how many looks were taken.
        lines: for the k of each gated pass@k, the look that decided it, or the last one taken.
    """

    sizes: tuple[int, ...]
    taken: int
    lines: Mapping[int, Look]

    @property
    def n(self) -> int:
        """Samples a problem that were drawn."""
        return self.sizes[self.taken - 1]

    @property
    def planned(self) -> int:
        """Samples a problem that were asked for."""
        return self.sizes[-1]

    @property
    def saved(self) -> float:
        """The share of the samples that nobody had to draw."""
        return 1 - self.n / self.planned
