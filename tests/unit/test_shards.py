"""How a plan is dealt out to engines."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_passatk.core.plan import Plan, PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request, SamplingParams
from pytest_passatk.models.registry import load
from pytest_passatk.sampling.counter import Work
from pytest_passatk.sampling.exchange import Exchange
from pytest_passatk.store import Store

N = 3


def open_exchange(engines: list[str | None], *sizes: int) -> Exchange:
    """An exchange whose plan has suites of those sizes; problems of one number have one prompt in all of them."""
    suites = [
        PlannedSuite(
            f"test_it.py::test_{at}", "tiny", SamplingParams(), N, (1,), False,
            tuple(PlannedProblem(f"p{number}", f"{number}", "judge") for number in range(size)),
        )
        for at, size in enumerate(sizes)
    ]  # fmt: skip
    exchange = Exchange(lambda: Store(None), lambda spec: load(spec, ModelOptions()), engines=engines)
    exchange.open(Plan(tuple(suites), 0))
    return exchange


def claim(exchange: Exchange, engine: str) -> tuple[Request, ...]:
    work = exchange.claim(engine)
    assert isinstance(work, Work)
    return work.requests


def answer(exchange: Exchange, requests: tuple[Request, ...]) -> None:
    for request in requests:
        exchange.deliver(Completion(request.stream, request.index, "7", 1, FinishReason.STOP, 0.0))


@settings(deadline=None)  # the first example imports the embedded model
@given(st.lists(st.integers(1, 7), min_size=1, max_size=3), st.integers(1, 5))
def test_every_sample_is_dealt_out_once_and_those_of_a_problem_together(sizes: list[int], count: int) -> None:
    engines: list[str | None] = [f"gw{at}" for at in range(count)]
    exchange = open_exchange(engines, *sizes)
    problems = max(sizes)  # the others share their samples with those of the largest suite
    shards = [claim(exchange, f"gw{at}") for at in range(min(count, sizes[0]))]
    dealt = Counter(request.stream for shard in shards for request in shard)
    assert all(number == N for number in dealt.values())
    assert all(len({id(shard) for shard in shards for r in shard if r.stream == stream}) == 1 for stream in dealt)
    if sizes[0] == problems:
        assert len(dealt) == problems
        assert [shard[0].problem_id for shard in shards] == [f"p{at}" for at in range(len(shards))]


def test_a_shard_goes_to_others_only_when_its_engine_is_gone() -> None:
    exchange = open_exchange(["gw0", "gw1"], 4)
    mine = claim(exchange, "gw0")
    assert {request.problem_id for request in mine} == {"p0", "p2"}
    exchange.leave("gw1")
    assert claim(exchange, "gw0") == mine, "its own first"
    answer(exchange, mine)
    others = claim(exchange, "gw0")
    assert {request.problem_id for request in others} == {"p1", "p3"}
    answer(exchange, others)
    assert exchange.claim("gw0") is None


def test_an_engine_that_follows_gets_what_is_left() -> None:
    exchange = open_exchange(["gw0", "gw1"], 2)
    answer(exchange, claim(exchange, "gw1")[:2])
    exchange.leave("gw1")
    assert exchange.claim("gw1") is None
    assert [f"{request.problem_id}#{request.index}" for request in claim(exchange, "gw2")] == ["p1#2"]


def test_an_engine_that_died_before_the_plan_was_known_holds_nothing_up() -> None:
    exchange = Exchange(lambda: Store(None), lambda spec: load(spec, ModelOptions()), engines=["gw0", None])
    exchange.leave("gw0")
    problems = tuple(PlannedProblem(f"p{number}", f"{number}", "judge") for number in range(2))
    exchange.open(Plan((PlannedSuite("t.py::test_it", "tiny", SamplingParams(), N, (1,), False, problems),), 0))
    for problem in ("p0", "p1"):
        requests = claim(exchange, "gw2")
        assert {request.problem_id for request in requests} == {problem}
        answer(exchange, requests)
    assert exchange.claim("gw2") is None


def test_a_sample_that_comes_twice_counts_once() -> None:
    exchange = open_exchange(["gw0"], 1)
    requests = claim(exchange, "gw0")
    answer(exchange, requests[:1])
    answer(exchange, requests[:1])
    assert exchange.progress.sampled == 1
    assert len(claim(exchange, "gw0")) == N - 1
