"""Whether leaving a patch restores its runtime exactly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pytest_passatk.core.patch import Patch
from pytest_passatk.patches.foreign import told
from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.play import Play
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.solo import Everything
from pytest_passatk.stress.witness import Witness

GONE = "the patch is gone"
RAISED = "a step under the patch has raised"


def check_restored(runtime: Runtime, make: Callable[[], Patch], schedule: Schedule) -> list[Alarm]:
    """Play a schedule before, under and after a patch; what the unpatched plays differ in is what it left behind.

    Then the same where a step raises: what an `attach` does behind its `yield` is skipped there, unless it is in a
    `finally`.

    Args:
        runtime: unpatched.
        make: gives the patch.
        schedule: to play; a patch that breaks in it has to restore the runtime all the same.
    """
    before = _Before(runtime, schedule)
    with suppress(Exception, SystemExit):  # other oracles speak of it
        patch = make()
        with runtime.attached(patch, Witness(patch)):
            runtime.play(schedule)
    if left := list(before.differences(GONE)):
        return left
    done = "attached a second time"
    try:
        patch = make()
        with runtime.attached(patch, Witness(patch)):
            done = "taken off where a step has raised"
            raise StepError  # noqa: TRY301 - it has to go through what the patch attached
    except StepError:
        return list(before.differences(RAISED))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises, it did not the first time
        return [Alarm(Oracle.RESTORED, f"cannot be {done}: {told(error)}")]


class StepError(Exception):
    """Stands for whatever may break a step."""


class _Before:
    """A runtime as it was: its hooks, the settings of torch, and what a schedule comes to."""

    def __init__(self, runtime: Runtime, schedule: Schedule) -> None:
        self._runtime, self._schedule = runtime, schedule
        self._hooks, self._settings, self._play = runtime.hooks(), _settings(), self._replay()

    def differences(self, when: str) -> Iterator[Alarm]:
        """What is another one now."""
        yield from _compare_hooks(self._hooks, self._runtime.hooks(), when)
        yield from _compare_settings(self._settings, _settings(), when)
        yield from _compare_plays(self._play, self._replay())

    def _replay(self) -> Play:
        with self._runtime.attached(None, Witness(Everything())):
            return self._runtime.play(self._schedule)


def _settings() -> Mapping[str, Any]:
    """What a patch can set for the whole process."""
    import torch  # noqa: PLC0415 - heavy

    return {
        "torch.get_default_dtype()": torch.get_default_dtype(),
        "torch.get_default_device()": torch.get_default_device(),
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.are_deterministic_algorithms_enabled()": torch.are_deterministic_algorithms_enabled(),
        "torch.get_num_threads()": torch.get_num_threads(),
    }


def _compare_hooks(before: frozenset[str], after: frozenset[str], when: str) -> Iterator[Alarm]:
    for name in sorted(after - before):
        yield Alarm(Oracle.RESTORED, f"{name} is still hooked once {when}")
    for name in sorted(before - after):
        yield Alarm(Oracle.RESTORED, f"{name} was hooked before, and is not once {when}")


def _compare_settings(before: Mapping[str, Any], after: Mapping[str, Any], when: str) -> Iterator[Alarm]:
    for name, value in before.items():
        if after[name] != value:
            yield Alarm(Oracle.RESTORED, f"{name} was {value}, and is {after[name]} once {when}")


def _compare_plays(before: Play, after: Play) -> Iterator[Alarm]:
    for alarm in oracles.check_repeat(before, after):
        text = alarm.text.replace("the first time", "before the patch").replace("the second time", "after it")
        yield Alarm(Oracle.RESTORED, text, alarm.step, alarm.request)
