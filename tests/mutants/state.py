"""Patches that keep something for each request, and change what it draws by that: sound ones, and such with one fault.

Each says that requests do not see each other under it.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

from pytest_passatk.core.patch import Claim, Live, Patch, StepRow, StepView, Tensor

BIAS = 3.0
TOKEN = 7
BUDGET = 3  # tokens, before one is forced
CERTAIN = 20.0


class Bias(Patch):
    """Makes a token likelier that follows from the problem."""

    claim = Claim.OTHER_DISTRIBUTION
    independent = True

    def begin_step(self, view: StepView) -> None:
        self.view = view

    def modify_candidates(self, logits: Tensor) -> Tensor:
        changed = logits.clone()
        for at, row in self.places(len(logits)):
            changed[at, TOKEN + int(row.problem)] += BIAS
        return changed

    def places(self, count: int) -> Iterable[tuple[int, StepRow]]:
        """The rows of `count` logits, and whose they are."""
        del count
        return enumerate(self.view.rows)


class PackedRow(Bias):
    """The packed row of a request is taken for its row of logits."""

    def places(self, count: int) -> Iterable[tuple[int, StepRow]]:
        return [(min(row.row, count - 1), row) for row in self.view.rows]


class DecodeFirst(Bias):
    """The requests that decode are taken to have the first rows of logits."""

    def places(self, count: int) -> Iterable[tuple[int, StepRow]]:
        del count
        return enumerate(self.view.decode)


class BatchMean(Bias):
    """Takes half the mean of the batch from each row."""

    def modify_candidates(self, logits: Tensor) -> Tensor:
        return logits - logits.nan_to_num(neginf=0.0).mean(0, keepdim=True) / 2


class Budget(Bias):
    """Forces a token once so many have been drawn."""

    def attach(self, live: Live) -> Any:
        self.drawn: Counter[Hashable] = Counter()
        return super().attach(live)

    def modify_candidates(self, logits: Tensor) -> Tensor:
        changed = logits.clone()
        for at, row in enumerate(self.view.rows):
            key = self.key(at, row)
            self.drawn[key] += self.counts(row)
            changed[at, TOKEN] += CERTAIN * (self.drawn[key] > BUDGET)
        return changed

    def key(self, at: int, row: StepRow) -> Hashable:
        """What is counted by."""
        del at
        return row.request

    def counts(self, row: StepRow) -> bool:
        """Whether this step counts."""
        return row.samples


class BudgetByProblem(Budget):
    """All samples of a problem have one budget."""

    def key(self, at: int, row: StepRow) -> Hashable:
        del at
        return row.problem


class BudgetByRow(Budget):
    """A row of the batch has one, whoever is there."""

    def key(self, at: int, row: StepRow) -> Hashable:
        del row
        return at


class BudgetOfParts(Budget):
    """A part of a prompt counts like a token."""

    def counts(self, row: StepRow) -> bool:
        del row
        return True


class BudgetForgotten(Budget):
    """What was counted is forgotten where a request is not in the batch: once it is thrown out, it has a new budget."""

    def begin_step(self, view: StepView) -> None:
        super().begin_step(view)
        here = {row.request for row in view.rows}
        self.drawn = Counter({key: count for key, count in self.drawn.items() if key in here})


class Pool(Patch):
    """A slot of a pool for each request, given back once it is out of the batch."""

    def attach(self, live: Live) -> Any:
        self.free = list(range(live.capacity))
        self.slots: dict[str, int] = {}
        return super().attach(live)

    def begin_step(self, view: StepView) -> None:
        here = {row.request for row in view.rows}
        for name in self.slots.keys() - here:
            self.give_back(name)
        for name in here - self.slots.keys():
            self.slots[name] = self.free.pop()

    def give_back(self, name: str) -> None:
        self.free.append(self.slots.pop(name))


class PoolNeverRefilled(Pool):
    """No slot is ever given back."""

    def give_back(self, name: str) -> None:
        pass
