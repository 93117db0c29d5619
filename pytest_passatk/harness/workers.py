"""Hooks for pytest-xdist: the controller owns the exchange, the workers get a link to it."""

from threading import Event, Thread
from typing import Any

import pytest

from pytest_passatk.harness.session import Session
from pytest_passatk.sampling.link import Switchboard

TICK_SECONDS = 0.5


class Workers:
    """Registered in the controller only.

    Args:
        session: of the controller.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.switchboard: Switchboard | None = None
        self._done = Event()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker where the exchange is."""
        if self.session.settings.check:
            return
        switchboard = self._serve()
        node.workerinput["passatk_address"] = switchboard.address
        node.workerinput["passatk_key"] = switchboard.key

    def _serve(self) -> Switchboard:
        if self.switchboard is None:
            owner = self.session.own()
            self.switchboard = Switchboard(owner.exchange)
            # Lines in a log: the controller's main thread is busy with its workers.
            owner.screen.live = False
            Thread(target=self._tick, name="passatk-ticker", daemon=True).start()
        return self.switchboard

    def _tick(self) -> None:
        while not self._done.wait(TICK_SECONDS):
            if self.session.owner and self.session.owner.exchange.books:
                self.session.owner.screen.tick()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Take no more calls."""
        self._done.set()
        if self.switchboard:
            self.switchboard.close()
