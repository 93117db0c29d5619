"""The trial of one patch on one runtime: schedules one after the other, and an account of each that fails."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Claim, Patch, PatchSpec
from pytest_passatk.patches.registry import maker_of
from pytest_passatk.stress import distribution
from pytest_passatk.stress.account import account, headline
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.bench import CASE_SECONDS, Bench
from pytest_passatk.stress.case import Finding
from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.coverage import Coverage
from pytest_passatk.stress.fitting import valid
from pytest_passatk.stress.generate import prepare
from pytest_passatk.stress.isolate import CrashedError, HungError
from pytest_passatk.stress.restore import check_restored
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.saved import save
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.search import Smallest, kind_of, search_all, shrink

SHRINKING = 60.0  # seconds for one failure; on a quiet machine it is over in a tenth of that

OUTLASTS = (
    "no single schedule plays it again: run the suite as a whole; what outlasts a patch is mostly state in its class "
    "or module, which belongs on self, made in attach"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where failures are kept, and how to play them again.

    Attributes:
        folder: of the files.
        repeat: gives the command for a file.
    """

    folder: Path
    repeat: Callable[[Path], str]


class Trial:
    """Examines a patch; every method gives an account of what failed, or an empty text.

    Args:
        runtime: live, and unpatched.
        spec: of the patch; `None` tries the runtime itself.
        place: for failures.

    Attributes:
        coverage: of all that was played.
        active: whether the patch ever showed that it was.

    Raises:
        UsageError: the patch does not fit the runtime.
    """

    def __init__(self, runtime: Runtime, spec: PatchSpec | None, place: Place) -> None:
        prepare()
        self.bench = Bench(runtime, spec)
        self.coverage = Coverage()
        self.active = spec is None
        self._place = place
        self._patch = spec.name if spec else "no patch"
        self._make: Callable[[], Patch] = maker_of(spec) if spec else Patch
        self._known: dict[tuple[Oracle, str], Path] = {}

    @property
    def runtime(self) -> Runtime:
        """Whose engine is driven."""
        return self.bench.runtime

    @property
    def claim(self) -> Claim:
        """What the patch claims."""
        return self._make().claim

    @property
    def leaks_unseen(self) -> bool:
        """Whether requests that see each other cannot be told from what the patch is there for."""
        patch = self._make()
        return patch.claim is not Claim.SAME_TOKENS and not patch.independent

    def close(self) -> None:
        """End the runtime, and what was forked from it."""
        self.bench.close()
        self.runtime.close()

    def play(self, schedule: Schedule) -> str:
        """Play one schedule; where it fails, find the smallest relative that fails in the same way.

        Raises:
            UsageError: no runtime comes to its end.
        """
        fitted = self.bench.fit(schedule)
        if not valid(fitted):
            raise UsageError(
                f"the schedule {schedule.name} never ends: give it slots, budget and blocks from 1 on, and blocks "
                "enough for each of its requests alone"
            )
        finding = self._examine(fitted)
        if not finding.alarms:
            return ""
        return self._tell(Smallest(fitted, finding, exhausted=False), SHRINKING, f"from {schedule.name}")

    def search(self, seconds: float) -> str:
        """Search what else can happen to a batch, for so long."""
        found, tried = search_all(self.runtime, self._examine, seconds)
        return self._tell(found, seconds, f"the {tried} schedules tried") if found else ""

    def restored(self) -> str:
        """Whether the runtime is the same once the patch is gone."""
        schedule = self.bench.fit(next(each for each in CLASSICS if each.name == "fifo-8"))
        return self._say(partial(check_restored, self.runtime, self._make, schedule))

    def same_distribution(self) -> str:
        """Whether tokens have the distribution that they have without the patch."""
        return self._say(partial(distribution.check, self.runtime, self._make), distribution.SECONDS)

    def _examine(self, schedule: Schedule) -> Finding:
        finding = self.bench.examine(schedule)
        self.coverage += finding.coverage
        self.active = self.active or finding.active
        return finding

    def _say(self, task: Callable[[], list[Alarm]], seconds: float = CASE_SECONDS) -> str:
        try:
            alarms = self.bench.apart(task, seconds)
        except (CrashedError, HungError) as error:
            return f"{self._patch} on {self.runtime.name}: {error}"
        if not alarms:
            return ""
        lines = [headline(alarms[0], self._patch, self.runtime.name, at_fault="patch")]
        return "\n".join([*lines, *(f"  {alarm.text}" for alarm in alarms)])

    def _tell(self, failed: Smallest, seconds: float, origin: str) -> str:
        """The account of a failure, with the smallest relative that shows it; shorter where none would say more."""
        if failed.finding.alarms[0].oracle is Oracle.RESTORED:
            return self._left(failed.finding)
        if known := self._known.get(kind_of(failed.finding)):
            return self._again(failed.finding, known)
        smallest = shrink(failed.schedule, failed.finding, self._examine, seconds)
        path = save(self._place.folder, smallest, self._patch, self.runtime.name)
        self._known[kind_of(smallest.finding)] = path
        return account(smallest, origin, self._patch, self.runtime.name, self._place.repeat(path))

    def _left(self, finding: Finding) -> str:
        """Of what an earlier schedule left behind; no single schedule shows it again, so none is saved."""
        first = headline(finding.alarms[0], self._patch, self.runtime.name, at_fault=finding.at_fault)
        return f"{first}\n\n  {finding.alarms[0].text}\n\n{OUTLASTS}"

    def _again(self, finding: Finding, known: Path) -> str:
        first = headline(finding.alarms[0], self._patch, self.runtime.name, at_fault=finding.at_fault)
        return f"{first}, as above: {finding.alarms[0].text}\n\nplay it again: {self._place.repeat(known)}"
