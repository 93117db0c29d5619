"""Whether leaving a patch restores its runtime exactly."""

from collections.abc import Callable, Iterator

from pytest_passatk.core.patch import Patch
from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.play import Play
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.solo import Everything
from pytest_passatk.stress.witness import Witness


def check_restored(runtime: Runtime, make: Callable[[], Patch], schedule: Schedule) -> list[Alarm]:
    """Play a schedule before, under and after a patch; what the unpatched plays differ in is what it left behind.

    Args:
        runtime: unpatched.
        make: gives the patch.
        schedule: to play; a patch that breaks in it has to restore the runtime all the same.
    """
    hooks, before = runtime.hooks(), _play(runtime, schedule)
    patch = make()
    try:
        with runtime.attached(patch, Witness(patch)):
            runtime.play(schedule)
    except Exception:  # noqa: BLE001, S110 - other oracles speak of it
        pass
    return [*_compare_hooks(hooks, runtime.hooks()), *_compare_plays(before, _play(runtime, schedule))]


def _play(runtime: Runtime, schedule: Schedule) -> Play:
    with runtime.attached(None, Witness(Everything())):
        return runtime.play(schedule)


def _compare_hooks(before: frozenset[str], after: frozenset[str]) -> Iterator[Alarm]:
    for name in sorted(after - before):
        yield Alarm(Oracle.RESTORED, f"{name} is still hooked once the patch is gone")
    for name in sorted(before - after):
        yield Alarm(Oracle.RESTORED, f"{name} was hooked before, and is not once the patch is gone")


def _compare_plays(before: Play, after: Play) -> Iterator[Alarm]:
    for alarm in oracles.check_repeat(before, after):
        text = alarm.text.replace("the first time", "before the patch").replace("the second time", "after it")
        yield Alarm(Oracle.RESTORED, text, alarm.step, alarm.request)
