"""`passatk matrix` on fake models: what is finished stays, what was killed goes on, what fails is told."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sessions import SUITE, Sessions

from pytest_passatk.commands.matrix_cells import plan_cells
from pytest_passatk.commands.matrix_file import read_matrix

MATRIX = """
[matrix]
k = [1, 4]
[[models]]
model = "fake_arms:load"
label = "fake"
[[suites]]
suite = "suites/quiz"
[[suites]]
suite = "suites/exam"
[arms]
adapter = ["base", "+7"]
"""
SLOW = {"FAKE_DELAY": "0.1"}  # seconds a sample
INTERRUPTED = 130  # as shells report SIGINT
PATIENCE = 120.0  # seconds; only to end a hang
IDS = ("always", "half", "never", "x-always", "x-half", "x-never")
EACH = [f"{problem}#{index}" for problem in IDS for index in range(4)]


class Matrices:
    """Runs the command in a folder with two suites and a file."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.folder = sessions.pytester.path
        self.file = self.folder / "m.toml"
        self.file.write_text(MATRIX)
        for name, source in (
            ("quiz", SUITE),
            ("exam", SUITE.replace('"7|8"', '"7|8|7|7"').replace('"id": "', '"id": "x-')),
        ):
            (self.folder / "suites" / name).mkdir(parents=True)
            (self.folder / "suites" / name / f"test_{name}.py").write_text(source.replace("test_fake", f"test_{name}"))

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "pytest_passatk.cli", "matrix", "m.toml", "--json", "t.json", *arguments],
            cwd=self.folder, env={**os.environ, **environment, "COLUMNS": "100"}, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, table and progress."""
        process = self.start(*arguments)
        out, error = process.communicate(timeout=PATIENCE)
        return process.returncode, out, error

    @property
    def cells(self) -> Any:
        return json.loads((self.folder / "t.json").read_text())["cells"]

    @property
    def drawn(self) -> int:
        return len(self.sessions.log)


@pytest.fixture
def matrices(alone: Sessions) -> Matrices:
    return Matrices(alone)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def passes(cell: Any) -> list[tuple[str, Any]]:
    return [(row["arm"], [each["value"] for each in row["passes"] if each["k"] in (1, 4)]) for row in cell["rows"]]


def test_every_cell_is_measured_once(matrices: Matrices) -> None:
    status, out, error = matrices.run("--markdown", "t.md")
    assert status == 0
    assert re.findall(r"^\[.*?\] (\S+ x \S+) \.\.\. 2 arms", error, re.MULTILINE) == ["fake x quiz", "fake x exam"]
    assert [passes(cell) for cell in matrices.cells] == [
        [("base", pytest.approx([0.5, 2 / 3])), ("+7", [0, 0])],
        [("base", pytest.approx([7 / 12, 2 / 3])), ("+7", [0, 0])],
    ]
    assert out.count("regressed") == (matrices.folder / "t.md").read_text().count("regressed") == 4
    for cell in matrices.cells:
        assert [row["regressed"] for row in cell["rows"]] == [[], ["pass@1"]]
        assert json.loads((matrices.folder / cell["report"]).read_text())["run"]["command"].startswith("pytest suites/")
    drawn = matrices.drawn
    status, again, error = matrices.run()
    assert (status, again) == (0, out), "the very same table, times included"
    assert error.count("finished before") == 2
    assert matrices.run("--fail")[0] == 1, "a regression fails the command where that is asked for"
    assert matrices.drawn == drawn


def test_a_killed_matrix_goes_on(matrices: Matrices) -> None:
    process = matrices.start(**SLOW)
    wait_for(lambda: matrices.drawn >= 30)  # of 48: the second cell is at work
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    status, _, error = matrices.run()
    assert status == 0
    assert re.search(r"fake x quiz \.\.\. finished before\n.*fake x exam \.\.\. 2 arms", error)
    quiz, exam = matrices.cells
    assert (quiz["reused"], exam["reused"]) == (True, False)
    assert sum(row["reused"] for row in exam["rows"]) > 0
    twice = sum(count - 2 for count in Counter(matrices.sessions.log).values())
    assert twice <= 3, "only what was on its way to the store at that moment is drawn again"
    assert set(matrices.sessions.log) == set(EACH)


def test_a_run_that_outlives_the_command_is_waited_for_and_counts(matrices: Matrices) -> None:
    process = matrices.start(FAKE_DELAY="0.3")
    wait_for(lambda: matrices.drawn >= 3)
    os.kill(process.pid, signal.SIGKILL)
    status, out, error = matrices.run()
    assert (status, out) == (2, ""), error
    (number,) = re.findall(r"m: a run is still at work there \(process (\d+)\): wait for it, or end it", error)
    os.kill(int(number), 0)  # there is one of that number
    process.communicate(timeout=PATIENCE)  # the run that it started holds its pipes no longer
    wait_for(lambda: matrices.run()[0] == 0)
    assert matrices.cells[0]["rows"][0]["reused"] == 0
    assert matrices.drawn == 48


def test_a_matrix_that_is_interrupted_says_so_and_goes_on(matrices: Matrices) -> None:
    process = matrices.start(**SLOW)
    wait_for(lambda: matrices.drawn >= 3)
    os.killpg(process.pid, signal.SIGINT)
    told = "".join(filter(None, process.communicate(timeout=PATIENCE)))
    assert process.returncode == INTERRUPTED
    assert told.endswith("fake x quiz ... interrupted; the same command goes on from here\n")
    assert matrices.run()[0] == 0


def test_other_settings_and_other_suites_run_again(matrices: Matrices) -> None:
    matrices.run()
    matrices.file.write_text(MATRIX.replace('"suites/exam"', '"suites/exam"\nn = 8'))
    assert re.search(r"quiz \.\.\. finished before\n.*exam \.\.\. 2 arms", matrices.run()[2])
    assert [row["samples"] for row in matrices.cells[1]["rows"]] == [24, 24]
    assert matrices.drawn == 72, "the store brings what there was"
    path = matrices.folder / "suites" / "quiz" / "test_quiz.py"
    path.write_text(path.read_text().replace('"answer": "7"', '"answer": "8"'))
    assert re.search(r"quiz \.\.\. 2 arms .*\n.*exam \.\.\. finished before", matrices.run()[2])
    assert passes(matrices.cells[0])[0] == ("base", pytest.approx([1 / 3, 2 / 3]))
    assert matrices.run("--again")[2].count("2 arms") == 2


def test_a_cell_that_fails_is_told_and_the_others_go_on(matrices: Matrices) -> None:
    broken = SUITE.replace("assert completion", "1 / 0; assert completion").replace("test_fake", "test_exam")
    (matrices.folder / "suites" / "exam" / "test_exam.py").write_text(broken)
    matrices.file.write_text('[[models]]\nmodel = "fake_model:fail"\n' + MATRIX.replace("[matrix]\nk = [1, 4]", ""))
    status, out, error = matrices.run("--markdown", "t.md")
    assert status == 1
    assert error.count("FAILED after") == 3
    failed = [cell["failed"] for cell in matrices.cells]
    assert "no weights" in failed[0]
    assert "no weights" in failed[1]
    assert failed[2] is None
    assert "pass@k is withheld: 24 samples ended in ERROR" in failed[3] or "withheld" in failed[3]
    assert "failed: fake_model:fail x quiz: " in out
    assert "Failed:\n\n- `fake_model:fail x quiz`" in (matrices.folder / "t.md").read_text()
    assert [len(cell["rows"]) for cell in matrices.cells] == [0, 0, 2, 0]
    assert matrices.run()[2].count("FAILED after") == 3, "what failed is tried again"


def test_what_pytest_says_stands_in_the_log(matrices: Matrices) -> None:
    matrices.file.write_text(MATRIX.replace("[matrix]", "[matrix]\nseed = 5"))
    matrices.run()
    log = Path(matrices.folder / matrices.cells[0]["log"]).read_text()
    assert log.startswith("$ pytest suites/quiz ")
    assert "seed 5" in log
    assert not (matrices.folder / ".passatk").exists(), "its samples are its own"


def test_the_file_of_the_page_is_one(matrices: Matrices, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text(encoding="utf-8")
    [text] = re.findall(r"```toml\n(# matrix\.toml.*?)```", page, re.DOTALL)
    (matrices.folder / "suites" / "arithmetic").mkdir()
    here = text.replace("suites/gsm8k", "suites/quiz")
    (matrices.folder / "page.toml").write_text(here)
    monkeypatch.chdir(matrices.folder)
    cells = plan_cells(read_matrix(Path("page.toml")))
    assert [cell.title for cell in cells] == [
        "hf:tiny x arithmetic", "hf:tiny x quiz", "tuned x arithmetic", "tuned x quiz"
    ]  # fmt: skip
    assert {cell.arms for cell in cells} == {2}
    assert cells[0].report == Path("page/hf-tiny-arithmetic.json")
