"""What each run asked for, so that it can be listed, shown and exported later."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import RLock
from typing import Any

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.store.schema import explained


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as listed. `seconds` and `exit` are `None` where it was cut off or still goes on."""

    id: int
    started: str
    seconds: float | None
    command: str
    seed: int
    version: str
    exit: int | None


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One suite of a run; `model` and `sampling` are the plain forms of ModelInfo and SamplingParams."""

    id: int
    name: str
    title: str
    n: int
    ks: tuple[int, ...]
    extracts: bool
    model: dict[str, Any]
    sampling: dict[str, Any]
    reused: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample of a run.

    Text and what belongs to it are `None` where the model could not answer; status, reason, answer and seconds are
    `None` where the sample was not judged.
    """

    problem: str
    index: int
    text: str | None
    tokens: int | None
    finish: str | None
    latency: float | None
    status: str | None
    reason: str | None
    answer: str | None
    seconds: float | None


_SAMPLES = """
WITH RECURSIVE i(idx) AS (
    SELECT 0 UNION ALL SELECT idx + 1 FROM i WHERE idx + 1 < (SELECT n FROM run_suites WHERE id = ?))
SELECT p.problem, i.idx, s.text, s.tokens, s.finish, s.latency, v.status, v.reason, v.answer, v.seconds
FROM run_problems p CROSS JOIN i
LEFT JOIN samples s ON s.stream = p.stream AND s.idx = i.idx
LEFT JOIN verdicts v ON v.stream = p.stream AND v.idx = i.idx AND v.judge = p.judge
WHERE p.suite = ? AND coalesce(s.idx, v.idx) IS NOT NULL
"""


class Runs:
    """The part of the store that remembers runs."""

    where: str
    _lock: RLock
    _connection: sqlite3.Connection
    _ids: dict[str, int]

    def start_run(self, *, started: str, command: str, seed: int, version: str) -> int:
        """Note that a run starts; returns its number."""
        with self._writing():
            cursor = self._connection.execute(
                "INSERT INTO runs (started, command, seed, version) VALUES (?, ?, ?, ?)",
                (started, command, seed, version),
            )
        return int(cursor.lastrowid or 0)

    def add_suite(self, run: int, suite: PlannedSuite, model: ModelInfo, streams: Sequence[str], reused: int) -> int:
        """Note a suite of a run with the streams of its problems; returns the suite's number in the store."""
        row = (
            run, suite.name, suite.title, suite.n, json.dumps(suite.ks), suite.extracts,
            json.dumps(model.to_dict()), json.dumps(asdict(suite.params)), reused,
        )  # fmt: skip
        with self._writing():
            cursor = self._connection.execute(
                "INSERT INTO run_suites (run, name, title, n, ks, extracts, model, sampling, reused) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            number = int(cursor.lastrowid or 0)
            problems = zip(suite.problems, streams, strict=True)
            rows = [(number, i, p.id, self._ids[stream], p.judge) for i, (p, stream) in enumerate(problems)]
            self._connection.executemany("INSERT INTO run_problems VALUES (?, ?, ?, ?, ?)", rows)
        return number

    def finish_suite(self, suite: int, model: ModelInfo, seconds: float) -> None:
        """Note how long a suite's sampling took, and the device that did it."""
        with self._writing():
            self._connection.execute(
                "UPDATE run_suites SET seconds = ?, model = ? WHERE id = ?",
                (seconds, json.dumps(model.to_dict()), suite),
            )

    def finish_run(self, run: int, *, seconds: float, status: int) -> None:
        """Note how a run ended."""
        with self._writing():
            self._connection.execute("UPDATE runs SET seconds = ?, exit = ? WHERE id = ?", (seconds, status, run))

    def runs(self) -> list[RunRow]:
        """All runs, oldest first."""
        return [
            RunRow(*row) for row in self._rows("SELECT id, started, seconds, command, seed, version, exit FROM runs")
        ]

    def suites(self, run: int) -> list[SuiteRow]:
        """The suites of a run, in order."""
        query = (
            "SELECT id, name, title, n, ks, extracts, model, sampling, reused, seconds "
            "FROM run_suites WHERE run = ? ORDER BY id"
        )
        return [
            SuiteRow(
                number, name, title, n, tuple(json.loads(ks)), bool(extracts), json.loads(model), json.loads(sampling),
                reused, seconds,
            )
            for number, name, title, n, ks, extracts, model, sampling, reused, seconds in self._rows(query, [run])
        ]  # fmt: skip

    def counts(self, suite: int) -> list[Count]:
        """The counts of every problem of a suite with a verdict that counts, in order of the plan."""
        query = """
            SELECT p.problem, count(*), sum(v.status = 'pass') FROM run_problems p
            JOIN run_suites r ON r.id = p.suite
            JOIN verdicts v ON v.stream = p.stream AND v.judge = p.judge AND v.idx < r.n
            WHERE p.suite = ? AND v.status IN ('pass', 'fail', 'timeout') GROUP BY p.position"""
        return [Count(problem, n, c) for problem, n, c in self._rows(query, [suite])]

    def samples(self, suite: int, problem: str | None = None) -> Iterator[SampleRow]:
        """The samples of a suite, or of one problem of it, in order of the plan."""
        query, parameters = _SAMPLES, [suite, suite]
        if problem is not None:
            query, parameters = query + " AND p.problem = ?", [suite, suite, problem]
        for row in self._rows(query + " ORDER BY p.position, i.idx", parameters):
            yield SampleRow(*row)

    def prompt(self, suite: int, problem: str) -> Any:
        """The prompt of one problem of a suite: text, or a list of chat messages; `None` for a problem it lacks."""
        query = """SELECT s.settings FROM run_problems p JOIN streams s ON s.id = p.stream
                   WHERE p.suite = ? AND p.problem = ?"""
        for (settings,) in self._rows(query, [suite, problem]):
            return json.loads(settings)["prompt"]
        return None

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        with self._lock, explained(self.where):
            cursor = self._connection.execute(query, parameters)
        while True:
            with self._lock, explained(self.where):
                rows = cursor.fetchmany(1000)
            if not rows:
                return
            yield from rows

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, or nothing of it."""
        with self._lock, explained(self.where):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
