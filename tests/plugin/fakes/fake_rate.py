"""A fake model that is right by chance: `fake_rate:load:0.7` answers 7 of 10 requests as the prompt says, else 8.

Chance is the request's seed, so that a sample is the same whenever it is asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from fake_model import FakeModel

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request


class FakeRate(FakeModel):
    """Answers by chance; see the module."""

    def __init__(self, target: str, options: ModelOptions) -> None:
        super().__init__("rate", options)
        self.info = ModelInfo(**self.info.to_dict() | {"revision": target})
        self._rate = float(target)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer in order."""
        seeds = {(request.stream, request.index): request.seed for request in requests}
        for completion in super().sample(requests):
            right = Random(seeds[completion.stream, completion.index]).random() < self._rate
            yield completion if right else replace(completion, text="8")


def load(target: str, options: ModelOptions) -> FakeRate:
    """For `--model fake_rate:load:RATE`."""
    return FakeRate(target, options)
