"""What judges, items and engines ask of the exchange, wherever in the run they are."""

from dataclasses import dataclass
from typing import Protocol

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.plan import Plan, ProblemKey
from pytest_passatk.core.record import ProblemRecord
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.core.verdict import Verdict
from pytest_passatk.judging import Task


class CutShort(PassatkError):  # noqa: N818 - it is no fault of the problem that waited
    """The run ended before all samples of a problem had a verdict."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine is to answer at once.

    Attributes:
        model: spec of the model.
        requests: all that is missing of it, in the engine's part of the plan.
    """

    model: str
    requests: tuple[Request, ...]


class Counter(Protocol):
    """What judges and items ask of the exchange. Every method raises PassatkError where the run has failed."""

    def open(self, plan: Plan) -> None:
        """Announce what this process is going to judge; every process of a run announces the same."""

    def take(self, owner: str, only: ProblemKey | None = None, timeout: float | None = None) -> Task | None:
        """The next completion to judge, of one problem or of any.

        Waits for it, for `timeout` seconds at most; `None` when no more will come, or none came in time.
        """

    def settle(self, task: Task, verdict: Verdict) -> None:
        """Hand in a verdict."""

    def wait(self, key: ProblemKey, timeout: float) -> ProblemRecord | None:
        """The record of a problem once all its samples have a verdict; `None` when that takes longer (seconds)."""

    def classify(self, key: ProblemKey, classes: tuple[int, ...]) -> None:
        """Hand in the answer classes of a problem's samples."""

    def leave(self, owner: str) -> None:
        """Take and claim nothing more; what was taken and not settled, or claimed and not answered, goes to others."""

    def fail(self, error: PassatkError) -> None:
        """End the run for everybody who waits; what was finished is kept."""


class Desk(Protocol):
    """What an engine asks of the exchange."""

    def claim(self, owner: str) -> Work | None:
        """What this engine is to answer next: of its own shard, or of one whose engine is gone.

        Waits until there is any; `None` when every sample of the run is in, or the run was closed. Raises PassatkError
        where the run has failed.
        """

    def deliver(self, completion: Completion) -> bool:
        """Keep a completion and queue it for the judges; returns whether the run goes on.

        Raises:
            StoreError: it could not be kept.
        """

    def is_over(self) -> bool:
        """Whether the run has ended early."""

    def fail(self, error: PassatkError) -> None:
        """See Counter."""
