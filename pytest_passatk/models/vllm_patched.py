"""An arm's patch on a running vLLM engine, for one wave of requests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.patch import PatchSpec
from pytest_passatk.models.vllm_flight import Flight
from pytest_passatk.patches.registry import make
from pytest_passatk.runtimes.contexts import named
from pytest_passatk.runtimes.observer import PatchObserver
from pytest_passatk.runtimes.vllm_hooks import VllmHooks
from pytest_passatk.runtimes.vllm_live import find_runner


class Patched:
    """Puts an engine under a patch of its own making.

    Args:
        engine: vLLM's `LLMEngine`.
        spec: says which patch.

    Raises:
        UsageError: the patch cannot be made, or the engine runs where no patch reaches it.
    """

    def __init__(self, engine: Any, spec: PatchSpec) -> None:
        self.name = f"--patch {spec.name}"
        self._patch = make(spec)
        self._hooks = VllmHooks(engine, find_runner(engine))

    @property
    def counters(self) -> Mapping[str, int]:
        """What the patch did so far, by its own account."""
        return dict(self._patch.counters())

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The engine is under the patch for the block. Raises as `runtimes.contexts.named` does."""
        with named(self.name, partial(self._hooks.attached, self._patch, PatchObserver(self._patch))):
            yield

    def know(self, internal: str, flight: Flight) -> None:
        """Say whose a request is, by the name that the engine gave it."""
        request = flight.request  # two suites may have a problem of one name, with prompts of their own
        self._hooks.know(
            internal, f"{request.stream}#{request.index}", request.stream, request.index, len(flight.prompt)
        )

    def check(self) -> None:
        """See, once requests were answered, that the patch did something; one that counts nothing is believed.

        Raises:
            ModelError: all its counters are 0.
        """
        counters = self.counters
        if counters and not any(counters.values()):
            told = ", ".join(f"{name} = {count}" for name, count in counters.items())
            raise ModelError(
                f"{self.name} was never active while requests were answered ({told}), so that they say nothing of it "
                "and are not kept; see that its layers and hooks are called on vLLM, and that it counts"
            )
