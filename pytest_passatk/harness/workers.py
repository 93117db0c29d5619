"""Hooks for pytest-xdist: the controller owns the exchange, the workers get a link to it."""

from threading import Event, Lock, Thread
from typing import Any

import pytest

from pytest_passatk.harness.activation import existing_session, session_of
from pytest_passatk.sampling.exchange import Exchange
from pytest_passatk.sampling.link import Switchboard

TICK_SECONDS = 0.5


class Workers:
    """Registered in the controller only; it costs a socket until a worker finds a suite.

    Args:
        config: of pytest.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.switchboard: Switchboard | None = None
        self._finding = Lock()
        self._done = Event()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker where the exchange is."""
        if self.switchboard is None:
            self.switchboard = Switchboard(self._find_exchange)
        node.workerinput["passatk_address"] = self.switchboard.address
        node.workerinput["passatk_key"] = self.switchboard.key

    def _find_exchange(self) -> Exchange:
        """The exchange of this run, made when a worker first calls. Raises PassatkError."""
        with self._finding:
            session = session_of(self.config)
            if session.owner is None:
                owner = session.own()
                owner.screen.live = False  # lines, as in a log: pytest's own thread is busy with its workers
                Thread(target=self._tick, name="passatk-ticker", daemon=True).start()
            return session.own().exchange

    def _tick(self) -> None:
        session = existing_session(self.config)
        while session and session.owner and not self._done.wait(TICK_SECONDS):
            if session.owner.exchange.books:
                session.owner.screen.tick()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Take no more calls."""
        self._done.set()
        if self.switchboard:
            self.switchboard.close()
