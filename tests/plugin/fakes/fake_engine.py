"""A fake model whose engine would be in the process that samples; it notes who samples what, on which GPU."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fake_model import FakeModel

from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request

LOG = Path("engines.log")  # in the folder of the session


class FakeEngine(FakeModel):
    """Answers as a FakeModel does; `FAKE_DEVICE` is where it says that it runs."""

    loads_weights = True

    def __init__(self, target: str, options: ModelOptions) -> None:
        super().__init__(target, options)
        info = self.info.to_dict() | {"device": os.environ.get("FAKE_DEVICE", "cpu")}
        self.info = ModelInfo(**info)
        self.briefed: list[str] = []

    def brief(self, suites: Sequence[PlannedSuite]) -> Sequence[str]:
        """Remember what is going to be asked."""
        self.briefed = [problem.id for suite in suites for problem in suite.problems]
        return [f"{self.info.name} is briefed"]

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Note a line about this engine, then answer."""
        line = {
            "worker": os.environ.get("PYTEST_XDIST_WORKER", "controller"),
            "pid": os.getpid(),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "model": self.info.name,
            "asked": [f"{request.problem_id}#{request.index}" for request in requests],
            "briefed": len(self.briefed),
        }
        with LOG.open("a") as log:
            log.write(json.dumps(line) + "\n")
        return super().sample(requests)


def load(target: str, options: ModelOptions) -> FakeEngine:
    """For `--model fake_engine:load`."""
    return FakeEngine(target or "engine", options)
