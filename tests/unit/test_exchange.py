"""The ends of an exchange."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.plan import Plan, PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import Completion, Request, SamplingParams
from pytest_passatk.sampling.counter import CutShort
from pytest_passatk.sampling.exchange import Exchange
from pytest_passatk.store import Store

PATIENCE = 60.0  # seconds; only to end a hang
PLAN = Plan((PlannedSuite("t", "x", SamplingParams(), 1, (1,), False, (PlannedProblem("p", "1", "judge"),)),), 0)


class FakeLateModel:
    """Takes its time to say what it is, as an engine does whose libraries are imported first."""

    def __init__(self) -> None:
        self.asked, self.stopped = Event(), Event()

    @property
    def info(self) -> ModelInfo:
        self.asked.set()
        assert self.stopped.wait(PATIENCE)
        raise ModelError("it was stopped")

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        raise NotImplementedError

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.stop()


def test_a_run_that_is_cut_short_waits_for_no_model_and_has_not_failed() -> None:
    model = FakeLateModel()
    exchange = Exchange(lambda: Store(None), lambda _: model)
    with ThreadPoolExecutor(1) as worker:
        opened = worker.submit(exchange.open, PLAN)
        assert model.asked.wait(PATIENCE)
        exchange.close()
        with pytest.raises(CutShort, match="cut short"):
            opened.result(PATIENCE)
    assert exchange.failure is None
    with pytest.raises(CutShort, match="cut short"):  # as another worker would, that comes later
        exchange.open(PLAN)
