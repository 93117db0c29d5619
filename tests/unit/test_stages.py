"""An exchange whose suites ask for their samples in stages."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import Plan, PlannedProblem, PlannedSuite, ProblemKey
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import ProblemRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, Request, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.sampling.counter import Work
from pytest_passatk.sampling.exchange import ENGINE, Exchange
from pytest_passatk.store import Store

PATIENCE = 60.0  # seconds; only to end a hang
PROBLEMS = ("p0", "p1")


class FakeModel:
    """Only says what it is: the tests answer for it."""

    info = ModelInfo("fake", "fake", "1", None, "float32", "none")

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class FakeStopping:
    """Looks at 2, 4 and 8 samples, and stops the suites that it was told to, at the look that it was told."""

    def __init__(self, **stops: int) -> None:
        self.stops = stops
        self.seen: list[tuple[str, list[tuple[str, int, int]]]] = []
        self.goes_on = Event()
        self.goes_on.set()

    def plan(self, plan: Plan) -> Mapping[tuple[str, str], Sequence[int]]:
        return {suite.key: (2, 4, 8) for suite in plan.suites if suite.title in self.stops}

    def is_decided(self, suite: PlannedSuite, counts: Sequence[Count]) -> bool:
        assert self.goes_on.wait(PATIENCE)
        self.seen.append((suite.title, [(count.id, count.n, count.c) for count in counts]))
        return any(count.n >= self.stops[suite.title] for count in counts)

    def sizes(self, title: str) -> list[int]:
        """The samples a problem at each look at a suite."""
        return [counts[0][1] for name, counts in self.seen if name == title]


def suite(title: str, model: str = "fake", *, n: int = 8, prompt: str = "", arm: str = "") -> PlannedSuite:
    problems = tuple(PlannedProblem(name, f"{prompt or title} {name}", f"judge of {title}") for name in PROBLEMS)
    return PlannedSuite(f"t.py::test_{title}", model, SamplingParams(), n, (1, 2, 8), False, problems, arm=arm)


class Bench:
    """An exchange, and what a run does with it.

    Args:
        stopping: of the exchange.
        suites: of its plan.
        store: where samples are; `None` keeps them in memory.
        engines: of the run.
        model: of every suite.
    """

    def __init__(
        self, stopping: FakeStopping | None, *suites: PlannedSuite, store: Path | None = None,
        engines: Sequence[str] = (ENGINE,), model: FakeModel = FakeModel(),  # noqa: B008 - it has no state
    ) -> None:  # fmt: skip
        self.exchange = Exchange(lambda: Store(store), lambda _: model, engines=engines, stopping=stopping)
        self.exchange.open(Plan(suites, 0))
        self.asked: list[str] = []

    def claim(self, engine: str = ENGINE) -> Work | None:
        """What an engine is asked next; waits for it."""
        with ThreadPoolExecutor(1) as threads:
            work = threads.submit(self.exchange.claim, engine).result(PATIENCE)
        self.asked += [f"{request.problem_id}#{request.index}" for request in work.requests] if work else []
        return work

    def answer(self, work: Work, *, lost: str = "") -> None:
        for request in work.requests:
            name = f"{request.problem_id}#{request.index}"
            end = FinishReason.ABORT if name == lost else FinishReason.STOP
            self.exchange.deliver(Completion(request.stream, request.index, "7", 1, end, 0.0))

    def judge(self, status: Status = Status.PASS, *, skip: str = "", limit: int = 1000) -> int:
        """Judge what waits; returns how much that was."""
        judged = 0
        while judged < limit and (task := self.exchange.take("judge", timeout=0)):
            kind = Status.SKIP if task.key.problem == skip else status
            self.exchange.settle(task, Verdict(kind))
            judged += 1
        return judged

    def run(self, **how: str) -> list[int]:
        """Sample to the end while a judge works; returns the number of requests in each claim."""
        sizes, done = [], Event()
        with ThreadPoolExecutor(1) as threads:
            judging = threads.submit(self._judge_until, done, how.get("skip", ""))
            try:
                while work := self.claim():
                    sizes.append(len(work.requests))
                    self.answer(work, lost=how.get("lost", ""))
            finally:
                done.set()
            judging.result(PATIENCE)
        return sizes

    def _judge_until(self, done: Event, skip: str) -> None:
        while self.judge(skip=skip) or not done.wait(0.005):
            pass

    def record(self, title: str) -> SuiteRecord:
        return next(record for record in self.exchange.records() if record.planned.title == title)

    def wait(self, title: str, problem: str = "p0", timeout: float = PATIENCE) -> ProblemRecord | None:
        return self.exchange.wait(ProblemKey(f"t.py::test_{title}", problem), timeout)


@pytest.mark.parametrize(("stop", "claims"), [(2, [4]), (4, [4, 4]), (8, [4, 4, 8]), (9, [4, 4, 8])])
def test_a_suite_asks_for_more_until_it_is_decided(stop: int, claims: list[int]) -> None:
    stopping = FakeStopping(it=stop)
    bench = Bench(stopping, suite("it"))
    assert bench.run() == claims
    drawn = min(stop, 8)
    record, problem = bench.record("it"), bench.wait("it")
    assert stopping.sizes("it") == [size for size in (2, 4, 8) if size <= stop]
    assert (record.planned.n, record.sampled, record.reused) == (drawn, 2 * drawn, 0)
    assert record.planned.ks == tuple(k for k in (1, 2, 8) if k <= drawn)
    assert problem is not None
    assert (problem.planned, len(problem.samples)) == (drawn, drawn)
    assert bench.exchange.take("judge") is None
    progress = bench.exchange.progress
    assert (progress.planned, progress.sampled, progress.judged) == (2 * drawn,) * 3


def test_the_seeds_of_a_sample_are_those_of_a_run_without_stages() -> None:
    whole, staged = Bench(None, suite("it")), Bench(FakeStopping(it=8), suite("it"))
    work, seeds = whole.claim(), set()
    assert work is not None
    while part := staged.claim():
        seeds |= {(request.stream, request.index, request.seed) for request in part.requests}
        staged.answer(part)
        staged.judge()
    assert seeds == {(request.stream, request.index, request.seed) for request in work.requests}


def test_a_problem_waits_until_its_suite_is_decided() -> None:
    stopping = FakeStopping(it=2)
    stopping.goes_on.clear()
    bench = Bench(stopping, suite("it"))
    work = bench.claim()
    assert work is not None
    bench.answer(work)
    assert bench.judge(limit=3) == 3
    assert bench.wait("it", timeout=0) is None, "its own samples are judged, another problem's are not"
    bench.judge()
    assert bench.wait("it", timeout=0.05) is None, "nobody has decided yet"
    stopping.goes_on.set()
    assert bench.wait("it") is not None
    assert bench.claim() is None


def test_a_suite_that_waits_for_its_judges_leaves_the_engine_to_others() -> None:
    stopping = FakeStopping(slow=8, quick=4)
    bench = Bench(stopping, suite("slow"), suite("quick"))
    first = bench.claim()
    assert first is not None
    assert len(first.requests) == 8
    bench.answer(first)
    for _ in range(8):
        task = bench.exchange.take("judge", timeout=0)
        assert task is not None
        if task.key.suite.endswith("quick"):
            bench.exchange.settle(task, Verdict(Status.PASS))
    second = bench.claim()
    assert second is not None
    assert [request.index for request in second.requests] == [2, 3, 2, 3]
    assert {request.prompt for request in second.requests} == {"quick p0", "quick p1"}
    bench.exchange.leave("judge")


def test_a_suite_without_a_gate_is_sampled_as_a_whole() -> None:
    bench = Bench(FakeStopping(gated=2), suite("gated"), suite("free"))
    assert bench.run() == [4 + 16]
    assert [record.planned.n for record in bench.exchange.records()] == [2, 8]


def test_a_model_is_not_left_before_its_suites_are_done() -> None:
    bench = Bench(FakeStopping(one=4, two=2), suite("one", "fake:a"), suite("two", "fake:b"))
    models = []
    while work := bench.claim():
        models.append(work.model)
        bench.answer(work)
        bench.judge()
    assert models == ["fake:a", "fake:a", "fake:b"]


def test_arms_are_decided_each_by_itself() -> None:
    class FakeArmed(FakeModel):
        def info_of(self, arm: str) -> ModelInfo:
            return replace(self.info, adapter=arm)

    stopping = FakeStopping(**{"it@a": 2, "it@b": 8})
    bench = Bench(stopping, suite("it", arm="a"), suite("it", arm="b"), model=FakeArmed())
    assert bench.run() == [8, 4, 8]
    assert [record.planned.n for record in bench.exchange.records()] == [2, 8]


@pytest.mark.parametrize("how", ["lost", "broken"])
def test_a_suite_with_an_error_goes_on_to_its_end_undecided(how: str) -> None:
    stopping = FakeStopping(it=2)
    bench = Bench(stopping, suite("it"))
    if how == "lost":
        assert bench.run(lost="p1#0") == [4, 12]
    else:
        work = bench.claim()
        assert work is not None
        bench.answer(work)
        bench.judge(Status.ERROR, limit=1)
        bench.judge()
        assert bench.run() == [12]
    assert stopping.seen == []
    assert bench.record("it").planned.n == 8
    assert bench.wait("it") is not None


def test_a_problem_that_is_skipped_has_no_say() -> None:
    stopping = FakeStopping(it=4)
    bench = Bench(stopping, suite("it"))
    assert bench.run(skip="p0") == [4, 4]
    assert [[name for name, _, _ in counts] for _, counts in stopping.seen] == [["p1"], ["p1"]]


def test_a_gate_that_breaks_ends_the_run() -> None:
    class FakeBroken(FakeStopping):
        def is_decided(self, suite: PlannedSuite, counts: Sequence[Count]) -> bool:
            raise ZeroDivisionError(suite, counts)

    bench = Bench(FakeBroken(it=2), suite("it"))
    work = bench.claim()
    assert work is not None
    bench.answer(work)
    for _ in work.requests:
        bench.judge(limit=1)
    with pytest.raises(PassatkError, match="it: the gate broke: ZeroDivisionError"):
        bench.wait("it")


# What the store has


def finished(store: Path, n: int) -> None:
    """Leave a run with n samples of each problem in a store."""
    bench = Bench(None, suite("it", n=n), store=store)
    bench.run()
    close(bench)


def close(bench: Bench) -> None:
    bench.exchange.close()
    assert bench.exchange.store is not None
    bench.exchange.store.close()


@pytest.mark.parametrize(
    ("found", "stop", "claims", "reused"),
    [(8, 2, [], 4), (8, 8, [], 16), (3, 4, [2], 6), (3, 2, [], 4), (1, 4, [2, 4], 2)],
)
def test_samples_of_the_store_count_at_once_each_at_its_own_look(
    tmp_path: Path, found: int, stop: int, claims: list[int], reused: int
) -> None:
    store, stopping = tmp_path / "store.sqlite", FakeStopping(it=stop)
    finished(store, found)
    bench = Bench(stopping, suite("it"), store=store)
    assert bench.run() == claims
    record = bench.record("it")
    assert stopping.sizes("it") == [size for size in (2, 4, 8) if size <= stop]
    assert (record.planned.n, record.reused, record.sampled) == (stop, reused, 2 * stop - reused)
    assert bench.exchange.progress.judged == bench.exchange.progress.planned == 2 * stop
    close(bench)


@pytest.mark.parametrize("answered", [0, 3, 4, 6])
def test_a_run_that_was_cut_short_in_a_stage_goes_on_there(tmp_path: Path, answered: int) -> None:
    store = tmp_path / "store.sqlite"
    cut = Bench(FakeStopping(it=4), suite("it"), store=store)
    left = answered
    while left and (work := cut.claim()):
        part = replace(work, requests=work.requests[:left])
        cut.answer(part)
        cut.judge(limit=len(part.requests) - 1)  # the last one is not even judged
        left -= len(part.requests)
        cut.judge(limit=left)
    close(cut)
    assert cut.record("it").planned.n == 8, "a run that was cut short is incomplete, and decided nothing"
    stopping = FakeStopping(it=4)
    resumed = Bench(stopping, suite("it"), store=store)
    resumed.run()
    assert stopping.sizes("it") == [2, 4]
    assert resumed.record("it").planned.n == 4
    assert sorted(cut.asked[:answered] + resumed.asked) == sorted(
        f"{p}#{index}" for p in PROBLEMS for index in range(4)
    )
    close(resumed)


def test_suites_that_share_samples_stop_apart(tmp_path: Path) -> None:
    stopping = FakeStopping(one=2, two=8)
    bench = Bench(stopping, suite("one", prompt="same"), suite("two", prompt="same"), store=tmp_path / "store.sqlite")
    bench.run()
    assert [record.planned.n for record in bench.exchange.records()] == [2, 8]
    assert len(bench.asked) == len(set(bench.asked)) == 16
    close(bench)


def test_a_sample_that_another_suite_drew_before_is_not_asked_for_again() -> None:
    stopping = FakeStopping(staged=8)
    bench = Bench(stopping, suite("staged", prompt="same"), suite("whole", prompt="same"))
    bench.run()
    assert len(bench.asked) == len(set(bench.asked)) == 16
    assert stopping.sizes("staged") == [2, 4, 8]
    assert [len(problem.samples) for problem in bench.record("staged").problems] == [8, 8]


# Engines


def test_engines_wait_for_the_next_stage_and_end_together() -> None:
    engines = ("gw0", "gw1")
    bench = Bench(FakeStopping(it=4), suite("it"), engines=engines)
    for indices in ([0, 1], [2, 3]):
        parts = [bench.claim(engine) for engine in engines]
        for engine, part, problem in zip(engines, parts, PROBLEMS, strict=True):
            assert part is not None, engine
            assert {request.problem_id for request in part.requests} == {problem}
            assert [request.index for request in part.requests] == indices
            bench.answer(part)
        bench.judge()
    assert [bench.claim(engine) for engine in engines] == [None, None]


def test_an_engine_that_waits_for_a_stage_goes_when_the_run_is_cut_short() -> None:
    bench = Bench(FakeStopping(it=4), suite("it"))
    work = bench.claim()
    assert work is not None
    bench.answer(work)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bench.exchange.claim, ENGINE)
        assert not waiting.done()
        bench.exchange.close()
        assert waiting.result(PATIENCE) is None


def test_the_part_of_a_dead_engine_is_drawn_by_the_other_in_every_stage() -> None:
    bench = Bench(FakeStopping(it=4), suite("it"), engines=("gw0", "gw1"))
    bench.exchange.leave("gw1")
    while work := bench.claim("gw0"):
        bench.answer(work)
        bench.judge()
    assert sorted(bench.asked) == sorted(f"{problem}#{index}" for problem in PROBLEMS for index in range(4))
