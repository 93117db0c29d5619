"""Forks that examine one schedule after the other: what one of them leaves behind is told, and who left it."""

import builtins
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Live, Patch, PatchSpec
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.bench import Bench
from pytest_passatk.stress.packed import PackedRuntime
from pytest_passatk.stress.play import Play
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.tensor_runtime import load
from pytest_passatk.stress.trial import Place, Trial

FIRST = Schedule((Planned(3, 2),))
SECOND = Schedule((Planned(3, 2), Planned(3, 4)))


class Leaver(Patch):
    """Breaks in a process in which it has been before."""

    been = 0

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        del live
        yield
        type(self).been += 1

    def begin_step(self, view: object) -> None:
        del view
        if self.been:
            raise LookupError("somebody has been here")


class Unattached(Patch):
    """Cannot be attached, or not be taken off: it breaks before its block, or behind it."""

    def __init__(self, error: str = "LookupError", *, late: bool = False) -> None:
        self._error: type[BaseException] = getattr(builtins, error)
        self._late = late

    @contextmanager
    def attach(self, live: Live) -> Iterator[None]:
        del live
        if not self._late:
            raise self._error("no way")
        yield
        raise self._error("no way")


class Fatal(Patch):
    """Takes the process with it before its first step."""

    def attach(self, live: Live) -> Any:
        del live
        os._exit(3)


class Worn(PackedRuntime):
    """A runtime that breaks by itself once it has played enough."""

    plays = 0

    def play(self, schedule: Schedule) -> Play:
        self.plays += 1
        if self.plays > 3:
            raise LookupError("worn out")
        return super().play(schedule)


@pytest.fixture
def runtime() -> PackedRuntime:
    return load("", ModelOptions())


def test_what_a_patch_leaves_behind_for_the_next_schedule_is_told(runtime: PackedRuntime) -> None:
    bench = Bench(runtime, PatchSpec("test_stress_bench:Leaver"))
    assert bench.examine(FIRST).alarms == ()
    finding = bench.examine(SECOND)
    bench.close()
    (alarm,) = finding.alarms
    assert (alarm.oracle, finding.at_fault) == (Oracle.RESTORED, "patch")
    assert "were played before: " in alarm.text
    assert "LookupError: somebody has been here" in alarm.text
    assert finding.steps


@pytest.mark.parametrize("error", ["LookupError", "SystemExit"])
@pytest.mark.parametrize(("late", "done"), [("false", "attached"), ("true", "taken off")])
def test_a_patch_that_cannot_be_put_on_or_taken_off_is_told_with_its_line(
    runtime: PackedRuntime, error: str, late: str, done: str
) -> None:
    name = "test_stress_bench:Unattached"
    line = Unattached.attach.__wrapped__.__code__.co_firstlineno + (6 if late == "true" else 4)  # type: ignore[attr-defined]
    with pytest.raises(UsageError) as caught:
        Bench(runtime, PatchSpec(name, {"error": error, "late": late}))
    place = f"(test_stress_bench.py:{line} attach)"
    assert str(caught.value).startswith(f"--patch {name} cannot be {done}: {error}: no way {place}")
    assert str(caught.value).endswith("(on tensor)")


def test_a_patch_that_ends_the_process_as_it_attaches_itself_is_named(runtime: PackedRuntime) -> None:
    name = "test_stress_bench:Fatal"
    with pytest.raises(UsageError, match=rf"^--patch {name} cannot be attached: .* with status 3, .* \(on tensor\)$"):
        Bench(runtime, PatchSpec(name))


def test_no_schedule_is_given_for_what_takes_several(runtime: PackedRuntime, tmp_path: Path) -> None:
    trial = Trial(runtime, PatchSpec("test_stress_bench:Leaver"), Place(tmp_path, str))
    assert trial.play(FIRST) == ""
    text = trial.play(SECOND)
    trial.close()
    assert "LookupError: somebody has been here" in text
    assert "run the suite as a whole" in text
    assert list(tmp_path.iterdir()) == []


def test_without_a_patch_it_is_the_runtime_that_is_at_fault(runtime: PackedRuntime) -> None:
    bench = Bench(Worn("tensor", runtime.network), None)
    assert [bench.examine(schedule).alarms for schedule in (FIRST, Schedule((Planned(3, 3),)))] == [(), ()]
    finding = bench.examine(SECOND)
    bench.close()
    assert [(alarm.oracle, finding.at_fault) for alarm in finding.alarms] == [(Oracle.RESTORED, "runtime")]
