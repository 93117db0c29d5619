"""Which rows of a step go through which distiller, in an order that does not depend on the batch's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_passatk.core.patch import StepRow

EVERYBODY = ""  # the name of the one distiller of all prompts


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by distiller.

    Attributes:
        names: of the distillers, sorted.
        members: for each, numbers of its rows among those that decode, sorted by problem and sample.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    @property
    def width(self) -> int:
        """The most rows of a distiller."""
        return max(map(len, self.members), default=0)

    @property
    def padded(self) -> list[list[int]]:
        """The members, all of one width: shorter ones repeat their first row, so that every number is valid."""
        width = self.width
        return [[*rows, *rows[:1] * (width - len(rows))] for rows in self.members]

    @property
    def sizes(self) -> list[int]:
        """How many rows each distiller has."""
        return [len(rows) for rows in self.members]

    @property
    def places(self) -> dict[int, int]:
        """Where in the padded members, laid end to end, each row is first."""
        width = self.width
        return {row: group * width + at for group, rows in enumerate(self.members) for at, row in enumerate(rows)}


def group(rows: Sequence[StepRow], chosen: Iterable[int], *, shared: bool) -> Groups:
    """Put rows to the distiller of their prompt, or all to a shared one.

    Args:
        rows: those that decode.
        chosen: numbers of those that matter.
        shared: whether there is one distiller for all.
    """
    found: dict[str, list[int]] = {}
    for at in sorted(chosen, key=lambda at: _rank(rows[at])):
        found.setdefault(EVERYBODY if shared else rows[at].problem, []).append(at)
    return Groups(tuple(found), tuple(map(tuple, found.values())))


def leaders(rows: Sequence[StepRow]) -> dict[str, int]:
    """For each prompt the number of its first row: that of the lowest sample."""
    order = sorted(range(len(rows)), key=lambda at: _rank(rows[at]), reverse=True)
    return {rows[at].problem: at for at in order}


def _rank(row: StepRow) -> tuple[str, int, str]:
    return row.problem, row.sample, row.request
