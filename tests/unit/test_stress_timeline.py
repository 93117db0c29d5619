"""The picture of a play: written down letter by letter, turned into steps and events, and drawn again."""

from collections.abc import Sequence

import pytest

from pytest_passatk.core.patch import Phase, StepRow, StepView
from pytest_passatk.stress.play import Event, Happening
from pytest_passatk.stress.schedule import Planned, Schedule
from pytest_passatk.stress.timeline import draw

# How many tokens a letter reads, in which phase, and whether it samples.
LETTERS = {
    "p": (2, Phase.PREFILL, False),
    "P": (2, Phase.PREFILL, True),
    "d": (1, Phase.DECODE, True),
    "r": (2, Phase.PREFILL, False),
    "R": (3, Phase.DECODE, True),
}
HAPPENINGS = {"x": Happening.ABORT, "!": Happening.PREEMPT}


class Story:
    """A play made of letters: one string a request, one letter a step."""

    def __init__(self, *rows: str) -> None:
        self.rows = rows
        self.events = [Event(len(row) - len(row.lstrip()), f"r{at}", Happening.ARRIVE) for at, row in enumerate(rows)]
        self.steps: list[StepView] = []
        self._read = [0] * len(rows)
        for step in range(max(map(len, rows))):
            self._tell(step)
        planned = [Planned(4, sum(map(row.count, "PdRx")), _arrival(row), _abort(row)) for row in rows]
        self.schedule = Schedule(tuple(planned))

    def _tell(self, step: int) -> None:
        found, packed = [], 0
        for at, row in enumerate(self.rows):
            letter = row[step] if step < len(row) else " "
            if letter in HAPPENINGS:
                self.events.append(Event(step, f"r{at}", HAPPENINGS[letter]))
                self._read[at] = 0 if letter == "!" else self._read[at]
            if letter in LETTERS:
                count, phase, samples = LETTERS[letter]
                packed, self._read[at] = packed + count, self._read[at] + count
                found.append(StepRow(f"r{at}", "0", at, packed - 1, self._read[at] - 1, phase, samples))
        self.steps.append(StepView(step, packed, tuple(found)))

    def lines(self, failing: int | None = None, request: str | None = None, width: int = 100) -> list[str]:
        return draw(self.schedule, self.steps, self.events, failing, request, width=width).splitlines()


def _arrival(row: str) -> int:
    return len(row) - len(row.lstrip())


def _abort(row: str) -> int | None:
    return row.index("x") if "x" in row else None


def letters(lines: Sequence[str], requests: int) -> list[str]:
    """The rows of the requests in a picture with two columns a step."""
    return [line[7::2].rstrip() for line in lines[1 : 1 + requests]]


STORIES = [
    ("Pd", "Pdd"),
    ("Pd", "·Pd", "   Pdd"),
    ("ppPdd", "··pPd"),
    ("Pdddd", "Pddx", "·x"),
    ("Pddd", "Pd!··Rd", "Pd!·rrRd"),
]


@pytest.mark.parametrize("rows", STORIES)
def test_each_letter_is_drawn_where_it_happened(rows: tuple[str, ...]) -> None:
    assert letters(Story(*rows).lines(), len(rows)) == list(rows)


@pytest.mark.parametrize("rows", STORIES)
def test_without_events_only_who_was_preempted_is_not_known(rows: tuple[str, ...]) -> None:
    story = Story(*rows)
    lines = draw(story.schedule, story.steps, ()).splitlines()
    assert letters(lines, len(rows)) == [row.replace("!", "·") for row in rows]


def test_the_whole_picture() -> None:
    assert draw(*_pair(), 2, "r1").splitlines() == [
        "step   0",
        "  r0   P d",
        "> r1   P d d",
        "rows   2 2 1",
        "           ^ step 2",
        "P reads its prompt, d decodes",
    ]


def _pair() -> tuple[Schedule, list[StepView], list[Event]]:
    story = Story("Pd", "Pdd")
    return story.schedule, story.steps, story.events


def test_nothing_is_marked_where_no_step_or_request_is_at_fault() -> None:
    text = draw(*_pair())
    assert "^" not in text
    assert ">" not in text


def test_no_steps_give_no_picture() -> None:
    assert draw(Schedule((Planned(1, 1),)), (), ()) == ""


def test_ascii_alone_is_used_on_request() -> None:
    story = Story("Pddd", "··Pd")
    assert not draw(story.schedule, story.steps, story.events).isascii()
    plain = draw(story.schedule, story.steps, story.events, ascii_only=True)
    assert plain.isascii()
    assert ". waits" in plain


@pytest.mark.parametrize("failing", [0, 3, 60, 150, 199])
@pytest.mark.parametrize("width", [30, 60, 100])
def test_a_long_picture_is_cut_around_the_failing_step(failing: int, width: int) -> None:
    story = Story("P" + 199 * "d", " " + "P" + 198 * "d")
    lines = story.lines(failing, "r1", width=width)
    assert max(map(len, lines)) <= width
    caret = next(line for line in lines if "^" in line)
    column = caret.index("^")
    assert f"step {failing}" in caret
    assert lines[1][column] == ("d" if failing else "P")
    first = next(at for at in range(7, width) if lines[0][at : at + 1].strip())
    assert int(lines[0][first:].split()[0]) == failing - (column - first)
    assert lines[-1].startswith("(steps ")


def test_what_fits_is_not_cut() -> None:
    lines = Story("P" + 92 * "d").lines(width=100)
    assert len(lines[1]) == 100
    assert not lines[-1].startswith("(steps ")


def test_more_rows_than_a_letter_can_tell_are_a_plus() -> None:
    lines = Story(*["Pd"] * 9, "P").lines()
    assert next(line for line in lines if line.startswith("rows")).split() == ["rows", "+", "9"]


def test_a_legend_longer_than_the_width_is_wrapped() -> None:
    lines = Story("ppPddd", "·Pd!·rRd", "Px").lines(width=40)
    assert max(map(len, lines)) <= 40
    assert "preempted" in lines[-1]
