"""What the stress suite asks of a runtime."""

from contextlib import AbstractContextManager
from typing import Protocol

from pytest_passatk.core.patch import Live, Patch
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.runtimes.observer import Observer
from pytest_passatk.stress.play import Play
from pytest_passatk.stress.schedule import Schedule


class Runtime(Protocol):
    """A live engine in this process, which plays one schedule after the other; the same schedule gives the same steps.

    It may be forked: a case runs in a child, whose end takes everything with it that the case broke.
    """

    @property
    def name(self) -> str:
        """What a person calls it: `tensor`, `hf:tiny`, `vllm:./model`."""

    @property
    def live(self) -> Live:
        """The engine as patches see it."""

    @property
    def vocabulary(self) -> int:
        """How many tokens there are; prompts are made of them."""

    @property
    def context(self) -> int:
        """The most tokens of a request, prompt and completion."""

    @property
    def arms(self) -> int:
        """How many adapters a schedule may name, the model as it is among them; at least 1."""

    @property
    def tolerance(self) -> float:
        """How far log-probabilities and hidden states of a request alone and in a batch may be apart."""

    @property
    def chunks_seeded(self) -> bool:
        """Whether prompts of requests that are not greedy may be read in parts."""

    def attached(self, patch: Patch | None, observer: Observer) -> AbstractContextManager[None]:
        """Put the engine under a patch, and its steps under an observer, for the block; leaving it restores both.

        The observer calls the patch: the runtime only lets the patch attach itself. Raises UsageError where the patch
        was written for other signatures, or taps a layer that is not there.
        """

    def play(self, schedule: Schedule) -> Play:
        """Drive the engine through a schedule. What breaks in a step comes out as it is."""

    def hooks(self) -> frozenset[str]:
        """The names of all that hooks the engine now (forward hooks, replaced methods); a patch leaves none behind."""

    def close(self) -> None:
        """Let go of the engine; safe to call twice."""


class LoadRuntime(Protocol):
    """What the module of a runtime offers as `load`."""

    def __call__(self, target: str, options: ModelOptions) -> Runtime:
        """The runtime for the part of `--model` behind the colon, ready to play. Raises UsageError or ModelError."""
