"""The counts of the same problems on both sides of a comparison."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_passatk.core.estimate import Count


@dataclass(frozen=True, slots=True)
class Pair:
    """One problem, before (in the baseline) and after (in the candidate). Raises ValueError where the ids differ."""

    before: Count
    after: Count

    def __post_init__(self) -> None:
        if self.before.id != self.after.id:
            raise ValueError(f"problem {self.before.id!r} cannot be paired with {self.after.id!r}")

    @property
    def id(self) -> str:
        """Of the problem."""
        return self.before.id


def pair_up(before: Iterable[Count], after: Sequence[Count]) -> tuple[Pair, ...]:
    """The problems that both sides have, in the order of `after`."""
    known = {count.id: count for count in before}
    return tuple(Pair(known[count.id], count) for count in after if count.id in known)
