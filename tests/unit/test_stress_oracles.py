"""What the oracles say of patches, and of runtimes, that would pass without them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from pytest_passatk.core.patch import Claim, Live, Patch, StepView
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress import distribution, oracles, scratch
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.case import Finding, examine
from pytest_passatk.stress.distance import distances, same_bits
from pytest_passatk.stress.packed import PackedRuntime
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.restore import check_restored
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.solo import Solo, key_of, run_alone
from pytest_passatk.stress.tensor_runtime import load
from pytest_passatk.stress.turns import in_turn
from pytest_passatk.stress.witness import Log, Witness

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


class TapWriter(Patch):
    """Writes a little into what a tap shows, or the same again."""

    claim = Claim.OTHER_DISTRIBUTION
    layers = ("layers.-1",)
    by = 1e-12

    def on_layer(self, name: str, tensor: Any) -> None:
        del name
        tensor.add_(self.by)


class TapReader(TapWriter):
    """The same, with a copy of its own."""

    def on_layer(self, name: str, tensor: Any) -> None:
        super().on_layer(name, tensor.clone())


def test_what_a_tap_shows_is_not_to_be_written(runtime: PackedRuntime) -> None:
    alarms = look(runtime, TapWriter).alarms
    assert [(alarm.oracle, alarm.step) for alarm in alarms] == [(Oracle.TAP, step) for step in range(3)]
    assert "on_layer wrote into the tensor of layers.-1," in alarms[0].text
    assert "hook the module in attach" in alarms[0].text
    assert look(runtime, TapReader).alarms == ()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float8_e4m3fn])
def test_bits_are_compared(dtype: torch.dtype) -> None:
    one = torch.tensor([[0.0, float("nan")], [1.0, 2.0]]).to(dtype)
    other = torch.tensor([[-0.0, float("nan")], [1.0, 2.0]]).to(dtype)
    assert same_bits(one, one.clone())
    assert same_bits(one.T, one.clone().T)
    assert not same_bits(one, other), "-0"
    assert not same_bits(one, one[:1]), "shape"


class Scalar(SoundWriter):
    """Tells of scratch that has no rows."""

    def attach(self, live: Live) -> Any:
        self.scratch = torch.zeros(())
        return Patch.attach(self, live)

    def modify_candidates(self, logits: Any) -> Any:
        return logits


def test_scratch_has_rows(runtime: PackedRuntime) -> None:
    alarms = look(runtime, Scalar).alarms
    assert {alarm.oracle for alarm in alarms} == {Oracle.ACTIVE}
    assert "leave it out of buffers()" in alarms[0].text


def test_scratch_of_a_network_in_inference_mode_can_be_filled() -> None:
    with torch.inference_mode():
        made = torch.zeros(2)
    scratch.poison(made)
    assert made.isnan().all()
    weights = torch.zeros(2, requires_grad=True)
    scratch.poison(weights)
    assert weights.isnan().all()


class Guarded(Patch):
    """Does not let itself be attached twice, because it never notes that it is gone."""

    attached = False

    def attach(self, live: Live) -> Any:
        if type(self).attached:
            raise RuntimeError("attached already")
        type(self).attached = True
        return super().attach(live)


def test_a_patch_can_be_attached_again(runtime: PackedRuntime) -> None:
    (alarm,) = check_restored(runtime, Guarded, PAIR)
    assert alarm.oracle is Oracle.RESTORED
    place = f"test_stress_oracles.py:{line_of(Guarded.attach) + 2} attach"
    assert alarm.text == f"cannot be attached a second time: RuntimeError: attached already ({place})"
    assert check_restored(runtime, Heard, PAIR) == []


class Hooker(Patch):
    """Leaves a hook on the network as a whole."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        self.hook = live.network.register_forward_hook(lambda *_: None)
        yield


def test_a_hook_that_is_left_on_the_network_itself_is_named() -> None:
    (alarm,) = check_restored(load("", ModelOptions()), Hooker, PAIR)
    assert alarm.text == "network._forward_hooks[0] is still hooked once the patch is gone"


class Clinging(Patch):
    """Does not let go where a step has raised."""

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        del live
        try:
            yield
        except Exception as error:
            raise LookupError("no way back") from error


def test_a_patch_can_be_taken_off_where_a_step_has_raised(runtime: PackedRuntime) -> None:
    (alarm,) = check_restored(runtime, Clinging, PAIR)
    assert alarm.oracle is Oracle.RESTORED
    assert alarm.text.startswith("cannot be taken off where a step has raised: LookupError: no way back (")


class Leaves(Patch):
    """Ends Python in a step."""

    def begin_step(self, view: StepView) -> None:
        if view.step == 1:
            raise SystemExit(3)


def test_an_exit_in_a_step_is_an_exception_of_the_patch(runtime: PackedRuntime) -> None:
    (alarm,) = look(runtime, Leaves).alarms
    assert (alarm.oracle, alarm.step) == (Oracle.EXCEPTION, 1)
    place = f"test_stress_oracles.py:{line_of(Leaves.begin_step) + 2} begin_step"
    assert alarm.text.startswith(f"SystemExit: 3 ({place} < ")
    (alarm,) = distribution.check(runtime, Leaves)
    assert alarm.oracle is Oracle.EXCEPTION
    assert alarm.text.startswith(f"SystemExit: 3 ({place} < ")
    assert check_restored(runtime, Leaves, PAIR) == []


def line_of(function: Callable[..., Any]) -> int:
    return function.__code__.co_firstlineno


class Colder(Patch):
    """Draws colder, by so little that no token changes."""

    def modify_candidates(self, logits: Any) -> Any:
        return logits * 1.01


class Shifted(Patch):
    """Adds the same to all logits, which says nothing."""

    def modify_candidates(self, logits: Any) -> Any:
        return logits + 1.0


@pytest.mark.parametrize(("make", "accused"), [(Colder, [("r1", 0), ("r1", 1)]), (Shifted, [])])
def test_probabilities_of_requests_that_draw_stay_the_same(
    make: Callable[[], Patch], accused: list[tuple[str, int]], runtime: PackedRuntime
) -> None:
    schedule = Schedule((Planned(3, 2), Planned(3, 2, draw=Draw(1.0))))
    solos = run_alone(runtime, [key_of(each, runtime.context) for each in schedule.requests], ())
    alarms = examine(runtime, make, schedule, solos, ()).alarms
    assert [(alarm.request, alarm.step) for alarm in alarms] == accused
    assert all("without the patch and" in alarm.text for alarm in alarms)


def test_the_step_is_told_in_which_tokens_part(runtime: PackedRuntime) -> None:
    class Late(Patch):
        """Bans the likeliest token of the last step."""

        def begin_step(self, view: StepView) -> None:
            self.last = view.step == 2

        def modify_candidates(self, logits: Any) -> Any:
            return -logits if self.last else logits

    (alarm,) = look(runtime, Late).alarms
    assert (alarm.oracle, alarm.request, alarm.step) == (Oracle.TOKENS, "r1", 2)


def test_torch_is_left_where_it_was_in_its_random_numbers(runtime: PackedRuntime) -> None:
    before = torch.get_rng_state()
    look(runtime, Heard)
    assert torch.equal(before, torch.get_rng_state())


def test_in_turn_each_request_is_alone_and_whole(runtime: PackedRuntime) -> None:
    planned = (Planned(20, 4, arrival=3), Planned(20, 4, abort=2), Planned(20, 4))
    ended = {"r0": Played((1, 1, 1, 1), (), (), finished=True), "r1": Played((1, 1), (), (), finished=False)}
    schedule = in_turn(Schedule(planned, slots=2, budget=8, blocks=1), Play(ended, (), 9))
    log = Log()

    class Counts(Patch):
        def begin_step(self, view: StepView) -> None:
            log.steps.append(view)

    with runtime.attached(patch := Counts(), Witness(patch)):
        play = runtime.play(schedule)
    assert all(len(view.rows) == 1 and view.rows[0].samples for view in log.steps)
    assert [len(each.tokens) for each in play.requests.values()] == [4, 2, 1]


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
