"""The threads that keep an exchange moving: one drives an engine, one feeds the judges."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from threading import Semaphore, Thread

from pytest_passatk.core.errors import JudgeError, ModelError, PassatkError, stopped_by
from pytest_passatk.core.protocols import Model, Stoppable
from pytest_passatk.core.sample import Request
from pytest_passatk.core.verdict import Verdict
from pytest_passatk.judging import JudgePool, Task
from pytest_passatk.sampling.counter import Counter, Desk


class Sampler(Thread):
    """Drives one engine: claims what is missing, one model after the other, and delivers what comes.

    Args:
        desk: the exchange, or a link to it.
        find_model: gives the model for a spec; one of them is open at a time.
        owner: names this engine, so that what it claimed can be given to another when it dies.
    """

    def __init__(self, desk: Desk, find_model: Callable[[str], Model], owner: str) -> None:
        super().__init__(name="passatk-sampler", daemon=True)
        self.desk = desk
        self.find_model = find_model
        self.owner = owner
        self._stopped = False
        self._model: Model | None = None

    def run(self) -> None:
        """Sample until everything is answered, the run ends, or a model fails."""
        try:
            self._sample()
        except PassatkError as error:
            self._fail(error)
        except BaseException as error:  # noqa: BLE001 - whatever an engine raises has to reach those who wait
            self._fail(stopped_by(error))

    def stop(self) -> None:
        """Ask for no more than the completion in hand, or not even for that where the model can be stopped."""
        self._stopped = True
        model = self._model
        if isinstance(model, Stoppable):
            model.stop()

    def _sample(self) -> None:
        with ExitStack() as opened:
            model, spec = None, None
            while not self._stopped and (work := self.desk.claim(self.owner)):
                if model is None or work.model != spec:
                    opened.close()
                    model, spec = opened.enter_context(closing(self.find_model(work.model))), work.model
                    self._model = model
                self._drain(model, work.requests)

    def _drain(self, model: Model, requests: Sequence[Request]) -> None:
        missing = {(request.stream, request.index): request for request in requests}
        completions = model.sample(requests)
        try:
            for completion in completions:
                if missing.pop((completion.stream, completion.index), None) is None:
                    raise ModelError(f"{model.info.name} gave an answer that nobody asked for, or one twice")
                if not self.desk.deliver(completion) or self._stopped:
                    return
        finally:
            if isinstance(completions, Generator):
                completions.close()  # an iterator that stops early must not wait for the garbage collector
        if missing and not self._stopped and not self.desk.is_over():
            request = next(iter(missing.values()))
            raise ModelError(
                f"{model.info.backend}:{model.info.name} left {len(missing)} requests without an answer, the first "
                f"of them {request.problem_id}#{request.index}; the same command asks for them again"
            )

    def _fail(self, error: PassatkError) -> None:
        if self._stopped:
            return  # what breaks while it is being stopped is no failure
        with suppress(PassatkError, EOFError, OSError):  # the run has ended, or its controller
            self.desk.fail(error)


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
