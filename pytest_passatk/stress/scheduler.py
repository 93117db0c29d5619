"""The scheduler of the packed runtime: who reads how many tokens in the next step, and who is preempted.

It decides as vLLM's does: running requests first, in order; the last of them gives way where the cache is full; then
those that wait, as far as rows, tokens and cache reach.
"""

from collections import deque
from dataclasses import dataclass

from pytest_passatk.stress.batch import Running
from pytest_passatk.stress.play import Event, Happening
from pytest_passatk.stress.schedule import BLOCK, Schedule

ENDLESS = 2**30


@dataclass(frozen=True, slots=True)
class Share:
    """The tokens that a request reads in one step."""

    request: Running
    count: int


class Scheduler:
    """Decides on the steps of one schedule.

    Args:
        schedule: whose requests arrive.
        rows: the most requests that the batch holds.
        vocabulary: for the prompts.
    """

    def __init__(self, schedule: Schedule, rows: int, vocabulary: int) -> None:
        self.events: list[Event] = []
        self.requests: dict[str, Running] = {}
        self._schedule = schedule
        self._vocabulary = vocabulary
        self._rows = min(rows, schedule.slots or rows)
        self._coming = sorted(range(len(schedule.requests)), key=lambda at: schedule.requests[at].arrival)
        self._waiting: deque[Running] = deque()
        self._running: list[Running] = []
        self._blocks: dict[str, int] = {}

    @property
    def over(self) -> bool:
        """Whether no request is left, and none will come."""
        return not (self._coming or self._waiting or self._running)

    def tick(self, clock: int, step: int) -> None:
        """Take in what arrives before a step, and give back what is aborted."""
        while self._coming and self._schedule.requests[self._coming[0]].arrival <= clock:
            self._arrive(self._coming.pop(0), step)
        for request in [*self._running, *self._waiting]:
            if request.planned.abort is not None and request.planned.abort <= clock:
                self._end(request, step, Happening.ABORT)

    def share(self, step: int) -> list[Share]:
        """Who reads how many tokens in this step, in the order of the queue."""
        shares: list[Share] = []
        budget, preempted = self._schedule.budget or ENDLESS, False
        for request in tuple(self._running):
            if request in self._running and budget:
                count = min(len(request.tokens) - request.computed, budget)
                while not self._reserve(request, count):
                    last = self._running[-1]
                    self._preempt(last, step)
                    preempted = True  # it comes later in the queue, and has no share yet
                    if last is request:
                        break
                else:
                    shares.append(Share(request, count))
                    budget -= count
        while self._waiting and len(self._running) < self._rows and budget and not preempted:
            request = self._waiting[0]
            count = min(len(request.tokens) - request.computed, budget)
            if not self._reserve(request, count):
                break
            self._running.append(self._waiting.popleft())
            shares.append(Share(request, count))
            budget -= count
        return shares

    def finish(self, request: Running, step: int) -> None:
        """Note that a request has all its tokens."""
        self._end(request, step, Happening.FINISH)

    def holds(self, request: Running) -> bool:
        """Whether a request is running."""
        return request in self._running

    def _arrive(self, at: int, step: int) -> None:
        planned, name = self._schedule.requests[at], self._schedule.ids[at]
        request = Running(name, planned, list(planned.tokens(self._vocabulary)), self._schedule.sample_of(at))
        self.requests[name] = request
        self._waiting.append(request)
        self.events.append(Event(step, name, Happening.ARRIVE))

    def _end(self, request: Running, step: int, what: Happening) -> None:
        if request in self._running:
            self._running.remove(request)
        else:
            self._waiting.remove(request)
        self._blocks.pop(request.id, None)
        self.events.append(Event(step, request.id, what))

    def _preempt(self, request: Running, step: int) -> None:
        self._running.remove(request)
        self._blocks.pop(request.id, None)
        request.computed = 0
        self._waiting.appendleft(request)
        self.events.append(Event(step, request.id, Happening.PREEMPT))

    def _reserve(self, request: Running, count: int) -> bool:
        """Take the blocks that the next tokens need; returns whether there were enough."""
        needed = -(-(request.computed + count) // BLOCK)
        others = sum(blocks for name, blocks in self._blocks.items() if name != request.id)
        if self._schedule.blocks is not None and others + needed > self._schedule.blocks:
            return False
        self._blocks[request.id] = needed
        return True
