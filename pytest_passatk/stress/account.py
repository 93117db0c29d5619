"""What a person reads of a failure: who is at fault, the smallest schedule, and how to play it again."""

from collections.abc import Sequence
from pathlib import Path

from pytest_passatk.stress.alarm import Alarm
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.search import Smallest
from pytest_passatk.stress.timeline import draw

MOST = 6  # alarms and requests that are spelled out
WIDTH = 100


def headline(alarm: Alarm, patch: str, runtime: str, *, at_fault: str) -> str:
    """The first line: it stands in pytest's short summary."""
    if at_fault == "runtime":
        return f"the runtime is at fault: {runtime} does not pass its own control, without any patch ({alarm.oracle})"
    return f"{patch} breaks on {runtime}: {alarm.oracle}"


def account(smallest: Smallest, origin: str, patch: str, runtime: str, repeat: str) -> str:
    """All about a failure.

    Args:
        smallest: that fails.
        origin: where it was found: a classic's name, or words.
        patch: its name.
        runtime: its name.
        repeat: the command that plays it again.
    """
    finding, schedule = smallest.finding, smallest.schedule
    first = finding.alarms[0]
    shrunk = "" if smallest.exhausted else ", as far as the time went"
    picture = draw(schedule, finding.steps, finding.events, first.step, first.request, width=WIDTH)
    parts = [
        headline(first, patch, runtime, at_fault=finding.at_fault),
        "\n".join(_alarms(finding.alarms)),
        f"smallest schedule ({origin}{shrunk}): {describe(schedule)}",
        picture,
        f"play it again: {repeat}",
    ]
    return "\n\n".join(part for part in parts if part)


def describe(schedule: Schedule) -> str:
    """A schedule in words."""
    requests = schedule.requests
    limits = {"slots": schedule.slots, "tokens a step": schedule.budget, "blocks": schedule.blocks}
    bounds = [f"{name}: {value}" for name, value in limits.items() if value is not None]
    listed = [f"r{at}: {_request(each)}" for at, each in enumerate(requests[:MOST])]
    more = [f"and {len(requests) - MOST} more"] if len(requests) > MOST else []
    count = f"{len(requests)} request{'' if len(requests) == 1 else 's'}"
    return "\n  ".join([", ".join([count, *bounds]), *listed, *more])


def place(path: Path, root: Path) -> str:
    """A path as one types it where pytest was started."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _request(planned: Planned) -> str:
    draw_words = "" if planned.draw.greedy else f", temperature {planned.draw.temperature:g}"
    draw_words += f", top-p {planned.draw.top_p:g}" if planned.draw.top_p < 1 else ""
    draw_words += f", top-k {planned.draw.top_k}" if planned.draw.top_k else ""
    draw_words += f", min-p {planned.draw.min_p:g}" if planned.draw.min_p else ""
    arrival = f", from step {planned.arrival} on" if planned.arrival else ""
    abort = "" if planned.abort is None else f", aborted before step {planned.abort}"
    arm = f", adapter {planned.arm}" if planned.arm else ""
    return (
        f"problem {planned.problem}, prompt {planned.prompt}, length {planned.length}{arrival}{abort}{draw_words}{arm}"
    )


def _alarms(alarms: Sequence[Alarm]) -> list[str]:
    lines = [_line(alarm) for alarm in alarms[:MOST]]
    return [*lines, f"and {len(alarms) - MOST} more"] if len(alarms) > MOST else lines


def _line(alarm: Alarm) -> str:
    where = [f"step {alarm.step}" if alarm.step is not None else "", alarm.request or ""]
    place_words = ", ".join(filter(None, where))
    spoiled = " [unused scratch filled]" if alarm.poisoned else ""
    return f"  {alarm.oracle}{f' ({place_words})' if place_words else ''}: {alarm.text}{spoiled}"
