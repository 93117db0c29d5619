"""The packed runtime on tensors: every schedule gives each request the tokens that it has alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

from pytest_passatk.core.patch import Live, Patch, Phase, StepView
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress import tensor_runtime
from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.generate import schedules
from pytest_passatk.stress.packed import PackedRuntime
from pytest_passatk.stress.play import Happening
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.solo import Everything
from pytest_passatk.stress.witness import Witness

Run = Callable[[Schedule], Witness]


@pytest.fixture(scope="module")
def runtime() -> PackedRuntime:
    torch.set_num_threads(1)
    return tensor_runtime.load("", ModelOptions())


def watch(runtime: PackedRuntime, schedule: Schedule) -> list[StepView]:
    witness = Witness(Everything())
    with runtime.attached(None, witness):
        runtime.play(schedule)
    return witness.log.steps


@pytest.mark.parametrize("schedule", CLASSICS, ids=lambda schedule: schedule.name)
def test_a_request_has_the_tokens_that_it_has_alone(runtime: PackedRuntime, schedule: Schedule) -> None:
    together = runtime.play(schedule)
    for name, planned in zip(schedule.ids, schedule.requests, strict=True):
        alone = runtime.play(Schedule((replace(planned, arrival=0, abort=None),))).requests["r0"]
        here = together.requests[name]
        assert here.tokens == alone.tokens[: len(here.tokens)]
        assert here.finished == (planned.abort is None)
        assert len(here.tokens) == planned.length or planned.abort is not None


@given(schedule=schedules(context=256, chunks_seeded=True))
@settings(max_examples=40)
def test_every_position_that_samples_does_so_once(schedule: Schedule) -> None:
    runtime = tensor_runtime.load("", ModelOptions())
    witness = Witness(Everything())
    with runtime.attached(None, witness):
        play = runtime.play(schedule)
    drawn = [(row.request, row.position) for view in witness.log.steps for row in view.rows if row.samples]
    assert len(drawn) == len(set(drawn)) == sum(len(each.tokens) for each in play.requests.values())
    for view in witness.log.steps:
        assert len({row.row for row in view.rows}) == len(view.rows)
        assert max(row.row for row in view.rows) == view.packed - 1
        assert all((row.phase is Phase.DECODE) <= row.samples for row in view.rows)
    for name, planned in zip(schedule.ids, schedule.requests, strict=True):
        if play.requests[name].finished:
            last = planned.prompt - 1
            assert [at for request, at in drawn if request == name] == list(range(last, last + planned.length))


def test_the_last_row_moves_into_a_hole(runtime: PackedRuntime) -> None:
    requests = tuple(Planned(1, length, problem=at) for at, length in enumerate([2, 4, 4, 4]))
    rows = [[row.request for row in view.rows] for view in watch(runtime, Schedule(requests))]
    assert rows == [["r0", "r1", "r2", "r3"], ["r0", "r1", "r2", "r3"], ["r3", "r1", "r2"], ["r3", "r1", "r2"]]


def test_a_new_request_takes_the_first_hole(runtime: PackedRuntime) -> None:
    requests = tuple(Planned(1, length, problem=at) for at, length in enumerate([2, 4, 4, 4]))
    rows = [[row.request for row in view.rows] for view in watch(runtime, Schedule(requests, slots=3))]
    assert rows[:3] == [["r0", "r1", "r2"], ["r0", "r1", "r2"], ["r3", "r1", "r2"]]


def test_a_full_cache_preempts_the_last_request_and_changes_no_token(runtime: PackedRuntime) -> None:
    requests = tuple(Planned(28, 20, problem=at, draw=Draw(1.0, seed=at)) for at in range(4))
    free, tight = runtime.play(Schedule(requests)), runtime.play(Schedule(requests, blocks=5))
    thrown = [event.request for event in tight.events if event.what is Happening.PREEMPT]
    assert thrown
    assert "r0" not in thrown
    assert [each.tokens for each in tight.requests.values()] == [each.tokens for each in free.requests.values()]


def test_a_resumed_request_decodes_where_it_reads_its_own_tokens_again(runtime: PackedRuntime) -> None:
    requests = tuple(Planned(28, 20, problem=at) for at in range(4))
    steps = watch(runtime, Schedule(requests, blocks=5))
    again = [row for view in steps for row in view.rows if view.packed > len(view.rows) and row.position >= 28]
    assert {row.phase for row in again if row.samples} == {Phase.DECODE}
    assert any(row.samples for row in again)


def test_a_patch_of_the_candidates_changes_the_tokens_of_its_rows(runtime: PackedRuntime) -> None:
    class Only(Patch):
        def modify_candidates(self, logits: torch.Tensor) -> torch.Tensor:
            forced = torch.full_like(logits, -torch.inf)
            forced[:, 7] = 0
            return forced

    patch = Only()
    with runtime.attached(patch, Witness(patch)):
        play = runtime.play(Schedule((Planned(3, 4), Planned(3, 5, draw=Draw(1.0)))))
    assert {token for each in play.requests.values() for token in each.tokens} == {7}


def test_a_step_begins_before_what_the_patch_hooks_by_itself(runtime: PackedRuntime) -> None:
    class Noting(Patch):
        @contextmanager
        def attach(self, live: Live) -> Iterator[None]:
            self.calls: list[str] = []
            hook = live.network.register_forward_pre_hook(lambda *_: self.calls.append("own"), prepend=True)
            yield
            hook.remove()

        def begin_step(self, view: StepView) -> None:
            del view
            self.calls.append("begin")

    patch = Noting()
    with runtime.attached(patch, Witness(patch)):
        play = runtime.play(Schedule((Planned(3, 2), Planned(3, 3))))
    assert patch.calls == ["begin", "own"] * play.steps


def test_the_same_schedule_twice_is_the_same_play(runtime: PackedRuntime) -> None:
    schedule = next(each for each in CLASSICS if each.name == "mixed-draws")
    assert runtime.play(schedule) == runtime.play(schedule)
