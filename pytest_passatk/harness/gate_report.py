"""A failed gate as a failed test, so that everything that counts failures counts it."""

from collections.abc import Sequence
from time import time

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
        for metric in (*comparison.regressed, *(comparison.inconclusive if strict else ())):
            _report(config, comparison, metric)
            status = int(pytest.ExitCode.TESTS_FAILED)
    return int(pytest.ExitCode.USAGE_ERROR) if any(each.incomparable for each in enforced) else status


def _report(config: pytest.Config, comparison: Comparison, metric: str) -> None:
    suite, name, now = comparison.suite, f"gate[{label(metric, comparison.arm)}]", time()
    file = suite.partition("::")[0]
    report = pytest.TestReport(
        nodeid=f"{suite}::{name}",
        location=(file, None, name),
        keywords={},
        outcome="failed",
        longrepr=GateFailure(file, explain(comparison, metric)),
        when="call",
        start=now,
        stop=now,
    )
    config.hook.pytest_runtest_logreport(report=report)
