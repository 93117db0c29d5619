"""What each run asked for, so that it can be listed, shown and exported later."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import RLock
from typing import Any

from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.store.rows import ProblemRow, RunRow, SampleRow, SourceRow, SuiteRow
from pytest_passatk.store.schema import explained, transaction
from pytest_passatk.store.text import storable

SAMPLE = ("text", "tokens", "finish", "latency", "logprob", "first_token", "prompt_tokens")  # as in SampleRow
PAGE = 500  # problems of a suite that are looked up at once

_SUITES = """
SELECT id, name, title, n, ks, extracts, model, sampling, reused, seconds, arm, verifier, repeat,
    (SELECT count(*) FROM run_problems p WHERE p.suite = r.id)
FROM run_suites r WHERE run = ? ORDER BY id"""

_OUTCOMES = """
SELECT p.problem, r.n, total(v.status = 'pass'), total(v.status = 'fail'), total(v.status = 'timeout'),
    group_concat(CASE v.status WHEN 'error' THEN v.idx END), total(v.status = 'skip'), total(v.forgeable)
FROM run_suites r JOIN run_problems p ON p.suite = r.id
LEFT JOIN verdicts v ON v.stream = p.stream AND v.judge = p.judge AND v.idx < r.n
WHERE r.id = ? GROUP BY p.position"""

_PROBLEMS = """
SELECT p.position, p.problem, t.settings, p.stream, p.judge, r.n
FROM run_suites r JOIN run_problems p ON p.suite = r.id JOIN streams t ON t.id = p.stream
WHERE r.id = ? AND p.position > ? AND (? IS NULL OR p.problem = ?) ORDER BY p.position LIMIT ?"""


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
                (started, storable(command), str(seed), version),
            )
        return int(cursor.lastrowid or 0)

    def add_suite(self, run: int, suite: PlannedSuite, model: ModelInfo, streams: Sequence[str], reused: int) -> int:
        """Note a suite of a run with the streams of its problems; returns the suite's number in the store."""
        row = (
            run, storable(suite.name), storable(suite.title), suite.n, json.dumps(suite.ks), suite.extracts,
            json.dumps(model.to_dict()), json.dumps(asdict(suite.params)), reused, storable(suite.arm),
            suite.verifier or None, suite.repeat,
        )  # fmt: skip
        with self._writing():
            cursor = self._connection.execute(
                "INSERT INTO run_suites "
                "(run, name, title, n, ks, extracts, model, sampling, reused, arm, verifier, repeat) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            number = int(cursor.lastrowid or 0)
            problems = zip(suite.problems, streams, strict=True)
            rows = [
                (number, i, storable(p.id), self._ids[stream], p.judge, p.row or None)
                for i, (p, stream) in enumerate(problems)
            ]
            self._connection.executemany(
                "INSERT INTO run_problems (suite, position, problem, stream, judge, row) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
        return number

    def finish_suite(self, suite: int, record: SuiteRecord) -> None:
        """Note how long a suite's sampling took, the device that did it, and how far it went."""
        planned = record.planned
        model, ks = json.dumps(record.model.to_dict()), json.dumps(planned.ks)
        with self._writing():
            self._connection.execute(
                "UPDATE run_suites SET seconds = ?, model = ?, n = ?, ks = ?, reused = ? WHERE id = ?",
                (record.seconds, model, planned.n, ks, record.reused, suite),
            )

    def finish_run(self, run: int, *, seconds: float, status: int) -> None:
        """Note how a run ended."""
        with self._writing():
            self._connection.execute("UPDATE runs SET seconds = ?, exit = ? WHERE id = ?", (seconds, status, run))

    def runs(self) -> list[RunRow]:
        """All runs, oldest first."""
        query = "SELECT id, started, seconds, command, seed, version, exit FROM runs ORDER BY id"
        return [
            RunRow(number, started, seconds, command, int(seed), version, status)
            for number, started, seconds, command, seed, version, status in self._rows(query)
        ]

    def suites(self, run: int) -> list[SuiteRow]:
        """The suites of a run, in order."""
        return [
            SuiteRow(
                number, name, title, n, tuple(json.loads(ks)), bool(extracts), json.loads(model), json.loads(sampling),
                reused, seconds, problems, arm, verifier, repeat,
            )
            for (
                number, name, title, n, ks, extracts, model, sampling, reused, seconds, arm, verifier, repeat, problems,
            ) in self._rows(_SUITES, [run])
        ]  # fmt: skip

    def outcomes(self, suite: int) -> list[Outcomes]:
        """The verdicts of every problem of a suite, counted, in order of the plan."""
        return [
            Outcomes(problem, n, int(passed), int(failed), int(timeouts), _numbers(errors), bool(skips), int(forgeable))
            for problem, n, passed, failed, timeouts, errors, skips, forgeable in self._rows(_OUTCOMES, [suite])
        ]

    def problems(self, suite: int, problem: str | None = None) -> Iterator[ProblemRow]:
        """The problems of a suite, or one of them, with their samples, in order of the plan, a few at a time."""
        problem = problem and storable(problem)
        position = -1
        while page := self._rows(_PROBLEMS, [suite, position, problem, problem, PAGE]):
            for position, name, settings, stream, judge, n in page:  # noqa: B007 - where the next page starts
                yield ProblemRow(name, json.loads(settings)["prompt"], self._samples(stream, judge, n))

    def sources(self, suite: int) -> list[SourceRow]:
        """What the problems of a suite were made of, in order of the plan."""
        query = (
            "SELECT p.problem, t.settings, p.row FROM run_problems p JOIN streams t ON t.id = p.stream "
            "WHERE p.suite = ? ORDER BY p.position"
        )
        rows = self._rows(query, [suite])
        return [SourceRow(problem, json.loads(settings)["prompt"], row) for problem, settings, row in rows]

    def streams(self, suite: int) -> dict[str, str]:
        """The names of the streams of a suite, by problem, in order of the plan."""
        query = "SELECT p.problem, t.digest FROM run_problems p JOIN streams t ON t.id = p.stream WHERE p.suite = ?"
        return dict(self._rows(f"{query} ORDER BY p.position", [suite]))

    def settings(self, suite: int) -> dict[str, Any]:
        """What shaped the samples of the first problem of a suite; all have model, sampling and seed in common."""
        query = (
            "SELECT t.settings FROM run_problems p JOIN streams t ON t.id = p.stream WHERE p.suite = ? "
            "ORDER BY p.position LIMIT 1"
        )
        settings: dict[str, Any] = json.loads(self._rows(query, [suite])[0][0])
        return settings

    def _samples(self, stream: int, judge: str, n: int) -> tuple[SampleRow, ...]:
        """The samples below n; an answer that never came has a verdict, but no text."""
        query = f"SELECT idx, {', '.join(SAMPLE)} FROM samples WHERE stream = ? AND idx < ?"  # noqa: S608 - only names
        texts = {row[0]: row[1:] for row in self._rows(query, [stream, n])}
        query = (
            "SELECT idx, status, reason, answer, seconds, forgeable FROM verdicts "
            "WHERE stream = ? AND judge = ? AND idx < ?"
        )
        verdicts = {row[0]: (*row[1:5], bool(row[5])) for row in self._rows(query, [stream, judge, n])}
        return tuple(
            SampleRow(index, *texts.get(index, (None,) * len(SAMPLE)), *verdicts.get(index, (None,) * 5))
            for index in sorted(texts.keys() | verdicts.keys())
        )

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows at once: a statement left open would hold its view of the store against the next write."""
        with self._lock, explained(self.where):
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, or nothing of it."""
        with self._lock, explained(self.where), transaction(self._connection):
            yield


def _numbers(joined: str | None) -> tuple[int, ...]:
    return tuple(sorted(map(int, joined.split(",")))) if joined else ()
