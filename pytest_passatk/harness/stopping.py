"""When a run that samples in stages has sampled enough: when the gates of a suite are decided."""

from collections.abc import Mapping, Sequence

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import Plan, PlannedSuite
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.look import Looks
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.monitor import Monitor, SuiteKey, plan_monitors


class GateStopping:
    """Watches every suite that has a baseline; see `sampling.stages.Stopping`.

    Args:
        baselines: by suite; read when the plan is known.
        policy: of the gate.
    """

    def __init__(self, baselines: Mapping[SuiteKey, Measurement], policy: Policy) -> None:
        self._baselines = baselines
        self._policy = policy
        self._monitors: dict[SuiteKey, Monitor] = {}

    def plan(self, plan: Plan) -> Mapping[SuiteKey, Sequence[int]]:
        """By suite, the samples a problem at which to look."""
        counts = {key: baseline.counts for key, baseline in self._baselines.items()}
        self._monitors = plan_monitors(plan.suites, counts, self._policy)
        return {key: monitor.sizes for key, monitor in self._monitors.items()}

    def is_decided(self, suite: PlannedSuite, counts: Sequence[Count]) -> bool:
        """Whether every gate of a suite is decided by these counts."""
        return self._monitors[suite.key].look(counts)

    def looks(self, key: SuiteKey) -> Looks | None:
        """What the looks at a suite came to; `None` where there were none."""
        return self._monitors[key].looks if key in self._monitors else None

    def announce(self, plan: Plan) -> str:
        """In which stages the suites are sampled."""
        stages = [
            f"{suite.title} after {', '.join(map(str, self._monitors[suite.key].sizes))}"
            for suite in plan.suites
            if suite.key in self._monitors
        ]
        return f"samples in stages, until the gates are decided: looks at {'; at '.join(stages)} samples a problem"


def refuse_inline(*, inline: bool) -> None:
    """Refuse to wait for all problems of a suite where they are judged one after the other. Raises UsageError."""
    if inline:
        raise UsageError(
            "--passatk-stop-when-decided does not go with --passatk-inline or --pdb: a suite stops when samples of all "
            "its problems are judged, and these judge one problem to its end before the next: leave one of them away"
        )
