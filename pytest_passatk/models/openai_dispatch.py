"""Servers at work: each makes calls, as many at once as it may get, until all are answered."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models.openai_attempts import RESUMES, Attempts, Dead
from pytest_passatk.models.openai_board import Board
from pytest_passatk.models.openai_server import Server
from pytest_passatk.models.openai_settings import Settings

LOG = logging.getLogger("pytest_passatk")


class Dispatcher:
    """One run.

    Args:
        servers: that are alive.
        settings: of the run.
        requests: what to ask.
        deliver: gets each completion as it comes.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        settings: Settings,
        requests: Sequence[Request],
        deliver: Callable[[Completion], None],
    ) -> None:
        self._servers = servers
        self._most = settings.concurrency
        self._deliver = deliver
        self._board = Board(servers, requests, settings.choices)
        self._attempts = Attempts(settings, self._board)
        self._workers: dict[Server, set[asyncio.Task[None]]] = {server: set() for server in servers}

    async def run(self) -> None:
        """Answer all requests. Raises ModelError where no server can go on, or none would give an answer of use."""
        try:
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
                for server in self._servers:
                    await stack.enter_async_context(server)
                for _ in range(min(self._most, self._board.left)):
                    for server in self._servers:
                        self._workers[server].add(tasks.create_task(self._work(server)))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _work(self, server: Server) -> None:
        while call := await self._board.next(server):
            done: Sequence[Completion] = ()
            try:
                done = await self._attempts.make(server, call)
            except Dead as death:
                self._bury(server, str(death))
            except asyncio.CancelledError:
                if not server.dead:
                    raise
            for completion in done:
                self._deliver(completion)
            self._board.settle(server, call, len(done))

    def _bury(self, server: Server, words: str) -> None:
        """Give up on a server. Raises ModelError where it was the last one."""
        server.dead = words
        if all(other.dead for other in self._servers):
            others = "" if len(self._servers) == 1 else "; no other server is left"
            raise ModelError(f"{server} failed {words}{others}; {RESUMES}")
        LOG.warning("%s is dropped, because it failed %s", server, words)
        for task in self._workers[server] - {asyncio.current_task()}:
            task.cancel()
