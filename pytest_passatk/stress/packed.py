"""The packed runtime: a scheduler with a persistent batch over any network that reads packed tokens."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pytest_passatk.core.patch import Live, Patch, Phase, StepRow, StepView
from pytest_passatk.runtimes.contexts import unsilenced
from pytest_passatk.runtimes.observer import Observer
from pytest_passatk.runtimes.signatures import check_signatures
from pytest_passatk.runtimes.taps import tapped
from pytest_passatk.stress import hooked
from pytest_passatk.stress.batch import PersistentBatch, Running
from pytest_passatk.stress.drawing import draw_tokens
from pytest_passatk.stress.play import Play, Played
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.scheduler import Scheduler, Share

Tensor: TypeAlias = Any  # torch is imported only where it is used
CAPACITY = 64
STUCK = 10_000  # steps; no schedule comes near


@dataclass(frozen=True, slots=True)
class Part:
    """What one request reads in one step.

    Attributes:
        request: its id.
        tokens: to read.
        start: position of the first of them.
    """

    request: str
    tokens: tuple[int, ...]
    start: int


class Network(Protocol):
    """Reads packed tokens, and remembers those of each request.

    Attributes:
        module: of torch; its layers are tapped, and it is what a patch sees.
        head: the output embedding, vocabulary × hidden.
        tolerance: how far log-probabilities and hidden states may be apart between a request alone and in a batch.
    """

    module: Any
    vocabulary: int
    context: int
    hidden: int
    dtype: Any
    device: Any
    head: Tensor
    bias: Tensor | None
    tolerance: float

    def extend(self, parts: Sequence[Part]) -> Tensor:
        """Read the tokens of all parts in one pass, packed in their order; gives logits, one row a part."""

    def forget(self, request: str) -> None:
        """Drop what is remembered of a request."""


class PackedRuntime:
    """See `stress.runtime.Runtime`; every play starts with an empty batch.

    Args:
        name: of the runtime.
        network: that reads the tokens.

    Attributes:
        batch: the persistent batch; one for the life of the runtime, so that patches may hook it.
    """

    arms = 1
    chunks_seeded = True

    def __init__(self, name: str, network: Network) -> None:
        self.name = name
        self.network = network
        self.batch = PersistentBatch(CAPACITY)
        self._observer: Observer | None = None
        self._step = 0

    @property
    def live(self) -> Live:
        """See Runtime."""
        network = self.network
        kind = self.name.partition(":")[0]
        return Live(
            kind, self, network.module, self.batch, CAPACITY, network.hidden, network.dtype, network.device,
            network.head, network.bias,
        )  # fmt: skip

    @property
    def vocabulary(self) -> int:
        """See Runtime."""
        return self.network.vocabulary

    @property
    def context(self) -> int:
        """See Runtime."""
        return self.network.context

    @property
    def tolerance(self) -> float:
        """See Runtime."""
        return self.network.tolerance

    @contextmanager
    def attached(self, patch: Patch | None, observer: Observer) -> Iterator[None]:
        """See Runtime."""
        if patch:
            check_signatures(type(patch).__name__, patch.written_for)
        inner = unsilenced((patch or Patch()).attach(self.live))
        with inner, tapped(self.network.module, observer.layers, observer.layer):
            self._observer, self._step = observer, 0
            try:
                yield
            finally:
                self._observer = None

    def play(self, schedule: Schedule) -> Play:
        """See Runtime."""
        scheduler = Scheduler(schedule, CAPACITY, self.vocabulary)
        try:
            self._drive(scheduler)
        finally:
            self._clear(scheduler)
        requests = {name: _played(request) for name, request in scheduler.requests.items()}
        return Play(requests, tuple(scheduler.events), self._step)

    def hooks(self) -> frozenset[str]:
        """See Runtime."""
        return (
            hooked.names(self.network.module) | hooked.replaced("batch", self.batch) | hooked.replaced("engine", self)
        )

    def close(self) -> None:
        """Nothing is held beyond this object."""

    def execute(self, shares: Sequence[Share]) -> list[int]:
        """One step: the tokens drawn, one a row of the batch.

        Args:
            shares: what each request of the batch reads, by row.
        """
        view = _view(self._step, shares)
        if self._observer:
            self._observer.begin(view)
        logits = self.network.extend([_part(share) for share in shares])
        if self._observer:
            self._observer.forwarded()
            self._observer.logits(logits)
        tokens = self.sample(logits, view)
        if self._observer:
            self._observer.end(tokens)
        self._step += 1
        return tokens

    def sample(self, logits: Tensor, view: StepView) -> list[int]:
        """Draw a token for each row of the batch that samples; the others get one that means nothing."""
        observer = self._observer
        change = observer.candidates if observer and observer.changes_candidates else None
        running = [request for request in self.batch.requests if request]
        return draw_tokens(logits, self.batch.settings(), running, [row.samples for row in view.rows], change)

    def _drive(self, scheduler: Scheduler) -> None:
        clock = self._step = 0
        while not scheduler.over:
            scheduler.tick(clock, self._step)
            shares = {share.request.id: share for share in scheduler.share(self._step)}
            self._update(scheduler, shares.values())
            if shares:
                tokens = self.execute([shares[name] for name in self.batch.req_ids])
                self._note(scheduler, [shares[name] for name in self.batch.req_ids], tokens)
            clock += 1
            if clock > STUCK:
                raise RuntimeError(f"the schedule {scheduler.requests} does not end")

    def _update(self, scheduler: Scheduler, shares: Collection[Share]) -> None:
        """Bring the batch up to date: out with who does not read now, in with who does, and no holes."""
        reading = {share.request.id for share in shares}
        for name in self.batch.req_ids:
            if name not in reading:
                self.batch.remove_request(name)
                if not scheduler.holds(scheduler.requests[name]):
                    self.network.forget(name)
        present = {request.id for request in self.batch.requests if request}
        for share in shares:
            if share.request.id not in present:
                self.batch.add_request(share.request)
        self.batch.condense()

    def _note(self, scheduler: Scheduler, shares: Sequence[Share], tokens: Sequence[int]) -> None:
        for share, token in zip(shares, tokens, strict=True):
            request = share.request
            request.computed += share.count
            if request.computed == len(request.tokens):
                request.tokens.append(token)
                if request.complete:
                    scheduler.finish(request, self._step)

    def _clear(self, scheduler: Scheduler) -> None:
        for name in self.batch.req_ids:
            self.batch.remove_request(name)
        self.batch.condense()
        for name in scheduler.requests:
            self.network.forget(name)


def _part(share: Share) -> Part:
    request = share.request
    return Part(request.id, tuple(request.tokens[request.computed : request.computed + share.count]), request.computed)


def _view(step: int, shares: Sequence[Share]) -> StepView:
    rows: list[StepRow] = []
    packed = 0
    for share in shares:
        packed += share.count
        rows.append(_row(share, packed - 1))
    return StepView(step, packed, tuple(rows))


def _row(share: Share, row: int) -> StepRow:
    request, position = share.request, share.request.computed + share.count - 1
    samples = position + 1 == len(request.tokens)
    phase = Phase.DECODE if samples and position >= request.planned.prompt else Phase.PREFILL
    return StepRow(request.id, str(request.planned.problem), request.sample, row, position, phase, samples)


def _played(request: Running) -> Played:
    return Played(request.generated, tuple(request.logprobs), tuple(request.margins), request.complete)
