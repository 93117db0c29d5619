"""Which server makes which call, and when."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle

from pytest_passatk.core.sample import Request
from pytest_passatk.models.openai_call import Call, group
from pytest_passatk.models.openai_server import Server


class Board:
    """The calls of a run that are not answered yet.

    A server makes those of its own first, then the last of those that wait longest elsewhere, and then what another one
    has in hand, but cannot make now.

    Args:
        servers: that share the calls; all of a problem go to one of them, which then reads its prompt once.
        requests: what the calls ask for.
        most: requests in a call.

    Attributes:
        left: calls that are not answered yet.
    """

    def __init__(self, servers: Sequence[Server], requests: Sequence[Request], most: int) -> None:
        self._queues: dict[Server, deque[Call]] = {server: deque() for server in servers}
        turns = cycle(servers)
        for calls in group(requests, most):
            self._queues[next(turns)].extend(calls)
        self.left = sum(map(len, self._queues.values()))
        self._holders: dict[tuple[str, int], Server] = {}
        self._offers: dict[tuple[str, int], tuple[Call, asyncio.Event]] = {}
        self._tried: set[tuple[Server, tuple[str, int]]] = set()
        self._news = asyncio.Event()

    async def next(self, server: Server) -> Call | None:
        """The next call for a server, which takes none while it is to be left alone; `None` when all are answered."""
        while self.left and not server.dead:
            rest = server.rest()
            if not rest and (call := self._take(server)):
                return self._hold(server, call)
            await _wait(self._news, rest or None)
        return None

    async def lend(self, server: Server, call: Call, seconds: float) -> bool:
        """Keep a call back for some time; returns whether no other server took it meanwhile.

        One that has nothing else to do takes it, unless it failed to make it, too.
        """
        taken = asyncio.Event()
        self._tried.add((server, call.key))
        self._offers[call.key] = (call, taken)
        self._tell()
        try:
            await _wait(taken, seconds)
        finally:
            if not taken.is_set():
                del self._offers[call.key]
        return not taken.is_set()

    def settle(self, server: Server, call: Call, given: int) -> None:
        """Note how many completions a call brought, and queue the rest; another server may have it by now.

        A server that gave some, but not all, gives one a request.
        """
        if self._holders.get(call.key) is not server:
            return
        del self._holders[call.key]
        if rest := call.requests[given:]:
            server.single = server.single or given > 0
            self._queues[server].appendleft(Call(rest))
        else:
            self.left -= 1
        if rest or not self.left:
            self._tell()

    def _take(self, server: Server) -> Call | None:
        if self._queues[server]:
            return self._queues[server].popleft()
        if longest := max(self._queues.values(), key=len):
            return longest.pop()
        for key, (call, taken) in self._offers.items():
            if (server, key) not in self._tried:
                del self._offers[key]
                taken.set()
                return call
        return None

    def _hold(self, server: Server, call: Call) -> Call:
        """A call as small as its server wants it; the rest waits its turn."""
        first, *rest = [Call((request,)) for request in call.requests] if server.single else [call]
        if rest:
            self._queues[server].extendleft(reversed(rest))
            self.left += len(rest)
            self._tell()
        self._holders[first.key] = server
        return first

    def _tell(self) -> None:
        """Wake those who wait for a call."""
        self._news.set()
        self._news = asyncio.Event()


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, or that long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
