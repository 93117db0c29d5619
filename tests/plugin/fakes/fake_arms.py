"""A fake model that takes several adapters and patches.

The adapter `+7` puts a 7 before what the fake model would say, the patch `fake_patches:Says` what its argument tells.
`FAKE_TURNS` names a file for a line about each batch: arms, runs and seeds.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fake_model import FakeModel

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request

PATCHABLE = True


class FakeArms(FakeModel):
    """Answers for each arm; see the module."""

    def __init__(self, target: str, options: ModelOptions) -> None:
        super().__init__(target, options)
        self._options = options
        self.info = self.info_of(options.arms[0])

    def info_of(self, arm: str) -> ModelInfo:
        """What is recorded of an arm."""
        patch = self._options.patches.get(arm)
        return replace(self.info, adapter=self._options.adapters[arm], patch=str(patch) if patch else None)

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer in order, all arms mixed."""
        if requests and "FAKE_TURNS" in os.environ:
            turn = {
                "arms": sorted({request.arm for request in requests}),
                "repeats": sorted({request.repeat for request in requests}),
                "seeds": [request.seed for request in requests],
            }
            with Path(os.environ["FAKE_TURNS"]).open("a") as log:
                log.write(json.dumps(turn) + "\n")
        arms = {request.stream: request.arm for request in requests}
        for completion in super().sample(requests):
            yield replace(completion, text=self._before(arms[completion.stream]) + completion.text)

    def _before(self, arm: str) -> str:
        patch, adapter = self._options.patches.get(arm), self._options.adapters[arm]
        return (patch.args.get("what", "") if patch else "") + (adapter or "").removeprefix("+")


def load(target: str, options: ModelOptions) -> FakeArms:
    """For `--model fake_arms:load`."""
    return FakeArms(target or "fake", options)
