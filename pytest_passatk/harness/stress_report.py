"""What a stress suite covered, at the end of its run."""

from typing import Any

from _pytest.terminal import TerminalReporter  # pytest 8.3 does not export it

from pytest_passatk.harness.stressing import TOLD

CLAIMS = {
    "same tokens": "the same tokens", "same distribution": "the same distribution",
    "other distribution": "another distribution",
}  # fmt: skip


def report_stress(terminal: TerminalReporter) -> None:
    """Say what the schedules of this run did to the batch, and whether the patch was ever seen to be active."""
    told = [fields for group in terminal.stats.values() for report in group if (fields := _told(report))]
    if not told:
        return
    from pytest_passatk.stress.coverage import Coverage  # noqa: PLC0415 - only where there was a stress suite

    total = sum((Coverage(**fields["coverage"]) for fields in told), Coverage())
    first = told[0]
    terminal.write_sep("=", "decode-shrink")
    if first["patch"]:
        terminal.write_line(f"{first['patch']} on {first['runtime']}, claims {CLAIMS[first['claim']]}")
    else:
        terminal.write_line(f"{first['runtime']} as it is: name a patch with --patch")
    for line in total.text().splitlines():
        terminal.write_line(line)
    if not any(fields["active"] for fields in told):
        terminal.write_line(
            "note: nothing shows that the patch was active: give it counters, or let it tell what it captured"
        )
    if first["leaks_unseen"]:
        terminal.write_line(
            "note: requests that see each other are not told from what the patch is there for; "
            "where each should get what it gets alone, say independent = True"
        )


def _told(report: Any) -> dict[str, Any] | None:
    if getattr(report, "when", "") != "call":
        return None
    found: dict[str, Any] | None = dict(getattr(report, "user_properties", ())).get(TOLD)
    return found
