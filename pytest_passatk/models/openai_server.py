"""One server of a run: what is known of it, and how it does."""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic, perf_counter
from typing import Any, Self

from pytest_passatk.core.sample import Completion
from pytest_passatk.models.openai_address import Address
from pytest_passatk.models.openai_answer import read
from pytest_passatk.models.openai_call import Call, Manners, body, path
from pytest_passatk.models.openai_clients import CONNECT_SECONDS, Clients
from pytest_passatk.models.openai_dialect import ANY
from pytest_passatk.models.openai_failure import Failure
from pytest_passatk.models.openai_settings import Settings
from pytest_passatk.models.openai_siblings import Siblings
from pytest_passatk.models.openai_words import Discreet, complains_of

FIRST_PAUSE_SECONDS = 0.5  # doubled after every further failure in a row
LONGEST_PAUSE_SECONDS = 30.0
LOGGERS = tuple(map(logging.getLogger, ("httpx", "httpx2", "openai._base_client")))  # they log whole addresses
ONE_ONLY = "only one completion"  # llama.cpp refuses `n` without naming it


class Server:
    """A server, alive until it fails too often in a row.

    Args:
        address: where it is.
        settings: of the run.

    Attributes:
        manners: how it wants to be asked; learned while it answers.
        single: whether it gives one completion a request, whatever is asked.
        dead: why it is given up, or an empty text.
        answered: calls that worked out.
        siblings: whether the samples of one request differ.
        listed: the models that it lists, by name; `None` where it does not tell.
        version: of its software, where it tells.
    """

    def __init__(self, address: Address, settings: Settings) -> None:
        self.address = address
        self.settings = settings
        self.manners = Manners(ANY)
        self.single = False
        self.dead = ""
        self.answered = 0
        self.siblings = Siblings()
        self.listed: Mapping[str, Mapping[str, Any]] | None = None
        self.version: str | None = None
        self._clients = Clients(address, settings)
        self._discreet = Discreet(settings.secrets)
        self._pause_until = 0.0
        self._chance = random.Random()  # its own, not that of samples

    def __str__(self) -> str:
        return self.address.shown

    async def __aenter__(self) -> Self:
        """Be ready for requests, all of them in one event loop."""
        for logger in LOGGERS:
            logger.addFilter(self._discreet)
        return self

    async def __aexit__(self, *_: object) -> None:
        for logger in LOGGERS:
            logger.removeFilter(self._discreet)
        await self._clients.close()

    async def ask(self, call: Call) -> list[Completion]:
        """Make a call. Raises what the client raises, TimeoutError or Garbled; UsageError before anything is sent."""
        asked = body(call, self.settings, self.manners)
        start = perf_counter()
        with self._clients.borrow() as client:
            async with asyncio.timeout(self.settings.timeout):
                answer = await client.post(path(self.settings), cast_to=object, body=asked)
        return read(answer, call.requests, perf_counter() - start)

    async def get(self, path: str, *, root: bool = False) -> Any:
        """What is found at a path of the API, or of the server itself, within the time that a connection may take."""
        with self._clients.borrow() as client:
            place = client.with_options(base_url=self.address.root) if root else client
            async with asyncio.timeout(CONNECT_SECONDS):
                return await place.get(path, cast_to=object)

    def adapt(self, failure: Failure, call: Call) -> str:
        """Learn from a refusal how to ask; returns what was learned, or nothing where it is the call's own fault."""
        said = failure.words.lower()
        if len(call.requests) > 1 and not self.single and (complains_of(failure.body, "n") or ONE_ONLY in said):
            self.single = True
            return "gives one completion a request"
        if self.manners.seeds and complains_of(failure.body, "seed"):
            self.manners = replace(self.manners, seeds=False)
            return "takes no seeds, so that the same command from the start draws other samples"
        if self.manners.limit == "max_tokens" and "max_completion_tokens" in said and "support" in said:
            self.manners = replace(self.manners, limit="max_completion_tokens")
            return "calls max_tokens max_completion_tokens"
        return ""

    def delay(self, failure: Failure, attempt: int) -> float:
        """Seconds to wait after a failure, the first being number 1: as the server says, and at least a pause of ours.

        Ours is twice as long each time, never quite the same.
        """
        ours = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1), LONGEST_PAUSE_SECONDS) * self._chance.uniform(0.5, 1)
        return max(ours, failure.pause or 0.0)

    def pause(self, seconds: float) -> None:
        """Ask nothing more for some time."""
        self._pause_until = max(self._pause_until, monotonic() + seconds)

    def rest(self) -> float:
        """Seconds left of a pause, for each call a little more, so that they do not all come at once."""
        return max(0.0, self._pause_until - monotonic()) * self._chance.uniform(1, 1.25)
