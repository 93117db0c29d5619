"""A failed gate as a failed test, so that everything that counts failures counts it."""

from collections.abc import Iterator, Sequence
from time import time
from typing import Literal

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter

from pytest_passatk.core.plan import label
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.wording import explain


class GateFailure(TerminalRepr):
    """Why a gate failed, as pytest shows it.

    Args:
        place: the suite's file.
        text: the explanation; its first line stands in the short summary.
    """

    def __init__(self, place: str, text: str) -> None:
        self.text = text
        self.reprcrash = ReprFileLocation(place, 0, text.partition("\n")[0])

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write the explanation."""
        for line in self.text.splitlines():
            tw.line(line, red=True)


def close_gates(config: pytest.Config, comparisons: Sequence[Comparison], status: int, *, strict: bool) -> int:
    """Report the gates that failed as tests that failed; returns the exit status of the run.

    Args:
        config: of the process that reports.
        comparisons: of the run; only enforced ones fail it.
        status: of the run without them.
        strict: whether an inconclusive gate fails.
    """
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return status  # interrupted, or broken in a way of its own
    enforced = [comparison for comparison in comparisons if comparison.policy.enforced]
    for comparison in enforced:
        failed = (*comparison.regressed, *(comparison.inconclusive if strict else ()))
        for metric in failed:
            _expect_one_more(config)
            config.hook.pytest_runtest_logreport(report=_report(comparison, metric, "failed"))
            status = int(pytest.ExitCode.TESTS_FAILED)
        _forget(
            config, [_report(comparison, metric, "passed") for metric in _gated(comparison) if metric not in failed]
        )
    return int(pytest.ExitCode.USAGE_ERROR) if any(each.incomparable for each in enforced) else status


def _expect_one_more(config: pytest.Config) -> None:
    """Let the progress count the report among the tests, or it would pass 100 %."""
    session = config.pluginmanager.get_plugin("session")
    if session:
        session.testscollected += 1


def _gated(comparison: Comparison) -> Iterator[str]:
    yield from (line.metric for line in comparison.lines if line.gated)
    yield from (pace.metric for pace in comparison.pace if pace.tolerance)


def _forget(config: pytest.Config, passed: Sequence[pytest.TestReport]) -> None:
    """Tell `--lf` of gates that passed, and nobody else: it keeps those that failed until it hears that they passed."""
    if cache := config.pluginmanager.get_plugin("lfplugin"):
        for report in passed:
            cache.pytest_runtest_logreport(report=report)


def _report(comparison: Comparison, metric: str, outcome: Literal["passed", "failed"]) -> pytest.TestReport:
    suite, name, now = comparison.suite, f"gate[{label(metric, comparison.arm)}]", time()
    file = suite.partition("::")[0]
    return pytest.TestReport(
        nodeid=f"{suite}::{name}",
        location=(file, None, name),
        keywords={},
        outcome=outcome,
        longrepr=GateFailure(file, explain(comparison, metric)) if outcome == "failed" else None,
        when="call",
        start=now,
        stop=now,
    )
