"""The threads that keep an exchange moving: one drains the model, one feeds the judges."""

import traceback
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from functools import partial
from threading import Semaphore, Thread

from pytest_passatk.core.errors import JudgeError, ModelError, PassatkError
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import Model
from pytest_passatk.core.verdict import Verdict
from pytest_passatk.judging import JudgePool, Task
from pytest_passatk.sampling.exchange import Counter, Exchange


class Sampler(Thread):
    """Asks each model for all that is missing, one model after the other.

    Args:
        exchange: gets the completions, in the order in which they finish.
    """

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(name="passatk-sampler", daemon=True)
        self.exchange = exchange

    def run(self) -> None:
        """Sample until everything is answered, the exchange closes, or a model fails."""
        books = self.exchange.books
        try:
            for spec, suites in books.plan.by_model().items() if books else ():
                with closing(self.exchange.models[spec]) as model:
                    self._drain(model, suites)
        except PassatkError as error:
            self.exchange.fail(error)
        except BaseException as error:  # noqa: BLE001 - whatever an engine raises has to reach those who wait
            trace = "".join(traceback.format_exception(error))  # a cause would not reach other processes
            message = f"the model stopped: {type(error).__name__}: {error}; the same command resumes"
            self.exchange.fail(ModelError(f"{message}\n{trace}"))

    def _drain(self, model: Model, suites: tuple[PlannedSuite, ...]) -> None:
        missing = {(request.stream, request.index): request for request in self.exchange.requests(suites)}
        if not missing:
            return
        completions = model.sample(list(missing.values()))
        try:
            for completion in completions:
                if missing.pop((completion.stream, completion.index), None) is None:
                    raise ModelError(f"{model.info.name} gave an answer that nobody asked for, or one twice")
                self.exchange.deliver(completion)
                if self.exchange.closed:
                    return
        finally:
            if isinstance(completions, Generator):
                completions.close()  # an iterator that stops early must not wait for the garbage collector
        for request in missing.values():
            raise ModelError(
                f"{model.info.backend}:{model.info.name} left {len(missing)} requests without an answer, the first "
                f"of them {request.problem_id}#{request.index}; the same command asks for them again"
            )


class Feeder(Thread):
    """Moves completions from a counter to a pool of judges, and verdicts back.

    Args:
        counter: the exchange, or a link to it.
        pool: the judges.
        owner: names this process, so that what it took can be given to another when it dies.
    """

    def __init__(self, counter: Counter, pool: JudgePool, owner: str) -> None:
        super().__init__(name="passatk-feeder", daemon=True)
        self.counter = counter
        self.pool = pool
        self.owner = owner
        self._left = False
        # One in the hand of each judge and one behind it: more would keep work from other processes.
        self._room = Semaphore(2 * pool.judges)

    def run(self) -> None:
        """Feed until no more completions will come."""
        with self._told():
            while self._room.acquire() and (task := self.counter.take(self.owner)):
                self.pool.submit(task).add_done_callback(partial(self._settle, task))

    def _settle(self, task: Task, future: Future[Verdict]) -> None:
        self._room.release()
        with self._told():
            self.counter.settle(task, future.result())

    def leave(self) -> None:
        """Take nothing more, because this process is done."""
        with suppress(PassatkError, EOFError, OSError):
            self.counter.leave(self.owner)
        self._left = True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Judges that are gone end the run, as does anything unforeseen; the exchange tells its own failures."""
        with suppress(PassatkError, EOFError, OSError):
            try:
                yield
            except JudgeError as error:
                self._fail(error)
            except (PassatkError, EOFError, OSError):
                raise
            except BaseException as error:  # noqa: BLE001 - a thread that ends silently leaves everybody waiting
                self._fail(JudgeError(f"a completion cannot be judged: {type(error).__name__}: {error}"))

    def _fail(self, error: JudgeError) -> None:
        if not self._left:
            self.counter.fail(error)
