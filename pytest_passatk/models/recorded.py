"""A model of which only the record is left: it stands for the one that drew the samples of an earlier run."""

from collections.abc import Iterator, Sequence

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import admit


class RecordedModel:
    """Answers nothing: what it drew is in the store.

    Args:
        info: as recorded.
        run: that it drew for.
    """

    def __init__(self, info: ModelInfo, run: int) -> None:
        self.info = info
        self._run = run

    def info_of(self, arm: str) -> ModelInfo:  # noqa: ARG002 - it stands for one arm
        """What was recorded (see `core.protocols.Armed`)."""
        return self.info

    def brief(self, suites: Sequence[PlannedSuite]) -> tuple[str, ...]:
        """Say that nothing is sampled (see `core.protocols.Briefed`)."""
        titles = ", ".join(suite.title for suite in suites)
        return (f"{titles}: the completions of run {self._run} are judged again, and no model is asked",)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Turn down what the store does not have (see `core.protocols.Model`)."""
        for request in requests:
            missing = ModelError(
                f"run {self._run} has no completion of {request.problem_id!r} here: it was cut short, or its model "
                f"could not answer; the command of run {self._run} draws what is missing"
            )
            yield admit.abort(request, missing)

    def close(self) -> None:
        """Nothing is held."""
