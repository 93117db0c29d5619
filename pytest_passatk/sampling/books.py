"""The ledgers of a session: opened from a plan and the store, filled by model and judges, read by the report."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from time import monotonic

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.plan import Plan, PlannedSuite, ProblemKey, repeat_seed
from pytest_passatk.core.protocols import Model, info_of
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.core.stream import stream_settings
from pytest_passatk.sampling.ledger import Ledger
from pytest_passatk.store import Store


class Books:
    """All ledgers of a plan.

    Args:
        plan: what to sample.
        models: by spec; only their `info` is read here.
        store: gives what earlier runs left, and gets to know the streams.
    """

    def __init__(self, plan: Plan, models: Mapping[str, Model], store: Store) -> None:
        self.plan = plan
        self.models = models
        self.ledgers: dict[ProblemKey, Ledger] = {}
        self.streams: defaultdict[str, list[Ledger]] = defaultdict(list)
        self.reused: dict[tuple[str, str], int] = {}
        self._spans: dict[tuple[str, str], tuple[float, float]] = {}
        for suite in plan.suites:
            self._open_suite(suite, store)

    def _open_suite(self, suite: PlannedSuite, store: Store) -> None:
        identity = info_of(self.models[suite.model], suite.arm).identity()
        seed = repeat_seed(self.plan.seed, suite.repeat)
        names = store.add_streams(
            [stream_settings(identity, p.prompt, suite.params, seed, p.id) for p in suite.problems]
        )
        found = store.completions(names, suite.n)
        for problem, stream in zip(suite.problems, names, strict=True):
            verdicts = store.verdicts(stream, problem.judge) if found[stream] else {}
            known = {index: verdict for index, verdict in verdicts.items() if index in found[stream]}
            ledger = Ledger(suite, problem, stream, found[stream], known)
            self.ledgers[ledger.key] = ledger
            self.streams[stream].append(ledger)
        self.reused[suite.key] = sum(map(len, found.values()))

    def of(self, suite: PlannedSuite) -> list[Ledger]:
        """The ledgers of one suite, in order of the plan."""
        keys = (ProblemKey(suite.name, problem.id, suite.arm, suite.repeat) for problem in suite.problems)
        return [self.ledgers[key] for key in keys]

    def requests(self, suites: Iterable[PlannedSuite]) -> list[Request]:
        """What the model still has to answer; a sample that two suites share is asked for once."""
        missing = (
            request for suite in suites for ledger in self.of(suite) for request in ledger.requests(self.plan.seed)
        )
        return list({(request.stream, request.index): request for request in missing}.values())

    def is_apart(self, suite: PlannedSuite) -> bool:
        """Whether a suite is sampled apart from its other arms and runs, so that its speed is its own."""
        info = info_of(self.models[suite.model], suite.arm)
        return bool(suite.repeat or info.patch)

    def are_final(self, suites: Iterable[PlannedSuite]) -> bool:
        """Whether none of these suites is going to want more samples than it does now."""
        return all(ledger.final for suite in suites for ledger in self.of(suite))

    def enter(self, completion: Completion) -> Iterator[Ledger]:
        """Put a completion where it is wanted, or is going to be; yields the ledgers that wanted it."""
        now = monotonic()
        for ledger in self.streams[completion.stream]:
            if ledger.enter(completion):
                first, _ = self._spans.get(ledger.suite.key, (now - completion.latency, now))
                self._spans[ledger.suite.key] = (min(first, now - completion.latency), now)
                yield ledger

    def record(self, suite: PlannedSuite) -> SuiteRecord:
        """What a suite came to so far; where it was stopped early, as if no more had been planned."""
        ledgers, info = self.of(suite), info_of(self.models[suite.model], suite.arm)
        first, last = self._spans.get(suite.key, (0.0, 0.0))
        return SuiteRecord(
            planned=_shorten(suite, min(ledger.planned for ledger in ledgers)),
            model=info,
            problems=tuple(ledger.record() for ledger in ledgers),
            reused=sum(len(ledger.completions) - len(ledger.drawn) for ledger in ledgers),
            sampled=sum(len(ledger.drawn) for ledger in ledgers),
            seconds=last - first if info.device != "none" else 0.0,  # no model worked, so that there is no pace
            drawn=Usage.of(ledger.completions[index] for ledger in ledgers for index in ledger.drawn),
        )


def _shorten(suite: PlannedSuite, n: int) -> PlannedSuite:
    """A suite with that many samples, and those k's that these allow."""
    return suite if n == suite.n else replace(suite, n=n, ks=tuple(k for k in suite.ks if k <= n))
