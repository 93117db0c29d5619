"""What a person sees: header, live line or plain lines, the items, the table, and where the samples are."""

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pyte
import pytest
from sessions import HEADER, SUITE, MakeSessions, Sessions

from pytest_passatk.harness import screen, workers

LIVE = re.compile(r"passatk: (\d+)/(\d+) samples, \d+ in flight, [\d,]+ tokens/s(, [\d:]+ left)?, \d+/\d+ solved")
SHAPING = {"COLUMNS", "LINES", "CI", "NO_COLOR", "PY_COLORS"}  # would change what pytest thinks of the terminal


# The header


def test_the_header_says_what_is_sampled_with_what(sessions: Sessions) -> None:
    sessions.write()
    sessions.run().stdout.fnmatch_lines(
        [
            "passatk: model fake, backend fake (fake 1), float32 on cpu",
            "passatk: fake: 3 problems × 4 samples, temperature 1, at most 512 tokens, seed 0",
        ]
    )


def test_the_header_says_what_the_store_has(alone: Sessions) -> None:
    alone.write()
    alone.run("-k", "half")
    alone.run().stdout.fnmatch_lines(["passatk: fake: 3 problems × 4 samples, 4 in the store, *"])


def test_the_header_says_how_it_is_sampled(alone: Sessions) -> None:
    alone.write()
    how = ("--temperature", "0.7", "--top-p", "0.9", "--passatk-top-k", "5", "--max-tokens", "1234567", "--seed", "7")
    alone.run(*how).stdout.fnmatch_lines(["*temperature 0.7, top-p 0.9, top-k 5, at most 1234567 tokens, seed 7"])


def test_suites_of_one_model_share_its_line(alone: Sessions) -> None:
    second = "\n@suite" + SUITE.partition("@suite")[2].replace("test_fake", "test_second")
    alone.write(SUITE + second)
    alone.write(SUITE.replace("fake_model:load", "fake_model:load:other"), "test_third.py")
    lines = [line for line in alone.run().outlines if line.startswith("passatk:")]
    assert [line.split()[1] for line in lines] == ["model", "fake:", "second:", "model", "fake:"]


# Lines in a log


def progress(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "in flight" in line]


@pytest.fixture
def impatient(make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - sets up first
    monkeypatch.setenv("FAKE_DELAY", "0.1")
    monkeypatch.setattr(screen, "FIRST_LINE_SECONDS", 0.1)
    monkeypatch.setattr(screen, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(workers, "TICK_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_log_gets_whole_lines_while_a_slow_model_samples(sessions: Sessions) -> None:
    sessions.write()
    result = sessions.run()
    lines = progress(result)
    assert len(lines) > 1
    assert all(LIVE.fullmatch(line) for line in lines)
    done = [int(line.split()[1].partition("/")[0]) for line in lines]
    assert done == sorted(done)
    rest = " ".join(line for line in result.outlines if line not in lines)
    assert re.findall(r"\b\d/\d(?= )", rest)[:3] == ["4/4", "2/4", "0/4"] or sessions.workers
    assert "\x1b" not in result.stdout.str()


@pytest.mark.usefixtures("impatient")
def test_a_quiet_session_shows_items_and_table_only(sessions: Sessions) -> None:
    sessions.write()
    result = sessions.run("-q")
    result.stdout.no_fnmatch_line("*passatk:*")
    result.stdout.fnmatch_lines(["*...*", "*pass@k*", "*pass@1*"])


def test_nothing_is_said_of_progress_that_takes_no_time(alone: Sessions) -> None:
    alone.write()
    assert progress(alone.run()) == []


# The table


@pytest.mark.parametrize("columns", [80, 132])
def test_the_table_fits_the_terminal_and_has_no_colour_in_a_log(
    alone: Sessions, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [{"id": f"a rather long name of a problem, number {number}", "says": "7|8"} for number in range(40)]
    alone.write(HEADER + f"ROWS = {rows!r}\n@suite" + SUITE.partition("@suite")[2].replace("problem.answer", "'7'"))
    result = alone.run("-q")
    lines = result.stdout.str().partition("= pass@k =")[2].splitlines()[1:]
    assert any(line.strip().startswith("pass@4") for line in lines)
    assert max(map(len, lines)) <= columns
    assert "\x1b" not in result.stdout.str()


def test_colour_is_for_who_wants_it(alone: Sessions) -> None:
    alone.write()
    assert "\x1b[" in alone.run("--color=yes").stdout.str().partition("= pass@k =")[2]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_signs_that_the_stream_cannot_take_have_a_stand_in(alone: Sessions, encoding: str) -> None:
    alone.write()
    process = alone.start(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert "\\" not in said
    assert said.isascii() == (encoding != "utf-8")
    assert f"3 problems {'×' if encoding == 'utf-8' else 'x'} 4 samples" in said


@pytest.mark.parametrize("where", [(), ("--passatk-store", "other place/kept.sqlite")], ids=["usual", "named"])
def test_the_last_line_is_a_command_that_shows_the_samples(alone: Sessions, where: tuple[str, ...]) -> None:
    alone.write()
    found = re.search(r"^run 1: (passatk .*)$", alone.run(*where).stdout.str(), re.MULTILINE)
    assert found
    command = [sys.executable, "-m", "pytest_passatk.cli", *shlex.split(found[1])[1:]]
    shown = subprocess.run(command, cwd=alone.pytester.path, capture_output=True, text=True, check=True)
    assert "half" in shown.stdout


# A terminal


@dataclass(frozen=True)
class Watched:
    """What a terminal showed.

    Attributes:
        frames: each screen with the row of the cursor, in order.
        text: all of it at the end, what had scrolled off included.
        code: exit status.
    """

    frames: list[tuple[int, list[str]]]
    text: list[str]
    code: int

    @property
    def live(self) -> list[tuple[int, int]]:
        """Rows of the cursor and of the live line in the frames that have one."""
        return [(row, each) for row, lines in self.frames for each, line in enumerate(lines) if LIVE.fullmatch(line)]


def watch(
    sessions: Sessions,
    *arguments: str,
    size: tuple[int, int] = (80, 24),
    delay: float = 0.1,
    act: Callable[[int], None] = lambda _: None,
    **environment: str,
) -> Watched:
    """Run a session on a terminal of so many columns and lines; `act` gets its process when a live line is there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in SHAPING}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *sessions._arguments, *arguments],
        cwd=sessions.pytester.path, env={**plain, "TERM": "xterm", "FAKE_DELAY": str(delay), **environment},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 65536):
            if b"in flight" in chunk and b"in flight" not in said:
                act(process.pid)
            said += chunk
    os.close(ours)
    return Watched(*replay(said, size), process.wait(120))


def replay(said: bytes, size: tuple[int, int]) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The screens after each return to a column, and all the text at the end."""
    terminal = pyte.HistoryScreen(*size, history=1000)
    stream = pyte.ByteStream(terminal)
    frames = []
    for part in re.split(rb"(?<=G)", said):
        stream.feed(part)
        frames.append((terminal.cursor.y, [line.rstrip() for line in terminal.display]))
    scrolled = ["".join(line[x].data for x in range(size[0])).rstrip() for line in terminal.history.top]
    return frames, [*scrolled, *frames[-1][1]]


def assert_no_trace(watched: Watched) -> None:
    """Nothing is left of a live line."""
    assert not any("in flight" in line or "tokens/s," in line for line in watched.text)


@pytest.mark.parametrize("size", [(80, 24), (80, 6), (132, 60)], ids=["middle", "bottom", "large"])
def test_a_terminal_shows_a_live_line_below_the_items_and_takes_it_away(alone: Sessions, size: tuple[int, int]) -> None:
    alone.write()
    watched = watch(alone, "-v", size=size)
    assert watched.code == 0
    assert len(watched.live) > 2
    assert {line - row for row, line in watched.live} == {1}
    assert_no_trace(watched)
    items = [line for line in watched.text if line.startswith("test_suite.py")]
    assert [re.sub(r"\s+\[ *\d+%\]$", "", line) for line in items] == [
        f"test_suite.py::test_fake[{name}] {count}"
        for name, count in (("always", "4/4"), ("half", "2/4"), ("never", "0/4"))
    ]
    assert {(line[-1:], len(line)) for line in items} == {("]", size[0] - 1)}


def test_short_items_keep_their_one_line(alone: Sessions) -> None:
    alone.write()
    watched = watch(alone)
    assert watched.live
    assert_no_trace(watched)
    assert [line.split() for line in watched.text if line.startswith("test_suite.py")] == [
        ["test_suite.py", "4/4", "2/4", "0/4", "[100%]"]
    ]


def test_lines_longer_than_the_terminal_stay_whole(alone: Sessions) -> None:
    lengths = [width - len("test_suite.py::test_fake[] ") for width in (59, 60, 61, 75, 120)]
    rows = [{"id": "x" * length, "says": "7", "answer": "7"} for length in lengths]
    alone.write(f"{HEADER}ROWS = {rows!r}\n@suite{SUITE.partition('@suite')[2]}")
    slow, fast = (watch(alone, "-v", "--passatk-no-cache", size=(60, 40), delay=delay) for delay in (0.06, 0.0))
    assert any("in flight" in line for _, lines in slow.frames for line in lines)
    assert not any("in flight" in line for _, lines in fast.frames for line in lines)
    first, last = (next(n for n, line in enumerate(fast.text) if text in line) for text in ("[xx", "pass@k"))
    assert slow.text[first:last] == fast.text[first:last]


def test_a_narrow_terminal_has_no_live_line(alone: Sessions) -> None:
    alone.write()
    watched = watch(alone, "--n", "1", size=(30, 24))
    assert watched.code == 0
    assert not any("in flight" in line for _, lines in watched.frames for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (80, 6)], ids=["middle", "bottom"])
def test_an_interrupt_takes_the_live_line_away(alone: Sessions, size: tuple[int, int]) -> None:
    alone.write()
    watched = watch(alone, size=size, act=lambda process: os.kill(process, signal.SIGINT))
    assert watched.code == pytest.ExitCode.INTERRUPTED
    assert_no_trace(watched)


def test_a_model_that_dies_takes_the_live_line_away(alone: Sessions) -> None:
    alone.write()
    watched = watch(alone, FAKE_DIES_AFTER="6")
    assert watched.code == pytest.ExitCode.TESTS_FAILED
    assert watched.live
    assert_no_trace(watched)


def test_a_quiet_terminal_has_no_live_line(alone: Sessions) -> None:
    alone.write()
    watched = watch(alone, "-q")
    assert watched.live == []


def test_ordinary_tests_print_as_ever(alone: Sessions) -> None:
    alone.write(SUITE + "\n\ndef test_plain():\n    print('seen')\n")
    watched = watch(alone, "-v", "-s")
    assert watched.live
    assert_no_trace(watched)
    assert "seen" in "".join(watched.text)


def test_with_workers_a_terminal_gets_lines(make_sessions: MakeSessions) -> None:
    sessions = make_sessions(2)
    sessions.write()
    watched = watch(sessions)
    assert watched.code == 0
    assert any(line.startswith("passatk: fake: 3 problems") for line in watched.text)
    assert any(line.startswith("  pass@1") for line in watched.text)
