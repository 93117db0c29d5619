"""A fake model that takes several adapters: the adapter `+7` puts a 7 before what the fake model would say."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fake_model import FakeModel

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request


class FakeArms(FakeModel):
    """Answers for each arm; see the module."""

    def __init__(self, target: str, options: ModelOptions) -> None:
        super().__init__(target, options)
        self._adapters = options.adapters

    def info_of(self, arm: str) -> ModelInfo:
        """What is recorded of an arm."""
        return replace(self.info, adapter=self._adapters[arm])

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer in order, all arms mixed."""
        arms = {request.stream: request.arm for request in requests}
        for completion in super().sample(requests):
            adapter = self._adapters[arms[completion.stream]]
            yield replace(completion, text=(adapter or "").removeprefix("+") + completion.text)


def load(target: str, options: ModelOptions) -> FakeArms:
    """For `--model fake_arms:load`."""
    return FakeArms(target or "fake", options)
