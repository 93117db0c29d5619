"""What the looks at a suite came to that was sampled in stages."""

from collections.abc import Iterator, Mapping
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
        levels: by k, the p-value to stop at at the last look that was planned.
        gates: how many figures of the run shared alpha.
    """

    sizes: tuple[int, ...]
    taken: int
    lines: Mapping[int, Look]
    levels: Mapping[int, float]
    gates: int

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

    def notes(self, problems: int) -> Iterator[str]:
        """What a reader should know, for a suite of so many problems."""
        shared = f" / {self.gates} for each gate" if self.gates > 1 else ""
        yield (
            f"sampled in stages, {self.taken} of {len(self.sizes)}: {problems * self.n:,} of "
            f"{problems * self.planned:,} samples ({self.saved:.0%} saved); its looks together spend alpha{shared}"
        )
        for k, look in self.lines.items():
            if look.number < self.taken:
                yield f"pass@{k} was decided at {look.n} samples a problem: {look.decision}, {_points(look.delta)}"


def _points(delta: float) -> str:
    return f"{100 * delta:+.1f} points then"
