"""The official client, as often as the requests to one server need it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest_passatk.models.openai_address import Address
from pytest_passatk.models.openai_settings import Settings

SHARE = 32  # requests that a client gets at once: with each of them it looks through all its connections
CONNECT_SECONDS = 10.0


class Clients:
    """The clients of one server, which belong to the running event loop.

    Each has fewer connections than it may, whatever the concurrency, so that none of them cuts it short.

    Args:
        address: of the server.
        settings: of the run.
    """

    def __init__(self, address: Address, settings: Settings) -> None:
        self._address = address
        self._settings = settings
        self._busy: dict[Any, int] = {}

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """A client for one request."""
        client = next((client for client, busy in self._busy.items() if busy < SHARE), None) or self._open()
        self._busy[client] += 1
        try:
            yield client
        finally:
            self._busy[client] -= 1

    async def close(self) -> None:
        """Close every client."""
        while self._busy:
            await self._busy.popitem()[0].close()

    def _open(self) -> Any:
        from openai import AsyncOpenAI, Timeout  # noqa: PLC0415 - an optional library

        seconds = self._settings.timeout
        client = AsyncOpenAI(
            api_key=self._settings.key,
            base_url=self._address.url,
            default_query=dict(self._address.query),
            timeout=Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            max_retries=0,  # ours know of the other servers
        )
        self._busy[client] = 0
        return client
