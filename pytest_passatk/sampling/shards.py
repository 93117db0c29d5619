"""Which engine of a run answers what."""

from collections.abc import Sequence

from pytest_passatk.core.plan import ProblemKey
from pytest_passatk.core.sample import Request
from pytest_passatk.core.turns import turn
from pytest_passatk.sampling.books import Books
from pytest_passatk.sampling.counter import Work


class Shards:
    """The plan dealt out to engines: its problem number i belongs to shard i mod the number of engines.

    All samples of a problem, in every arm, are in one shard, and share what its engine has cached of the prompt. Where
    arms are patched, or a run is repeated, an engine gets one arm of one run at a time: the arms of a run right behind
    each other, in the order in which they were typed and, every second run, the other way round. So each has a speed of
    its own, and what changes on a machine in the meantime weighs on all arms alike.

    Args:
        books: with the ledgers of the plan.
        engines: the names of the engines, each with a shard of its own; `None` leaves a shard to whoever is free.
    """

    def __init__(self, books: Books, engines: Sequence[str | None]) -> None:
        self._books = books
        self._holders = list(engines)
        self._shards: dict[str, int] = {}
        numbers: dict[ProblemKey, int] = {}
        for key, ledger in books.ledgers.items():
            number = numbers.setdefault(ProblemKey(key.suite, key.problem), len(numbers))
            self._shards.setdefault(ledger.stream, number % len(engines))
        self._apart = {spec: any(map(books.is_apart, suites)) for spec, suites in books.plan.by_model().items()}
        self._arms = {arm: place for place, arm in enumerate(dict.fromkeys(suite.arm for suite in books.plan.suites))}

    def find_work(self, engine: str) -> Work | None:
        """What an engine is to answer next, model by model: of a shard that it holds, else of one that nobody does."""
        for holder in (engine, None):
            for shard in [number for number, name in enumerate(self._holders) if name == holder]:
                if work := self._missing(shard):
                    self._holders[shard] = engine
                    return work
        return None

    def leave(self, engine: str) -> None:
        """Let others have what an engine held."""
        self._holders = [None if name == engine else name for name in self._holders]

    def _missing(self, shard: int) -> Work | None:
        for spec, suites in self._books.plan.by_model().items():
            requests = (request for request in self._books.requests(suites) if self._shards[request.stream] == shard)
            if missing := tuple(requests):
                return Work(spec, self._next_turn(missing) if self._apart[spec] else missing)
            if not self._books.are_final(suites):
                return None  # a model is not left for another before its suites are done: loading takes longer
        return None

    def _next_turn(self, missing: Sequence[Request]) -> tuple[Request, ...]:
        """What is missing of the arm and run whose turn it is."""
        first = min(map(self._turn, missing))
        return tuple(request for request in missing if self._turn(request) == first)

    def _turn(self, request: Request) -> tuple[int, int]:
        return turn(request.repeat, self._arms[request.arm])
