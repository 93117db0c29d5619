"""The bench: one live runtime, one patch, and every case in a fork of its own."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TypeVar

from pytest_passatk.core.patch import Patch, PatchSpec
from pytest_passatk.patches.registry import maker_of
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.case import Finding, examine
from pytest_passatk.stress.classics import fit
from pytest_passatk.stress.fitting import within
from pytest_passatk.stress.isolate import CrashedError, HungError, can_fork, in_fork
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.solo import Solo, key_of, run_alone
from pytest_passatk.stress.witness import Witness

CASE_SECONDS = 30.0  # none takes one tenth of it
LEAST_SECONDS, SLOWER = 3.0, 20  # of a case of a patch that has hung once, and against the same without the patch
WATCH = ("layers.0", "layers.-1")  # of the control, where the patch taps nothing

Answer = TypeVar("Answer")


class Bench:
    """Examines schedules; each in a fork of this process, so that a crash, a device assert or a hang is one finding.

    A runtime on a GPU does not survive a fork: there, cases run in this process.

    Args:
        runtime: live, and unpatched.
        spec: of the patch; `None` examines the runtime itself.

    Raises:
        UsageError: the patch was written for other signatures than the runtime has, or taps what is not there.
    """

    def __init__(self, runtime: Runtime, spec: PatchSpec | None) -> None:
        self.runtime = runtime
        self.spec = spec
        self._make = maker_of(spec) if spec else None
        self._forks = can_fork(runtime.live.device)
        self._solos: dict[Planned, Solo] = {}
        self._findings: dict[Schedule, Finding] = {}
        self._patience = CASE_SECONDS
        self.layers = self.apart(partial(_layers_of, runtime, self._make or Patch)) or WATCH

    def examine(self, schedule: Schedule) -> Finding:
        """What the oracles say of a schedule; the same one is played once."""
        if schedule not in self._findings:
            self._findings[schedule] = self._examine(schedule)
        return self._findings[schedule]

    def fit(self, schedule: Schedule) -> Schedule:
        """The schedule as this runtime can play it; adapters are spread over requests that name none."""
        context, seeded, arms = self.runtime.context, self.runtime.chunks_seeded, self.runtime.arms
        if any(each.arm for each in schedule.requests):
            return within(schedule, context=context, chunks_seeded=seeded)
        return fit(schedule, context=context, chunks_seeded=seeded, arms=arms)

    def apart(self, task: Callable[[], Answer], seconds: float | None = None) -> Answer:
        """Do something where it can break nothing. Raises CrashedError, HungError, and what it raises itself."""
        return in_fork(task, seconds or self._patience) if self._forks else task()

    def _examine(self, schedule: Schedule) -> Finding:
        try:
            return self._case(schedule, self._make)
        except (CrashedError, HungError) as error:
            finding = Finding((_obituary(error),), at_fault=self._blame(schedule))
            return self._without_poison(schedule, finding) if isinstance(error, CrashedError) else finding

    def _case(
        self,
        schedule: Schedule,
        make: Callable[[], Patch] | None,
        *,
        poison: bool = True,
        seconds: float | None = None,
    ) -> Finding:
        """Examine a schedule apart, and keep what its requests come to alone. Raises CrashedError or HungError."""

        def task() -> tuple[dict[Planned, Solo], Finding]:
            keys = (key_of(each, self.runtime.context) for each in schedule.requests)
            missing = [key for key in dict.fromkeys(keys) if key not in self._solos]
            new = run_alone(self.runtime, missing, self.layers)
            return new, examine(self.runtime, make, schedule, self._solos | new, self.layers, poison=poison)

        new, finding = self.apart(task, seconds)
        self._solos |= new
        return finding

    def _without_poison(self, schedule: Schedule, finding: Finding) -> Finding:
        """What a patch does that crashes with its scratch filled: what its user would see, if there is something."""
        if finding.at_fault == "runtime":
            return finding
        try:
            plain = self._case(schedule, self._make, poison=False)
        except (CrashedError, HungError) as error:
            return Finding((_obituary(error),))
        return plain if plain.alarms else replace(finding, alarms=(replace(finding.alarms[0], poisoned=True),))

    def _blame(self, schedule: Schedule) -> str:
        """Who is at fault for a case that ended without a word: the runtime, if it does so without the patch, too.

        If it does not, it tells how long a case takes, so that a patch that hangs is not waited for as long again.
        """
        start = monotonic()
        try:
            self._case(schedule, None, seconds=CASE_SECONDS)
        except (CrashedError, HungError):
            return "runtime"
        self._patience = min(self._patience, max(LEAST_SECONDS, SLOWER * (monotonic() - start)))
        return "patch"


def _layers_of(runtime: Runtime, make: Callable[[], Patch]) -> tuple[str, ...]:
    """The taps of a patch, once it has attached itself and let go."""
    patch = make()
    with runtime.attached(patch, Witness(patch)):
        return patch.layers


def _obituary(error: Exception) -> Alarm:
    return Alarm(Oracle.HANG if isinstance(error, HungError) else Oracle.CRASH, str(error))
