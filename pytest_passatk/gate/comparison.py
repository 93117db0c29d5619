"""A baseline and a candidate compared: figures with verdicts, problems that moved, and what may be wrong with both."""

from dataclasses import dataclass

from pytest_passatk.core.interval import Estimate
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.headroom import Response
from pytest_passatk.gate.look import Look, Looks
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.moves import Move
from pytest_passatk.gate.pairs import Pair
from pytest_passatk.gate.ratio import Ratio


@dataclass(frozen=True, slots=True)
class Line:
    """pass@k on both sides; shares, 0 … 1.

    Attributes:
        k: samples a problem may use.
        before: the baseline's estimate, on the problems compared.
        after: the candidate's.
        delta: after − before.
        interval: of delta, two-sided, at the policy's level, for these problems sampled again.
        bound: lower limit of delta at 1 − alpha, one-sided.
        p_down: mid-p of the pooled permutation test against a drop.
        p_up: against a rise.
        p_generalises: of the sign-flip test, in the direction of delta: whether other problems of the kind would move,
            too.
        adjusted: p_down and p_up after Holm over the gated family; the same as they are where this is not gated, and
            those of the look that decided it where there were several.
        tolerance: the drop that passes, as asked.
        decision: the verdict.
        small_drop: whether the verdict is ok although there is a real drop, one that the tolerance lets pass.
        gated: whether a regression fails the build.
        conservative: whether k is above n/2, where the interval is known to be too wide.
        detectable: the smallest drop that is found with a power of 80 %.
        needed: samples a problem that the candidate needs to find a drop of the tolerance, in one session both sides;
            `None` where no number does.
        look: which decided it, where the suite was sampled in stages: its verdict stands, whatever later samples say.
            `None` elsewhere, and where this is not gated.
    """

    k: int
    before: Estimate
    after: Estimate
    delta: float
    interval: tuple[float, float]
    bound: float
    p_down: float
    p_up: float
    p_generalises: float
    adjusted: tuple[float, float]
    tolerance: Tolerance
    decision: Decision
    small_drop: bool
    gated: bool
    conservative: bool
    detectable: float
    needed: int | None
    look: Look | None = None

    @property
    def metric(self) -> str:
        """`pass@k`."""
        return f"pass@{self.k}"

    @property
    def tolerated(self) -> float:
        """The drop that passes, as a share."""
        return self.tolerance.share(self.before.value)


@dataclass(frozen=True, slots=True)
class PaceLine:
    """A figure of speed on both sides.

    Attributes:
        metric: one of `family.PACES`.
        before: the baseline's: the median of its runs.
        after: the candidate's.
        loss: relative change for the worse, of the baseline's value; negative where it became better.
        tolerance: the loss that passes; `None` where nothing was asked.
        decision: the verdict; `None` where nothing was asked.
        why: what keeps the two from being compared, or makes the verdict inconclusive; empty otherwise.
        ratio: after / before over the paired runs of one session; `None` where the sides are of different ones.
    """

    metric: str
    before: float | None
    after: float | None
    loss: float | None
    tolerance: Tolerance | None
    decision: Decision | None
    why: str
    ratio: Ratio | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One suite compared with its baseline.

    Attributes:
        title: of the suite.
        before: what the candidate is compared with.
        after: the candidate.
        policy: what was asked.
        pairs: the problems that were compared.
        lines: pass@k for every k that both sides can estimate; empty where they are incomparable.
        moves: the problems whose pass rate differs, the least likely first.
        pace: figures of speed.
        notes: what a reader should know: a selection of problems, a drift between runs, broken assumptions.
        incomparable: why there is no comparison, in words that name what differs; empty where there is one.
        response: how pass@1 and the largest k reported answered together; `None` where there is no second k.
        suite: node id of the function of the candidate's suite; empty where it was not collected.
        arm: of the candidate, where its run has several.
        looks: how far the suite went, where it was sampled in stages.
        one_session: whether the sides are arms of one session, so that each has as many samples as the other.
    """

    title: str
    before: Measurement
    after: Measurement
    policy: Policy
    pairs: tuple[Pair, ...]
    lines: tuple[Line, ...]
    moves: tuple[Move, ...]
    pace: tuple[PaceLine, ...] = ()
    notes: tuple[str, ...] = ()
    incomparable: tuple[str, ...] = ()
    response: Response | None = None
    suite: str = ""
    arm: str = ""
    looks: Looks | None = None
    one_session: bool = False

    @property
    def regressed(self) -> tuple[str, ...]:
        """The gated metrics that regressed."""
        return self._gated(Decision.REGRESSED)

    @property
    def inconclusive(self) -> tuple[str, ...]:
        """The gated metrics of which nothing can be said."""
        return self._gated(Decision.INCONCLUSIVE)

    def _gated(self, decision: Decision) -> tuple[str, ...]:
        lines = [line.metric for line in self.lines if line.gated and line.decision is decision]
        return (*lines, *(pace.metric for pace in self.pace if pace.tolerance and pace.decision is decision))
