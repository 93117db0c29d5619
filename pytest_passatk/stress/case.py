"""One case: a schedule played without and with a patch, and all that the oracles have to say."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Claim, Patch, StepView
from pytest_passatk.stress import oracles
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.chance import seeded
from pytest_passatk.stress.coverage import Coverage, cover
from pytest_passatk.stress.play import Event, Play
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.solo import Everything, Solo
from pytest_passatk.stress.turns import check_turns, in_turn
from pytest_passatk.stress.witness import Log, Witness


@dataclass(frozen=True, slots=True)
class Finding:
    """What a case came to.

    Attributes:
        alarms: in the order in which they were raised; empty where all is well.
        at_fault: `patch`, or `runtime` where the unpatched runtime does not pass its own control.
        steps: of the play that the alarms are about, as far as it went.
        events: of the same.
        coverage: of what was played.
        active: whether the patch showed that it was: by what it captured, or by a counter.
    """

    alarms: tuple[Alarm, ...] = ()
    at_fault: str = "patch"
    steps: tuple[StepView, ...] = ()
    events: tuple[Event, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    active: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One play with its witness; `play` is `None` where it broke."""

    log: Log
    play: Play | None
    alarms: tuple[Alarm, ...]
    patch: Patch
    counters: Mapping[str, int]
    chance: str  # where the global source of randomness is behind it


def examine(
    runtime: Runtime,
    make: Callable[[], Patch] | None,
    schedule: Schedule,
    found: Mapping[Planned, Solo],
    watch: tuple[str, ...],
    *,
    poison: bool = True,
) -> Finding:
    """Play a schedule without the patch, with it and its scratch filled, and, where that goes wrong, with it as it is.

    What is clean while every unused row of scratch is filled is clean without that. Where it is not, the patch as it is
    shows the symptom that its user would see, if there is one.

    Args:
        runtime: to play on.
        make: gives a new patch; `None` leaves it at the runtime's own control.
        schedule: that fits the runtime.
        found: what its requests come to alone.
        watch: layers whose rows are part of the control.
        poison: whether scratch is filled at first.
    """
    solos = oracles.solos_of(schedule, found, runtime.context)
    control = _watch(runtime, Everything(), schedule, watch=watch)
    faults = control.alarms or tuple(_check_control(schedule, control, solos, runtime.tolerance))
    if faults or control.play is None:
        return _finding(control, control, schedule, faults, at_fault="runtime")
    if make is None:
        return _finding(control, control, schedule, ())
    finding = Finding()
    for poisoned in (True, False) if poison else (False,):
        seen = _watch(runtime, make(), schedule, poisoned=poisoned)
        alarms = (*seen.alarms, *_check_patched(seen, control, solos, runtime.tolerance))
        if not alarms and seen.patch.claim is not Claim.SAME_TOKENS:
            alarms = tuple(_check_again(runtime, make, schedule, seen))
        if finding.alarms and not alarms:
            break
        finding = _finding(seen, control, schedule, tuple(replace(each, poisoned=poisoned) for each in alarms))
        if not alarms:
            break
    return finding


def _watch(
    runtime: Runtime, patch: Patch, schedule: Schedule, *, watch: tuple[str, ...] = (), poisoned: bool = False
) -> Seen:
    """One play; what breaks in it is an alarm."""
    witness = Witness(patch, watch, poisoned=poisoned, drawn=schedule.drawn)
    play: Play | None = None
    alarms: tuple[Alarm, ...] = ()
    counters: Mapping[str, int] = {}
    chance = ""
    try:
        # Weights that `attach` draws are the same in each play, and not held against the patch: no step has begun.
        with seeded(), runtime.attached(None if isinstance(patch, Everything) else patch, witness), seeded() as place:
            witness.spoil()
            play = runtime.play(schedule)
            counters, chance = dict(patch.counters()), place()
    except UsageError:  # the patch does not fit this runtime at all
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a patch does wrong, it is what is looked for here
        step = witness.log.steps[-1].step if witness.log.steps else None
        alarms = (Alarm(Oracle.POISON if poisoned else Oracle.EXCEPTION, describe(error), step),)
    return Seen(witness.log, play, (*witness.log.alarms, *alarms), patch, counters, chance)


def describe(error: BaseException) -> str:
    """An exception in one line, with the innermost places that it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-2:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''} ({places})"


def _check_control(schedule: Schedule, seen: Seen, solos: Mapping[str, Solo], tolerance: float) -> Iterator[Alarm]:
    if seen.play:
        yield from oracles.check_batch(schedule, seen.play, seen.log, solos, tolerance)


def _check_again(runtime: Runtime, make: Callable[[], Patch], schedule: Schedule, seen: Seen) -> Iterator[Alarm]:
    """Hold a patch that changes tokens to itself: played once more, and, if it says so, request by request."""
    again = _watch(runtime, make(), schedule)
    yield from again.alarms
    if seen.play and again.play:
        yield from oracles.check_repeat(seen.play, again.play)
    if not (seen.patch.independent and seen.play):
        return
    turn = _watch(runtime, make(), in_turn(schedule, seen.play))
    yield from turn.alarms
    if turn.play:
        yield from check_turns(schedule, (seen.play, seen.log), (turn.play, turn.log), runtime.tolerance)


def _check_patched(seen: Seen, control: Seen, solos: Mapping[str, Solo], tolerance: float) -> Iterator[Alarm]:
    if seen.play is None or control.play is None:
        return
    yield from oracles.check_counters(seen.patch, seen.counters, seen.log)
    yield from oracles.check_rows(seen.patch, seen.log, _comparable(seen.patch, solos), tolerance)
    if seen.patch.claim is Claim.SAME_TOKENS:
        yield from oracles.check_tokens(control.play, seen.play, seen.log)
        yield from oracles.check_chance(control.chance, seen.chance)


def _comparable(patch: Patch, solos: Mapping[str, Solo]) -> Mapping[str, Solo]:
    """The requests alone, whose rows a patch that changes tokens cannot be held against."""
    if patch.claim is Claim.SAME_TOKENS:
        return solos
    return {name: replace(solo, rows={}) for name, solo in solos.items()}


def _finding(
    seen: Seen, control: Seen, schedule: Schedule, alarms: tuple[Alarm, ...], at_fault: str = "patch"
) -> Finding:
    steps, events = tuple(seen.log.steps), seen.play.events if seen.play else ()
    coverage = cover(schedule, control.play, control.log.steps) if control.play else Coverage()
    active = bool(seen.log.captured) or any(seen.counters.values())
    return Finding(alarms, at_fault, steps, events, coverage, active)
