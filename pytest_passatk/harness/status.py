"""How an item shows in pytest's own lines."""

import pytest
from _pytest.terminal import TerminalReporter  # pytest 8.3 does not export it

# User properties: they reach JUnit files and other processes.
SOLVED, SAMPLES, FORGEABLE, DIED = "passatk.solved", "passatk.samples", "passatk.forgeable", "passatk.died"


def item_status(report: pytest.TestReport | pytest.CollectReport, *, quiet: bool) -> tuple[str, str, str] | None:
    """A problem as `solved/n`; with `-q` a dot, as any test; or that it runs again. `None` for anything else."""
    if not isinstance(report, pytest.TestReport):  # of a file that cannot be collected
        return None
    if DIED in dict(report.user_properties):
        return "rerun", "R", "RERUN"
    if report.when != "call" or not report.passed or hasattr(report, "wasxfail"):
        return None
    told = dict(report.user_properties)
    if SAMPLES not in told:
        return None
    count = f"{told[SOLVED]}/{told[SAMPLES]}"
    return "passed", "." if quiet else f" {count}", count


def report_forgeable(terminal: TerminalReporter) -> None:
    """Name the problems of which a check found that completions can forge their verdicts."""
    reports = [report for group in terminal.stats.values() for report in group if hasattr(report, "user_properties")]
    problems = [report.nodeid for report in reports if FORGEABLE in dict(report.user_properties)]
    if problems:
        terminal.write_sep("=", "forgeable verdicts")
        terminal.write_line(
            "The tests of these problems need the program's own process, so that a program can forge its verdict:"
        )
        for problem in sorted(set(problems)):
            terminal.write_line(f"  {problem}")
