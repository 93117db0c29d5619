"""Calls to servers: each takes the next one when it has room, and one that fails in passing is made again."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from itertools import cycle

from pytest_passatk.core.errors import ModelError, PassatkError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import admit
from pytest_passatk.models.openai_call import Call, group
from pytest_passatk.models.openai_failure import Failure, Remedy, classify
from pytest_passatk.models.openai_server import Server
from pytest_passatk.models.openai_settings import Settings

LOG = logging.getLogger("pytest_passatk")
NOT_FOUND = 404
WORTH_TELLING_SECONDS = 60.0
HOPELESS = 10  # that many problems refused, and none answered, end the run
RESUMES = "what finished is kept, and the same command resumes"


class Dead(Exception):  # noqa: N818 - it names the server's state
    """A server failed too often in a row."""


class Dispatcher:
    """The calls of one run.

    Every server has workers, as many as it may get requests at once. A worker takes the next call of its server, or
    one that waits for another server.

    Args:
        servers: that are alive.
        settings: of the run.
        deliver: gets each completion as it comes.
    """

    def __init__(self, servers: Sequence[Server], settings: Settings, deliver: Callable[[Completion], None]) -> None:
        self.servers = servers
        self.settings = settings
        self._deliver = deliver
        self._left = 0
        self._news = asyncio.Event()
        self._answered = False
        self._refused: set[str] = set()
        self._workers: dict[Server, set[asyncio.Task[None]]] = {server: set() for server in servers}

    async def run(self, requests: Sequence[Request]) -> None:
        """Answer all requests. Raises ModelError where no server can go on, or all would refuse."""
        self._assign(requests)
        try:
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
                for server in self.servers:
                    await stack.enter_async_context(server)
                for _ in range(min(self.settings.concurrency, self._left)):
                    for server in self.servers:
                        self._workers[server].add(tasks.create_task(self._work(server)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _assign(self, requests: Sequence[Request]) -> None:
        """Give the calls of a problem to one server, which then reads its prompt once."""
        for server in self.servers:
            server.queue.clear()
        turns = cycle(self.servers)
        for calls in group(requests, self.settings.choices):
            next(turns).queue.extend(calls)
        self._left = sum(len(server.queue) for server in self.servers)

    async def _work(self, server: Server) -> None:
        while call := await self._next(server):
            try:
                done = await self._make(server, call)
            except Dead as death:
                self._bury(server, str(death))
                done = None
            except asyncio.CancelledError:
                if not server.dead:
                    raise
                done = None
            self._finish(server, call, done or [])
            if server.dead:
                return

    async def _next(self, server: Server) -> Call | None:
        """The next call for a server; `None` when all are answered."""
        while self._left:
            if call := self._take(server):
                return call
            await self._news.wait()
        return None

    def _take(self, server: Server) -> Call | None:
        """A call of a server's own, or the last of those that wait longest elsewhere."""
        if server.queue:
            return self._split(server, server.queue.popleft())
        longest = max(self.servers, key=lambda other: len(other.queue))
        return self._split(server, longest.queue.pop()) if longest.queue else None

    def _split(self, server: Server, call: Call) -> Call:
        """A call as small as a server wants it; the rest waits its turn."""
        if not server.single or len(call.requests) == 1:
            return call
        first, *rest = (Call((request,)) for request in call.requests)
        server.queue.extendleft(reversed(rest))
        self._left += len(rest)
        self._tell()
        return first

    def _tell(self) -> None:
        """Wake the workers that have nothing to do."""
        self._news.set()
        self._news = asyncio.Event()

    def _finish(self, server: Server, call: Call, done: Sequence[Completion]) -> None:
        """Hand over completions, and queue what is left; a server that gave some, but not all, gives one a request."""
        for completion in done:
            self._deliver(completion)
        if rest := call.requests[len(done) :]:
            server.single = server.single or bool(done)
            server.queue.appendleft(Call(rest))
        else:
            self._left -= 1
        if rest or not self._left:
            self._tell()

    async def _make(self, server: Server, call: Call) -> list[Completion] | None:
        """Completions for the first requests of a call; `None` to make it again in another way.

        Raises:
            Dead: the server failed too often in a row.
            ModelError: the run cannot go on.
        """
        failures, answered = 0, server.answered
        while True:
            await server.ready()
            way = (server.manners, server.single)
            try:
                done = await server.ask(call)
            except PassatkError as error:
                return _abort(call, error)
            except Exception as error:  # noqa: BLE001 - classified below, so that no key is in its words
                failure = classify(error, self.settings.secrets)
            else:
                server.answered += 1
                self._answered = True
                return done
            if failure.remedy is not Remedy.AGAIN:
                return self._settle(server, call, failure, way)
            works = server.answered > answered
            failures = 1 if failure.busy and works else failures + 1  # busy: with more to do than it can
            if failures > self.settings.retries:
                return self._give_up(server, call, failure, works=works)
            await self._wait(server, failure, failures)
            if failures == 1:  # what it answered until then, it had begun before it failed
                answered = server.answered

    def _settle(self, server: Server, call: Call, failure: Failure, way: tuple[object, ...]) -> list[Completion] | None:
        """What becomes of a call that was refused. Raises ModelError where that concerns all."""
        if failure.remedy is Remedy.STOP:
            serves = f"; it serves {name_some(server.listed)}" if failure.status == NOT_FOUND and server.listed else ""
            raise ModelError(f"{server}: {failure.words}{serves}; {RESUMES}")
        if (learned := server.adapt(failure, call)) or way != (server.manners, server.single):
            if learned:
                LOG.warning("%s %s", server, learned)
            return None
        problem = call.first.problem_id
        self._refused.add(problem)
        if not self._answered and len(self._refused) >= HOPELESS:
            raise ModelError(f"{server} refused the first {HOPELESS} problems, the last of them with {failure.words}")
        return _abort(call, ModelError(f"{problem}: {server} refused it: {failure.words}"))

    def _give_up(self, server: Server, call: Call, failure: Failure, *, works: bool) -> list[Completion]:
        """Abort a call that fails where others succeed; else it is the server. Raises Dead."""
        times = f"{self.settings.retries + 1} times in a row: {failure.words}"
        if not works:
            raise Dead(times)
        return _abort(call, ModelError(f"{call.first.problem_id}: {server} failed {times}; {RESUMES}"))

    async def _wait(self, server: Server, failure: Failure, failures: int) -> None:
        """Wait before the next attempt; a server that is busy, or asks for it, is left alone by all calls."""
        seconds = server.delay(failure, failures)
        if seconds > WORTH_TELLING_SECONDS:
            LOG.warning("%s wants to be left alone for %.0f s: %s", server, seconds, failure.words)
        if failure.busy or failure.pause is not None:
            server.pause(seconds)
        else:
            await asyncio.sleep(seconds)

    def _bury(self, server: Server, words: str) -> None:
        """Give up on a server. Raises ModelError where it was the last one."""
        server.dead = words
        if all(other.dead for other in self.servers):
            others = "" if len(self.servers) == 1 else "; no other server is left"
            raise ModelError(f"{server} failed {words}{others}; {RESUMES}")
        LOG.warning("%s is dropped, because it failed %s", server, words)
        for task in self._workers[server] - {asyncio.current_task()}:
            task.cancel()


def _abort(call: Call, error: PassatkError) -> list[Completion]:
    return [admit.abort(request, error) for request in call.requests]
