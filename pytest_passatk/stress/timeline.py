"""The picture of a schedule: one row a request, one column a step, and a mark where it went wrong.

step   0         5
  r0   P d
> r1   P d d
rows   2 2 1
           ^ step 2
P reads its prompt, d decodes
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pytest_passatk.core.patch import Phase, StepRow, StepView
from pytest_passatk.stress.play import Event, Happening
from pytest_passatk.stress.schedule import Schedule

WAITS, ABSENT, ABORTED, PREEMPTED = "·", " ", "x", "!"
LEGEND = {
    "p": "reads a part of its prompt",
    "P": "reads its prompt",
    "d": "decodes",
    "r": "reads a part again",
    "R": "reads all again",
    WAITS: "waits",
    ABORTED: "aborted",
    PREEMPTED: "preempted",
}
LABELLED = 5  # every fifth step has its number
BEHIND = 4  # a quarter of a cut picture is behind the failing step
LEAST = 10  # columns that are always shown
MANY = 9  # the largest number of rows in one letter


def draw(
    schedule: Schedule,
    steps: Sequence[StepView],
    events: Sequence[Event],
    failing: int | None = None,
    request: str | None = None,
    *,
    width: int = 100,
    ascii_only: bool = False,
) -> str:
    """The timeline of a play.

    Args:
        schedule: that was played.
        steps: that were seen, the failing one too.
        events: of the runtime; without them, which a play that broke has not, the schedule tells what it can.
        failing: the step that is marked; a long picture is cut around it.
        request: whose row is marked.
        width: of the picture, in columns.
        ascii_only: whether nothing but ASCII is used.

    Returns:
        Lines, without trailing blanks; nothing where no step was seen.
    """
    if not steps:
        return ""
    names = schedule.ids
    margin = max(len("step"), *(2 + len(name) for name in names)) + 3
    grid = {name: _row(schedule, at, steps, events) for at, name in enumerate(names)}
    grid["rows"] = [str(len(view.rows)) if len(view.rows) <= MANY else "+" for view in steps]
    shown, cell = _window(steps, failing, max(LEAST, width - margin))
    labels = [*(("> " if name == request else "  ") + name for name in names), "rows"]
    body = [
        f"{label:<{margin}}" + "".join(f"{grid[name][at]:<{cell}}" for at in shown)
        for label, name in zip(labels, grid, strict=True)
    ]
    lines = [f"{'step':<{margin}}" + _numbers(steps, shown, cell), *body]
    columns = {steps[at].step: margin + place * cell for place, at in enumerate(shown)}
    lines += [_mark(f"step {failing}", columns[failing], width)] if failing in columns else []
    used = {grid[name][at] for name in names for at in shown}
    lines += _wrapped([f"{letter} {words}" for letter, words in LEGEND.items() if letter in used], width)
    if len(shown) < len(steps):
        lines.append(f"(steps {steps[shown[0]].step} to {steps[shown[-1]].step} of {len(steps)})")
    text = "\n".join(line.rstrip() for line in lines)
    return text.replace(WAITS, ".") if ascii_only else text


def _row(schedule: Schedule, at: int, steps: Sequence[StepView], events: Sequence[Event]) -> list[str]:
    """The letters of a request."""
    name, planned = schedule.ids[at], schedule.requests[at]
    happened = {(event.what, event.step) for event in events if event.request == name}
    if not events:
        happened = {(Happening.ARRIVE, planned.arrival)}
        happened |= {(Happening.ABORT, planned.abort)} if planned.abort is not None else set()
    came, aborts, thrown = (
        {step for what, step in happened if what is kind}
        for kind in (Happening.ARRIVE, Happening.ABORT, Happening.PREEMPT)
    )
    letters: list[str] = []
    again, seen, left = False, -1, planned.length
    for view in steps:
        again = again or view.step in thrown
        found = _find(view, name)
        if found:
            row, count = found
            again = again or row.position <= seen or (row.phase is Phase.DECODE and count > 1)
            letters.append(_letter(row, again))
            again, seen, left = again and not row.samples, max(seen, row.position), left - row.samples
        else:
            letters.append(_absent(view.step, came, left, aborts, thrown))
    return letters


def _find(view: StepView, name: str) -> tuple[StepRow, int] | None:
    """The row of a request in a step, and how many tokens it reads there."""
    ends = sorted(row.row for row in view.rows)
    counts = {end: end - before for before, end in pairwise([-1, *ends])}
    return next(((row, counts[row.row]) for row in view.rows if row.request == name), None)


def _letter(row: StepRow, again: bool) -> str:
    if again:
        return "R" if row.samples else "r"
    if row.phase is Phase.DECODE:
        return "d"
    return "P" if row.samples else "p"


def _absent(step: int, came: set[int], left: int, aborts: set[int], thrown: set[int]) -> str:
    """The letter of a request that reads nothing in a step."""
    if step in aborts:
        return ABORTED
    if not came or step < min(came) or left <= 0 or any(abort < step for abort in aborts):
        return ABSENT
    return PREEMPTED if step in thrown else WAITS


def _window(steps: Sequence[StepView], failing: int | None, room: int) -> tuple[range, int]:
    """Which steps are shown, and in how many columns each."""
    if len(steps) <= room:
        return range(len(steps)), 2 if 2 * len(steps) <= room else 1
    wanted = next((at for at, view in enumerate(steps) if view.step == failing), 0)
    start = max(0, min(wanted + room // BEHIND + 1, len(steps)) - room)
    return range(start, start + room), 1


def _numbers(steps: Sequence[StepView], shown: range, cell: int) -> str:
    """The header: the number of every fifth step, from its column on."""
    line = ""
    for place, at in enumerate(shown):
        label = str(steps[at].step)
        if steps[at].step % LABELLED == 0 and place * cell + len(label) <= len(shown) * cell:
            line = f"{line:<{place * cell}}{label}"
    return line


def _mark(text: str, column: int, width: int) -> str:
    """The line that points at the failing step."""
    behind = f"{'':<{column}}^ {text}"
    return behind if len(behind) <= width else f"{text:>{column - 1}} ^"


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        longer = f"{line}, {part}" if line else part
        if len(longer) > width and line:
            yield line + ","
            longer = part
        line = longer
    if line:
        yield line
