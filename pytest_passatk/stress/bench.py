"""The bench: one live runtime, one patch, and cases in forks of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TypeAlias, TypeVar

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.patch import Patch, PatchSpec
from pytest_passatk.patches.registry import maker_of
from pytest_passatk.runtimes.contexts import named
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.case import Finding, examine
from pytest_passatk.stress.classics import fit
from pytest_passatk.stress.fitting import within
from pytest_passatk.stress.isolate import CrashedError, HungError, Lane, can_fork, in_fork
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.solo import Solo, key_of, run_alone
from pytest_passatk.stress.witness import Witness

CASE_SECONDS = 30.0  # none takes one tenth of it
LEAST_SECONDS, SLOWER = 3.0, 20  # of a case of a patch that has hung once, and against the same without the patch
WATCH = ("layers.0", "layers.-1")  # of the control, where the patch taps nothing

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Case:
    """A schedule to examine: under the patch or without it, and with its scratch filled at first or not."""

    schedule: Schedule
    patched: bool = True
    poison: bool = True


Examined: TypeAlias = tuple[dict[Planned, Solo], Finding]
"""What a case came to, and what its requests come to alone, as far as that was not known."""


class Bench:
    """Examines schedules in a fork of this process, so that a crash or a hang is one finding.

    A fork examines one schedule after the other, as long as all is well. What goes wrong in one that has been used is
    examined again in a new one: so a finding never hangs on what was played before. A runtime on a GPU does not survive
    a fork: there, cases run in this process.

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
        self._lane: Lane[Case, Examined] | None = None
        self._solos: dict[Planned, Solo] = {}
        self._findings: dict[Schedule, Finding] = {}
        self._patience = CASE_SECONDS
        self.layers = self._find_layers() or WATCH

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

    def apart(self, task: Callable[[], Answer], seconds: float = CASE_SECONDS) -> Answer:
        """Do something where it can break nothing. Raises CrashedError, HungError, and what it raises itself."""
        return in_fork(task, seconds) if self._forks else task()

    def close(self) -> None:
        """End the fork; safe to call twice."""
        lane, self._lane = self._lane, None
        if lane:
            lane.close()

    def _find_layers(self) -> tuple[str, ...]:
        """The taps of the patch. Raises UsageError where it does not even attach itself, or does not let go."""
        name = f"--patch {self.spec.name if self.spec else 'none'}"
        try:
            return self.apart(partial(_layers_of, name, self.runtime, self._make or Patch))
        except UsageError:
            raise
        except Exception as error:
            words = str(error) if isinstance(error, ModelError) else f"{name} cannot be attached: {error}"
            raise UsageError(f"{words} (on {self.runtime.name})") from error

    def _examine(self, schedule: Schedule) -> Finding:
        used = self._lane is not None
        finding = self._try(Case(schedule))
        if not (used and finding.alarms):
            return finding
        again = self._try(Case(schedule))
        if again.alarms:
            return again
        return replace(finding, alarms=(_leftover(finding),), at_fault="patch" if self.spec else "runtime")

    def _try(self, case: Case) -> Finding:
        """Examine a case; one that ends without a word is a finding, too."""
        try:
            return self._run(case, self._patience)
        except HungError as error:
            return Finding((Alarm(Oracle.HANG, str(error)),), at_fault=self._blame(case.schedule))
        except CrashedError as error:
            alarm = Alarm(Oracle.CRASH, str(error), poisoned=case.poison)
            at_fault = self._blame(case.schedule)
            plain = Finding()
            if case.poison and at_fault == "patch":  # what its user would see, if there is something
                plain = self._try(replace(case, poison=False))
            return plain if plain.alarms else Finding((alarm,), at_fault)

    def _run(self, case: Case, seconds: float) -> Finding:
        """Examine a case in the fork, which goes on only if all is well. Raises CrashedError or HungError."""
        if not self._forks:
            new, finding = self._serve(case)
        else:
            self._lane = self._lane or Lane(self._serve)
            try:
                new, finding = self._lane.ask(case, seconds)
            except BaseException:
                self.close()
                raise
        self._solos |= new
        if finding.alarms:
            self.close()
        return finding

    def _serve(self, case: Case) -> Examined:
        keys = dict.fromkeys(key_of(each, self.runtime.context) for each in case.schedule.requests)
        new = run_alone(self.runtime, [key for key in keys if key not in self._solos], self.layers)
        self._solos |= new
        make = self._make if case.patched else None
        finding = examine(self.runtime, make, case.schedule, self._solos, self.layers, poison=case.poison)
        return new, finding if finding.alarms else replace(finding, steps=(), events=())  # thousands of them are kept

    def _blame(self, schedule: Schedule) -> str:
        """Who is at fault for a case that ended without a word: the runtime, if it does so without the patch, too.

        If it does not, it tells how long a case takes, so that a patch that hangs is not waited for as long again.
        """
        if self.spec is None:
            return "runtime"
        start = monotonic()
        try:
            self._run(Case(schedule, patched=False), CASE_SECONDS)
        except (CrashedError, HungError):
            return "runtime"
        self.close()
        self._patience = min(self._patience, max(LEAST_SECONDS, SLOWER * (monotonic() - start)))
        return "patch"


def _layers_of(name: str, runtime: Runtime, make: Callable[[], Patch]) -> tuple[str, ...]:
    """The taps of a patch, once it has attached itself and let go. Raises as `runtimes.contexts.named` does."""
    patch = make()
    with named(name, partial(runtime.attached, patch, Witness(patch))):
        return patch.layers


def _leftover(finding: Finding) -> Alarm:
    """A failure that shows only where other schedules were played before: something of them was left behind."""
    first = finding.alarms[0]
    return Alarm(
        Oracle.RESTORED,
        f"fails only where other schedules, which all passed, were played before: {first.oracle}: {first.text}",
        first.step,
        first.request,
    )
