"""What a call over the link between a worker and the controller costs.

Usage: python benchmarks/link_calls.py [--samples 10000] [--workers 1,2,8] [--text 2000]

As many processes as there are workers share the samples of one suite, 8 a problem, with a store on the disk: each
claims its shard and delivers all of it, then takes and settles until nothing is left. Printed are calls a second of all
processes together, and the same calls on the exchange itself, in one process without a link.
"""

import argparse
import multiprocessing
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from pytest_passatk.core.plan import Plan, PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.models.registry import load
from pytest_passatk.sampling.exchange import Exchange
from pytest_passatk.sampling.link import Link, Switchboard
from pytest_passatk.store import Store

N = 8


def make_plan(samples: int, length: int) -> Plan:
    """A suite with prompts of that many characters."""
    problems = tuple(PlannedProblem(f"p{at}", f"{at} " + "x" * length, "judge") for at in range(samples // N))
    return Plan((PlannedSuite("test_it.py::test_it", "tiny", SamplingParams(), N, (1,), False, problems),), 0)


def work(counter: Link | Exchange, name: str, text: str, start: float) -> list[float]:
    """Do what engine and judges of one worker do; returns the moments at which the kinds of call were over."""
    time.sleep(max(0.0, start - time.time()))
    work = counter.claim(name)
    moments = [time.time()]
    for request in work.requests if work else ():
        counter.deliver(Completion(request.stream, request.index, text, 500, FinishReason.STOP, 1.0))
    moments.append(time.time())
    while task := counter.take(name, None, 0):
        counter.settle(task, Verdict(Status.PASS, answer="7"))
    return [*moments, time.time()]


def serve(
    link: tuple[object, bytes], name: str, text: str, start: float, results: "multiprocessing.Queue[list[float]]"
) -> None:
    """One worker, as a process."""
    results.put(work(Link(*link), name, text, start))


def alone(exchange: Exchange, names: list[str], text: str, start: float) -> list[list[float]]:
    """The moments of one worker without a link."""
    return [work(exchange, names[0], text, start)]


def share(exchange: Exchange, names: list[str], text: str, start: float) -> list[list[float]]:
    """The moments of several, each a process."""
    switchboard = Switchboard(lambda: exchange)
    results: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    link = (switchboard.address, switchboard.key)
    processes = [multiprocessing.Process(target=serve, args=(link, name, text, start, results)) for name in names]
    for process in processes:
        process.start()
    ends = [results.get() for _ in processes]
    for process in processes:
        process.join()
    switchboard.close()
    return ends


def run(samples: int, workers: int, length: int) -> list[float]:
    """Seconds for each kind of call; no workers: without a link."""
    names = [f"gw{at}" for at in range(workers)] or ["engine"]
    plan, text = make_plan(samples, length), "y" * length
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(
            lambda: Store(Path(folder, "store.sqlite")), lambda spec: load(spec, ModelOptions()), engines=names
        )
        exchange.open(plan)
        start = time.time() + (2.0 if workers else 0.0)  # by then all processes are there
        ends = (share if workers else alone)(exchange, names, text, start)
        moments = [start, *(max(column) for column in zip(*ends, strict=True))]
        assert all(ledger.completions for ledger in exchange.books.ledgers.values()) if exchange.books else False
        return [late - early for early, late in pairwise(moments)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--workers", default="1,2,8")
    parser.add_argument("--text", type=int, default=2000)
    given = parser.parse_args()
    print("workers     claim s   deliver/s   take+settle/s")
    for workers in (0, *map(int, given.workers.split(","))):
        claim, deliver, judge = run(given.samples, workers, given.text)
        rates = given.samples / deliver, 2 * given.samples / judge
        print(f"{workers or 'no link':7}  {claim:9.2f}  {rates[0]:10,.0f}  {rates[1]:14,.0f}")


if __name__ == "__main__":
    main()
