"""How an item shows in pytest's own lines."""

import pytest

SOLVED, SAMPLES = "passatk.solved", "passatk.samples"  # user properties: they reach JUnit files and other processes


def item_status(report: pytest.TestReport, *, quiet: bool) -> tuple[str, str, str] | None:
    """A problem as `solved/n`; with `-q` a dot, as any test. `None` for anything else."""
    if report.when != "call" or not report.passed or hasattr(report, "wasxfail"):
        return None
    told = dict(report.user_properties)
    if SAMPLES not in told:
        return None
    count = f"{told[SOLVED]}/{told[SAMPLES]}"
    return "passed", "." if quiet else f" {count}", count
