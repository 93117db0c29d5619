"""What the oracles say of patches, and of runtimes, that would pass without them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from pytest_passatk.core.patch import Claim, Live, Patch
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.case import Finding, examine
from pytest_passatk.stress.distance import distances
from pytest_passatk.stress.packed import PackedRuntime
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.solo import Solo, key_of, run_alone
from pytest_passatk.stress.tensor_runtime import load
from pytest_passatk.stress.witness import Log

PAIR = Schedule((Planned(3, 2), Planned(3, 3)))


@pytest.fixture(scope="module")
def runtime() -> PackedRuntime:
    return load("", ModelOptions())


def look(runtime: PackedRuntime, make: Callable[[], Patch]) -> Finding:
    solos = run_alone(runtime, [key_of(each, runtime.context) for each in PAIR.requests], make().layers)
    return examine(runtime, make, PAIR, solos, make().layers)


class Deaf(Patch):
    """Its hooks stay on layers that nobody calls as modules any more, as in a network that was compiled."""

    layers = ("layers.0",)
    compiled = True

    def __init__(self) -> None:
        self.calls = 0

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        if self.compiled:
            live.network.forward = lambda states: _through(live.network.layers, states)
        try:
            yield
        finally:
            vars(live.network).pop("forward", None)

    def on_layer(self, name: str, tensor: Any) -> None:
        del name, tensor
        self.calls += 1

    def counters(self) -> Mapping[str, int]:
        return {"layer_calls": self.calls}


class Heard(Deaf):
    """The same, where they are called."""

    compiled = False


def _through(layers: Any, states: Any) -> Any:
    for layer in layers:
        states = layer.forward(states)
    return states


class LateWriter(Patch):
    """Writes behind its active row while tokens are drawn, when the forward pass is long over."""

    claim = Claim.OTHER_DISTRIBUTION
    rows = 2

    def attach(self, live: Live) -> Any:
        self.scratch = torch.zeros(live.capacity)
        return super().attach(live)

    def modify_candidates(self, logits: Any) -> Any:
        self.scratch[: self.rows] = 0.0
        return logits

    def buffers(self) -> Mapping[str, tuple[Any, int]]:
        return {"scratch": (self.scratch, 1)}


class SoundWriter(LateWriter):
    """The same, in its active row alone."""

    rows = 1


def test_taps_that_no_step_calls_are_an_alarm_though_all_counters_agree(runtime: PackedRuntime) -> None:
    alarms = look(runtime, Deaf).alarms
    assert [alarm.oracle for alarm in alarms] == [Oracle.COUNTERS]
    assert alarms[0].text == "layers.0: not called in 3 steps; the patch was never active"
    assert look(runtime, Heard).alarms == ()


def test_scratch_is_looked_at_once_tokens_are_drawn(runtime: PackedRuntime) -> None:
    alarms = look(runtime, LateWriter).alarms
    assert {alarm.oracle for alarm in alarms} == {Oracle.CANARY}
    assert [alarm.step for alarm in alarms] == [0, 1, 2]
    assert look(runtime, SoundWriter).alarms == ()


def test_distances_are_relative_to_what_is_large() -> None:
    pairs = [
        (torch.tensor([0.5, 2000.0]), torch.tensor([0.25, 2000.0])),
        (torch.tensor([2002.0]), torch.tensor([2000.0])),
    ]
    assert [*distances(pairs[:1]), *distances(pairs[1:])] == pytest.approx([0.25, 0.001])


@pytest.mark.parametrize(
    ("draw", "tolerance", "accused"),
    [(Draw(), 1e-4, True), (Draw(), 0.25, True), (Draw(1.0), 1e-4, True), (Draw(1.0), 0.25, False)],
)
def test_a_drawn_token_is_excused_where_types_are_narrow(draw: Draw, tolerance: float, *, accused: bool) -> None:
    schedule = Schedule((Planned(3, 1, draw=draw),))
    here, alone = Played((7,), (-1.0,), (2.0,), finished=True), Played((8,), (-1.0,), (2.0,), finished=True)
    play = Play({"r0": here}, (), 1)
    found = oracles.check_batch(schedule, play, Log(), {"r0": Solo(alone, 2, {})}, tolerance)
    assert bool(list(found)) is accused
