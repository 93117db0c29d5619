"""Hooks for pytest-xdist: the controller owns the exchange, the workers get a link to it."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import pytest

from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.harness.crashes import Crashes, plain_name
from pytest_passatk.harness.seats import SEAT, Seats
from pytest_passatk.sampling.exchange import Exchange
from pytest_passatk.sampling.link import Switchboard

if TYPE_CHECKING:  # they bring numpy, for which a run without suites has no use
    from pytest_passatk.harness.owner import Owner
    from pytest_passatk.harness.session import Session

TICK_SECONDS = 0.5


class Workers:
    """Registered in the controller only; it costs a socket until a worker finds a suite.

    Args:
        find_session: gives the controller's session; raises PassatkError where an option is wrong.
    """

    def __init__(self, find_session: "Callable[[], Session]") -> None:
        self._find_session = find_session
        self.switchboard: Switchboard | None = None
        self._owner: Owner | None = None
        self._seats = Seats()
        self._crashes = Crashes()
        self._finding = Lock()
        self._done = Event()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker where the exchange is."""
        if self.switchboard is None:
            self.switchboard = Switchboard(self._find_exchange)
        node.workerinput["passatk_address"] = self.switchboard.address
        node.workerinput["passatk_key"] = self.switchboard.key
        node.workerinput[SEAT] = self._seats.take(node.gateway.id)

    def _find_exchange(self) -> Exchange:
        """The exchange of this run, made when a worker first calls. Raises PassatkError."""
        with self._finding:
            if self._owner is None:
                session = self._find_session()
                session.workers = self._seats.names
                self._owner = session.own()
                self._owner.screen.live = False  # lines, as in a log: pytest's own thread is busy with its workers
                scheduler = session.config.pluginmanager.get_plugin("dsession")
                Thread(target=self._tick, args=(self._owner, scheduler), name="passatk-ticker", daemon=True).start()
            return self._owner.exchange

    def _tick(self, owner: "Owner", scheduler: Any) -> None:
        while not self._done.wait(TICK_SECONDS):
            if getattr(scheduler, "shouldstop", False):
                owner.exchange.close()  # pytest-xdist lets running items end, and these would wait for their samples
            elif owner.exchange.books:
                owner.screen.tick()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker took and did not finish goes to others; one that waited for more when it died says nothing."""
        with self._finding:
            self._seats.leave(node.gateway.id)
        if self._owner:
            self._owner.exchange.leave(node.gateway.id)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Any) -> None:
        """Let a problem run again whose worker died; of ordinary tests pytest-xdist says what it always does."""
        books = self._owner.exchange.books if self._owner else None
        if self._owner and books and plain_name(crashitem) in map(str, books.ledgers):
            line = self._crashes.handle(crashitem, report, sched)
            if line:
                self._owner.screen.tell(line)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember which problems were heard of."""
        self._crashes.note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Take no more calls; where the run, or one of its workers, could not start, say why: no item may do it."""
        self._done.set()
        if self._owner:
            self._complain(self._owner, exitstatus)
        if self.switchboard:
            self.switchboard.close()

    def _complain(self, owner: "Owner", status: int) -> None:
        failure, books = owner.exchange.failure, owner.exchange.books
        if failure and (books is None or isinstance(failure, UsageError)):
            owner.screen.complain(str(failure))
        lost = self._crashes.find_lost(books.ledgers) if books and not failure else []
        if lost and status == pytest.ExitCode.OK:
            error = PassatkError(
                f"{len(lost)} problems were not reported, because their workers died and no other took them: "
                f"{name_some(lost)}; the same command gets their samples from the store"
            )
            owner.exchange.fail(error)
            owner.screen.complain(str(error))
