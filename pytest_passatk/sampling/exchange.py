"""The exchange: where completions wait for judges, and verdicts for the items that asked for them.

There is one in a run, in the process that owns the store. Judges, items and engines reach it directly, or through a
`link` from the workers of pytest-xdist; they see the few methods of `Counter` and `Desk` either way.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, RLock, Thread
from time import monotonic

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.plan import Plan, PlannedSuite, ProblemKey
from pytest_passatk.core.protocols import Model, Stoppable
from pytest_passatk.core.record import ProblemRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.judging import Task
from pytest_passatk.sampling.admission import brief, load_model, refuse_another, refuse_unarmed
from pytest_passatk.sampling.books import Books
from pytest_passatk.sampling.counter import CutShort, Work
from pytest_passatk.sampling.ledger import Ledger
from pytest_passatk.sampling.progress import Progress
from pytest_passatk.sampling.shards import Shards
from pytest_passatk.sampling.stages import Stages, Stopping
from pytest_passatk.store import Store

UNSAVED = 64  # verdicts kept back at most; losing them costs judging again, never a sample
ENGINE = "engine"  # the name of the only one
CUT = "the run was cut short; the same command resumes it"


class Exchange:
    """The counter that owns ledgers, store and models.

    Args:
        open_store: gives the place where samples and verdicts are kept; called when there is a plan, not before.
        load: gives the model for a spec.
        on_open: called once when the plan is known, before any sample is drawn.
        vet: called before that with the plan and its models; raises PassatkError where these cannot be used.
        engines: the names of those that claim work; see Shards.
        stopping: says when suites have been sampled enough; asked once `vet` has agreed. `None` samples all at once.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        load: Callable[[str], Model],
        on_open: Callable[["Exchange"], None] = lambda _: None,
        vet: Callable[[Plan, Mapping[str, Model]], None] = lambda *_: None,
        engines: Sequence[str | None] = (ENGINE,),
        *,
        stopping: Stopping | None = None,
    ) -> None:
        self.store: Store | None = None
        self.progress = Progress()
        self.models: dict[str, Model] = {}
        self.notices: tuple[str, ...] = ()
        self.books: Books | None = None
        self.failure: PassatkError | None = None
        self.closed = False
        self._open_store = open_store
        self._load = load
        self._on_open = on_open
        self._vet = vet
        self._engines = engines
        self._stages = Stages(stopping)
        self._lock = RLock()
        # Apart, because most news is for one side only: items would wake at every sample, and slow the model down.
        self._tasks = Condition(self._lock)
        self._records = Condition(self._lock)
        self._free = Condition(self._lock)  # engines that have nothing to do
        self._shards: Shards | None = None
        self._missing = 0
        self._pending: deque[Task] = deque()
        self._taken: dict[tuple[ProblemKey, int], tuple[str, Task]] = {}
        self._gone: set[str] = set()
        self._unsaved: list[tuple[str, int, str, Verdict]] = []

    def open(self, plan: Plan) -> None:
        """See Counter: names the models, and looks up what the store has."""
        with self._lock:
            if self.books is not None and self.failure:
                raise CutShort(str(self.failure))  # it did start, but not for this process
            self._check()
            if self.closed:
                raise CutShort(CUT)
            if self.books is not None:
                refuse_another(self.books.plan, plan)
                return
            try:
                self.store = self._open_store()
                self.models.update({spec: load_model(spec, self._load) for spec in plan.by_model()})
                refuse_unarmed(plan, self.models)
                self.notices = tuple(brief(plan, self.models))
                self._vet(plan, self.models)
                self.books = Books(plan, self.models, self.store)
                due = list(self._stages.begin(self.books))
            except PassatkError as error:
                if self.closed:  # which ended the model in the middle of its answer
                    raise CutShort(CUT) from error
                self.failure = error
                raise
            # A worker that died before now left its name to nobody.
            self._shards = Shards(self.books, [None if name in self._gone else name for name in self._engines])
            for ledger in self.books.ledgers.values():
                self._welcome(ledger)
            self._on_open(self)
            self._wake_all()
            for suite in due:
                self._start_look(suite)

    def take(self, owner: str, only: ProblemKey | None = None, timeout: float | None = None) -> Task | None:
        """See Counter."""
        with self._lock:
            while True:
                self._check()
                if self.closed or owner in self._gone:
                    return None
                if task := self._next(only):
                    self._taken[task.key, task.completion.index] = (owner, task)
                    return task
                if self._finished(only):
                    return None
                if not self._tasks.wait(timeout):
                    return None

    def settle(self, task: Task, verdict: Verdict) -> None:
        """See Counter; a second verdict on a sample is ignored."""
        with self._lock:
            ledger, index = self._ledger(task.key), task.completion.index
            self._taken.pop((task.key, index), None)
            if index not in ledger.verdicts:
                self._enter(ledger, index, verdict)
            if ledger.settled:
                self._tasks.notify_all()
                self._records.notify_all()

    def wait(self, key: ProblemKey, timeout: float) -> ProblemRecord | None:
        """See Counter."""
        deadline = monotonic() + timeout
        with self._lock:
            while not self._ledger(key).settled:
                self._check()
                if self.closed:  # interrupted: a worker that waits on would hold up the end
                    raise CutShort(CUT)
                left = deadline - monotonic()
                if left <= 0:
                    return None
                self._records.wait(left)
            return self._ledger(key).record()

    def classify(self, key: ProblemKey, classes: tuple[int, ...]) -> None:
        """See Counter."""
        with self._lock:
            self._ledger(key).classes = classes

    def leave(self, owner: str) -> None:
        """See Counter; also said for a process that died."""
        with self._lock:
            self._gone.add(owner)
            if self._shards:
                self._shards.leave(owner)
            lost = [place for place, (holder, _) in self._taken.items() if holder == owner]
            self._pending.extendleft(self._taken.pop(place)[1] for place in lost)
            self._wake_all()

    def claim(self, owner: str) -> Work | None:
        """See Desk."""
        with self._lock:
            while True:
                self._check()
                if self.closed or owner in self._gone or (self.books and self._all_in):
                    return None
                if self._shards and (work := self._shards.find_work(owner)):
                    return work
                self._free.wait()

    def deliver(self, completion: Completion) -> bool:
        """See Desk; one that the model could not give is an ERROR at once."""
        lost = completion.finish_reason is FinishReason.ABORT
        kept = completion if lost or self.store is None else self.store.add_completion(completion)
        with self._lock:
            takers = list(self.books.enter(kept)) if self.books else []
            if takers:  # nobody, where the engine that had it before was only late
                self.progress.note_completion(kept.tokens, completion.latency)
            for ledger in takers:
                if lost:
                    self._enter(ledger, kept.index, Verdict(Status.ERROR, kept.error or "the model gave no answer"))
                else:
                    self._pending.append(Task(ledger.key, kept))
            self._tasks.notify_all()
            if lost:
                self._records.notify_all()
            self._missing -= len(takers)
            if not self._missing:
                self._free.notify_all()
            return not self.is_over()

    def is_over(self) -> bool:
        """See Desk."""
        return self.closed or self.failure is not None

    def fail(self, error: PassatkError) -> None:
        """See Counter."""
        with self._lock:
            self.failure = self.failure or error
            self._wake_all()

    def close(self) -> None:
        """End all waiting, and keep every verdict."""
        self.closed = True
        for model in tuple(self.models.values()):
            if isinstance(model, Stoppable):
                model.stop()  # first, since the lock is held by who asks a model what it is
        with self._lock:
            self._wake_all()
            self._save()

    def records(self) -> tuple[SuiteRecord, ...]:
        """What every suite came to so far."""
        with self._lock:
            return tuple(self.books.record(suite) for suite in self.books.plan.suites) if self.books else ()

    def _ledger(self, key: ProblemKey) -> Ledger:
        if self.books is None or key not in self.books.ledgers:
            raise PassatkError(f"{key}: not part of this run; every process of a run has to collect the same problems")
        return self.books.ledgers[key]

    @property
    def _all_in(self) -> bool:
        """Whether no model has anything more to answer."""
        return not self._missing and not self._stages.open

    def _welcome(self, ledger: Ledger, start: int = 0) -> None:
        """Count what the store had of the samples of a problem from `start` on, and queue what has no verdict."""
        found = len(ledger.completions.keys() - range(start))
        self._missing += ledger.n - start - found
        self.progress.planned += ledger.n - start
        self.progress.reused += found
        for index in ledger.verdicts.keys() - range(start):
            self.progress.note_verdict(ledger.verdicts[index].status)
        self._pending.extend(Task(ledger.key, completion) for completion in ledger.unjudged())

    def _start_look(self, suite: PlannedSuite) -> None:
        """Look at a complete stage, in a thread of its own: whoever brought the last verdict has more to do."""
        Thread(target=self._look, args=(suite,), name="passatk-look", daemon=True).start()

    def _look(self, suite: PlannedSuite) -> None:
        ledgers = self.books.of(suite) if self.books else []
        try:
            decided = self._stages.is_decided(suite, ledgers)
        except Exception as error:  # noqa: BLE001 - a thread that ends silently leaves everybody waiting
            self.fail(PassatkError(f"{suite.title}: the gate broke: {type(error).__name__}: {error}"))
        else:
            with self._lock:
                start = ledgers[0].n
                if self._stages.go_on(suite, ledgers, decided=decided):
                    self._start_look(suite)
                for ledger in ledgers:
                    self._welcome(ledger, start)
                self._wake_all()

    def _next(self, only: ProblemKey | None) -> Task | None:
        task = next((task for task in self._pending if only is None or task.key == only), None)
        if task:
            self._pending.remove(task)
        return task

    def _finished(self, only: ProblemKey | None) -> bool:
        everything = self.books is not None and self._all_in and self.progress.judged == self.progress.planned
        return self._ledger(only).settled if only else everything

    def _enter(self, ledger: Ledger, index: int, verdict: Verdict) -> None:
        ledger.verdicts[index] = verdict
        self.progress.note_verdict(verdict.status)
        if self._stages.note(ledger.suite):
            self._start_look(ledger.suite)
        self._unsaved.append((ledger.stream, index, ledger.problem.judge, verdict))
        if len(self._unsaved) >= UNSAVED:
            self._save()

    def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, []
        if unsaved and self.store:
            try:
                self.store.add_verdicts(unsaved)
            except PassatkError as error:
                self.failure = self.failure or error
                self._wake_all()
                raise

    def _wake_all(self) -> None:
        self._tasks.notify_all()
        self._records.notify_all()
        self._free.notify_all()

    def _check(self) -> None:
        if self.failure:
            raise self.failure
