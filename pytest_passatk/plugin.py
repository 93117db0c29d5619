"""The hooks of the plugin; each hands over to the harness."""

from collections.abc import Generator
from types import FunctionType
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter  # pytest 8.3 does not export it

from pytest_passatk.core.suite import suite_of
from pytest_passatk.harness import activation
from pytest_passatk.harness.options import add_aliases, add_options
from pytest_passatk.harness.sandboxes import sandbox
from pytest_passatk.harness.status import item_status, report_forgeable
from pytest_passatk.harness.stress_report import report_stress
from pytest_passatk.harness.stressing import stress_trial

__all__ = ["sandbox", "stress_trial"]  # fixtures


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini keys."""
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, object, object]:
    """Register the bare aliases that no plugin and no conftest has taken."""
    result = yield
    add_aliases(parser)
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Refuse wrong options before anything runs."""
    activation.configure(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list[pytest.Item] | None:
    """Collect a suite as one item a problem."""
    suite = suite_of(obj) if isinstance(obj, FunctionType) else None
    return activation.collect(collector, name, suite) if suite else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Tell misuse of a suite from other failures of collection."""
    report = yield
    activation.mark_misuse(report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Start judges and sampling before the first item; where that fails, no item runs."""
    ours = activation.existing_session(session.config)
    return None if ours is None or ours.start(session) else True


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport, config: pytest.Config
) -> tuple[str, str, Any] | None:
    """Show a problem as `solved/n`."""
    return item_status(report, quiet=config.get_verbosity() < 0)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End sampling and judging, and settle the exit status."""
    activation.finish(session, exitstatus)


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print the table of every suite, or what a check found out."""
    ours = activation.existing_session(config)
    if ours and ours.owner:
        ours.owner.summarize()
    if ours:
        report_forgeable(terminalreporter)
        report_stress(terminalreporter)
