"""Patches for the tests of vLLM, by name: they are made in processes of their own, too."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_passatk.core.patch import Claim, Live, Patch, StepView


class Watch(Patch):
    """Counts what it sees, and keeps the steps of its latest instance."""

    layers: tuple[str, ...] = ("layers.0",)
    latest: "Watch"

    def __init__(self) -> None:
        type(self).latest = self
        self.views: list[StepView] = []
        self.live: Live | None = None
        self._counts = {"steps": 0, "layer_calls": 0, "decode_rows": 0}

    def attach(self, live: Live) -> Any:
        self.live = live
        return super().attach(live)

    def begin_step(self, view: StepView) -> None:
        self.views.append(view)
        self._counts["steps"] += 1
        self._counts["decode_rows"] += len(view.decode)

    def on_layer(self, name: str, tensor: Any) -> None:
        del name, tensor
        self._counts["layer_calls"] += 1

    def counters(self) -> Mapping[str, int]:
        return self._counts


class Force(Patch):
    """Has one token drawn, always."""

    claim = Claim.OTHER_DISTRIBUTION

    def __init__(self, token: int) -> None:
        self._token = token

    def modify_candidates(self, logits: Any) -> Any:
        changed = logits.new_full(logits.shape, float("-inf"))
        changed[:, self._token] = 0.0
        return changed


class Idle(Patch):
    """Is never active, and says so."""

    def counters(self) -> Mapping[str, int]:
        return {"steps": 0, "rows": 0}


class Broken(Patch):
    """Breaks in a step, or before the first one."""

    def __init__(self, step: int) -> None:
        self._step = step

    def attach(self, live: Live) -> Any:
        if self._step < 0:
            raise IndexError("broken at once")
        return super().attach(live)

    def begin_step(self, view: StepView) -> None:
        if view.step == self._step:
            raise IndexError("index out of range in self")


class Stuck(Watch):
    """Cannot be taken off."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        with super().attach(live):
            yield
        raise LookupError("there is no way back")


class Nowhere(Watch):
    """Taps a layer that is not there."""

    layers = ("layers.0", "layers.99")
