"""A fake model that drifts: in the first of several runs every answer is what the prompt says first, later none is."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fake_model import FakeModel

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Completion, Request


class FakeDrift(FakeModel):
    """Answers by the number of the run; see the module."""

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Answer in order."""
        repeats = {request.stream: request.repeat for request in requests}
        for completion in super().sample(requests):
            yield replace(completion, text="8" if repeats[completion.stream] else "7")


def load(target: str, options: ModelOptions) -> FakeDrift:
    """For `--model fake_drift:load`."""
    return FakeDrift(target or "drift", options)
