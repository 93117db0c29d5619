"""Which verdicts differ between two runs over the same samples, and what that does to pass@k."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_passatk.commands.show import summarize
from pytest_passatk.core.names import name_some
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.report.text import visible
from pytest_passatk.store import Store, SuiteRow

REASON = 200  # characters of a reason that are kept


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of a suite at one time.

    Attributes:
        suite: of the run.
        samples: status and reason in a line, by problem and index; `None` for what has no completion.
        outcomes: counted, by problem.
    """

    suite: SuiteRow
    samples: Mapping[str, Mapping[int, tuple[str | None, str] | None]]
    outcomes: tuple[Outcomes, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One verdict that changed; `before` is `None` where there was none."""

    problem: str
    index: int
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SuiteChanges:
    """What changed in a suite.

    Attributes:
        suite: of the earlier run.
        judged: completions that were judged again.
        changes: in order of the plan.
        before: summary of the problems that both have, as they were judged then,
        after: and now.
        altered: ids of problems whose prompt or settings are no longer those that were sampled.
        absent: ids of the others that were not judged again.
        undrawn: samples without a completion.
    """

    suite: SuiteRow
    judged: int
    changes: tuple[Change, ...]
    before: SuiteSummary
    after: SuiteSummary
    altered: tuple[str, ...]
    absent: tuple[str, ...]
    undrawn: int

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        count = len(self.before.outcomes)
        size = f"{count:,} problem{'' if count == 1 else 's'} x {self.suite.n:,}"
        yield f"{visible(self.suite.full_title)}  {visible(self.before.model)}, {size}"
        yield from self._estimates()
        counts = Counter((each.before, each.after) for each in self.changes)
        yield from (f"  {_shown(old)} -> {_shown(new)}: {count:,}" for (old, new), count in counts.items())
        yield from self._samples()
        if self.undrawn:
            yield f"  {self.undrawn:,} samples have no completion: the run was cut short, or its model could not answer"
        if self.altered:
            yield f"  not judged, since prompt or settings are no longer those that were sampled: {_some(self.altered)}"
        if self.absent:
            yield f"  not judged, since they were not collected or could not start: {_some(self.absent)}"

    def _estimates(self) -> Iterator[str]:
        if why := self.before.withheld or self.after.withheld:
            yield f"  pass@k withheld {'before' if self.before.withheld else 'now'}: {visible(why)}"
            return
        for old, new in zip(self.before.estimates, self.after.estimates, strict=True):
            yield f"  pass@{old.k}  {old.value:.3f} -> {new.value:.3f}"

    def _samples(self) -> Iterator[str]:
        width = max((len(_name(each)) for each in self.changes), default=0)
        for each in self.changes:
            turn = f"{_shown(each.before)} -> {_shown(each.after)}"
            yield f"  {_name(each):{width}}  {turn:18}  {visible(each.reason)}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """What a program reads."""
        return {
            "name": self.suite.name,
            "title": self.suite.full_title,
            "n": self.suite.n,
            "judged": self.judged,
            "pass@k": {"before": _values(self.before), "after": _values(self.after)},
            "changes": [
                {"problem": c.problem, "index": c.index, "before": c.before, "after": c.after, "reason": c.reason}
                for c in self.changes
            ],
            "altered": list(self.altered),
            "absent": list(self.absent),
            "undrawn": self.undrawn,
        }


def read_verdicts(store: Store, suite: SuiteRow) -> Verdicts:
    """The verdicts on a suite as the store has them now."""
    samples = {
        problem.id: {s.index: None if s.text is None else (s.status, _line(s.reason)) for s in problem.samples}
        for problem in store.problems(suite.id)
    }
    return Verdicts(suite, samples, tuple(store.outcomes(suite.id)))


def compare(before: Verdicts, after: Verdicts, altered: Sequence[str]) -> SuiteChanges:
    """What changed between two times.

    Args:
        before: the run's verdicts.
        after: those on the same completions now.
        altered: ids of problems that are other ones now.
    """
    both = [problem for problem in before.samples if problem in after.samples]
    changes = [change for problem in both for change in _changes(problem, before, after)]
    drawn = [sum(sample is not None for sample in before.samples[problem].values()) for problem in both]
    return SuiteChanges(
        suite=before.suite,
        judged=sum(drawn),
        changes=tuple(changes),
        before=_summary(before, both),
        after=_summary(after, both),
        altered=tuple(altered),
        absent=tuple(problem for problem in before.samples if problem not in after.samples and problem not in altered),
        undrawn=before.suite.n * len(both) - sum(drawn),
    )


def _changes(problem: str, before: Verdicts, after: Verdicts) -> Iterator[Change]:
    now = after.samples[problem]
    for index, sample in before.samples[problem].items():
        found = now.get(index)
        if sample is None or found is None:
            continue
        (old, why), (new, reason) = sample, found
        if old != new:
            yield Change(problem, index, old, new, reason or (f"was: {why}" if why else ""))


def _summary(verdicts: Verdicts, problems: Sequence[str]) -> SuiteSummary:
    kept = set(problems)
    return summarize(verdicts.suite, [each for each in verdicts.outcomes if each.id in kept])


def _values(summary: SuiteSummary) -> dict[str, float] | None:
    return None if summary.withheld else {str(each.k): each.value for each in summary.estimates}


def _line(reason: str | None) -> str:
    """What a reason comes to: its first line, of a traceback the last."""
    lines = (reason or "").strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback") else 0][:REASON]


def _name(change: Change) -> str:
    return f"{visible(change.problem)}#{change.index}"


def _shown(status: str | None) -> str:
    return status or "not judged"


def _some(ids: Sequence[str]) -> str:
    return name_some([visible(id_) for id_ in ids])
