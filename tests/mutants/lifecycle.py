"""Patches that end badly: what they leave behind, and what they take with them."""

import faulthandler
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch

from pytest_passatk.core.patch import Live, Patch, StepView

LATE = 2  # the step that goes wrong


class LeavesHook(Patch):
    """Hooks the network, and never lets go."""

    def attach(self, live: Live) -> Any:
        live.network.register_forward_hook(lambda *_: None)
        return super().attach(live)


class LeavesHookOnError(Patch):
    """Takes its hook off where all goes well, and leaves it where a step raises: there is no `finally`."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        hook = live.network.register_forward_hook(lambda *_: None)
        yield
        hook.remove()


class LeavesType(Patch):
    """Sets the type that torch makes tensors in, and leaves it."""

    def attach(self, live: Live) -> Any:
        torch.set_default_dtype(torch.bfloat16)
        return super().attach(live)


class LeavesMethod(Patch):
    """Puts a method of its own into the batch, and does not put the old one back."""

    def attach(self, live: Live) -> Any:
        live.batch.add_request = partial(live.batch.add_request)
        return super().attach(live)


class LeavesWeights(Patch):
    """Scales the output embedding; greedy tokens stay the same, and nothing is hooked."""

    def attach(self, live: Live) -> Any:
        assert live.head is not None
        live.head.data.mul_(1.5)
        return super().attach(live)


class Raises(Patch):
    """Raises what means nothing to a runtime."""

    def begin_step(self, view: StepView) -> None:
        if view.step == LATE:
            raise LookupError("no such thing")


class Silences(Raises):
    """Raises in a step, and lets nobody hear of it."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        with suppress(Exception), super().attach(live):
            yield


class Crashes(Patch):
    """Takes the process with it, as a device assert does."""

    def begin_step(self, view: StepView) -> None:
        if view.step == LATE:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.abort()


class Exits(Patch):
    """Ends the process as if all were well."""

    def begin_step(self, view: StepView) -> None:
        if view.step == LATE:
            os._exit(0)


class Hangs(Patch):
    """Never comes back."""

    def begin_step(self, view: StepView) -> None:
        while view.step == LATE:
            pass
