"""The session of a process, made when the first suite, worker or option asks for it.

A pytest run without suites pays for none of the modules behind it.
"""

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.suite import Suite
from pytest_passatk.harness.options import OPTIONS

if TYPE_CHECKING:
    from pytest_passatk.harness.session import Session

SESSION: "pytest.StashKey[Session]" = pytest.StashKey()
WATCH: "pytest.StashKey[MisuseWatch]" = pytest.StashKey()
MARK = "passatk_misused"  # on the report of a collection; reports cross process boundaries


class SuiteError(pytest.Collector.CollectError):
    """A suite that cannot be collected: its author or the command line asks for something impossible."""


def session_of(config: pytest.Config) -> "Session":
    """The session of this process. Raises UsageError where an option is wrong."""
    if SESSION not in config.stash:
        _limit_threads(shared=bool(config.getoption("tx", None)) or hasattr(config, "workerinput"))
        from pytest_passatk.harness.engines import prepare_worker  # noqa: PLC0415 - the point of this module
        from pytest_passatk.harness.session import Session  # noqa: PLC0415
        from pytest_passatk.harness.settings import resolve_settings  # noqa: PLC0415

        settings = resolve_settings(config)
        prepare_worker(settings, getattr(config, "workerinput", {}))
        config.stash[SESSION] = Session(config, settings)
        # Ctrl-C within a wrapper of the old style makes pluggy warn, which must not become an error in its place.
        config.addinivalue_line("filterwarnings", "default::pluggy.PluggyTeardownRaisedWarning")
    return config.stash[SESSION]


def _limit_threads(*, shared: bool) -> None:
    """One thread for numpy, and under pytest-xdist for torch, too, unless the user said otherwise.

    The libraries read these variables when they are imported. The embedded model's products are small, and the judges
    use the other cores: with a thread a core, each product waits far longer than it takes (docs/performance.md).
    """
    numpys, torchs = ("OPENBLAS", "VECLIB_MAXIMUM"), ("OMP", "MKL")
    for library in (*numpys, *torchs) if shared else numpys:
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def existing_session(config: pytest.Config) -> "Session | None":
    """The session of this process, where one was needed."""
    return config.stash.get(SESSION, None)


def configure(config: pytest.Config) -> None:
    """Look at the options that were given, and prepare for workers. Raises pytest.UsageError."""
    config.stash[WATCH] = MisuseWatch()
    config.pluginmanager.register(config.stash[WATCH], "passatk-misuse")
    if config.pluginmanager.hasplugin("xdist") and config.getoption("tx", None) and not hasattr(config, "workerinput"):
        from pytest_passatk.harness.workers import Workers  # noqa: PLC0415 - only where there are workers

        config.pluginmanager.register(Workers(partial(session_of, config)), "passatk-workers")
    if any(config.getoption(option.dest, None) is not None for option in OPTIONS):
        try:
            session_of(config)
        except PassatkError as error:
            raise pytest.UsageError(str(error)) from error


def collect(collector: pytest.Collector, name: str, suite: Suite) -> list[pytest.Item]:
    """The items of a suite. Raises SuiteError."""
    from pytest_passatk.harness.collection import collect_suite  # noqa: PLC0415 - only where there are suites

    try:
        session = session_of(collector.config)
        return list(collect_suite(collector, name, suite, session.settings, session.judge))
    except PassatkError as error:
        raise SuiteError(str(error)) from error


def mark_misuse(report: pytest.CollectReport) -> None:
    """Note on a report that its collection failed by misuse, which has an exit status of its own."""
    call = getattr(report, "call", None)
    if call is not None and call.excinfo is not None and isinstance(call.excinfo.value, SuiteError):
        setattr(report, MARK, True)


class MisuseWatch:
    """Remembers whether a collection failed by misuse, in this process or in a worker."""

    seen = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look for the mark."""
        self.seen = self.seen or getattr(report, MARK, False)


def finish(session: pytest.Session, status: int) -> None:
    """End the session and settle the exit status."""
    ours = existing_session(session.config)
    if ours is not None:
        session.exitstatus = ours.finish(status, cut_short=bool(session.shouldfail or session.shouldstop))
    if session.config.stash[WATCH].seen:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
