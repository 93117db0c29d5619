"""Samples and verdicts by stream and index."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.stream import canonical_json, digest
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.store.runs import Runs
from pytest_passatk.store.schema import connect, explained
from pytest_passatk.store.text import storable, storable_json

CHUNK = 500  # parameters in one statement, below every build's limit
SAMPLE = ("idx", "tokens", "finish", "latency", "logprob", "first_token", "prompt_tokens", "text")


class Store(Runs):
    """One SQLite file in WAL mode; safe to use from several threads, and from several processes at once.

    Args:
        path: the file; `None` keeps everything in memory.
        create: whether to make the file where it is absent, instead of raising.

    Raises:
        StoreError: from every method, with the file and the remedy.
    """

    def __init__(self, path: Path | None, *, create: bool = True) -> None:
        self.path = path
        self.where = str(path) if path else "the store in memory"
        self._lock = RLock()
        self._connection = connect(path, create=create)
        self._ids: dict[str, int] = {}

    def add_streams(self, settings: Sequence[Mapping[str, Any]]) -> list[str]:
        """Make streams known; returns their names, in order."""
        names = [digest(each) for each in settings]
        rows = [
            (name, storable(each["problem"]), storable_json(canonical_json(each)))
            for name, each in zip(names, settings, strict=True)
        ]
        with self._writing():
            self._connection.executemany(
                "INSERT INTO streams (digest, problem, settings) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
            )
        for chunk in _chunks(names):
            query = f"SELECT digest, id FROM streams WHERE digest IN ({_marks(chunk)})"  # noqa: S608 - only marks
            self._ids.update(self._rows(query, chunk))
        return names

    def completions(self, streams: Sequence[str], n: int) -> dict[str, dict[int, Completion]]:
        """The stored completions with an index below n, by stream and index."""
        found: dict[str, dict[int, Completion]] = {stream: {} for stream in streams}
        names = {self._ids[stream]: stream for stream in streams}
        for chunk in _chunks(names):
            query = (
                f"SELECT stream, {', '.join(SAMPLE)} FROM samples "  # noqa: S608 - only names and marks
                f"WHERE stream IN ({_marks(chunk)}) AND idx < ?"
            )
            for stream, idx, tokens, finish, latency, *more, text in self._rows(query, [*chunk, n]):
                name = names[stream]
                found[name][idx] = Completion(name, idx, text, tokens, FinishReason(finish), latency, *more)
        return found

    def verdicts(self, stream: str, judge: str) -> dict[int, Verdict]:
        """The verdicts of one judge that say something about the model, by index."""
        query = "SELECT idx, status, reason, answer, seconds, forgeable FROM verdicts WHERE stream = ? AND judge = ?"
        rows = self._rows(query, [self._ids[stream], judge])
        verdicts = {
            idx: Verdict(Status(status), reason, answer, spent, bool(forgeable))
            for idx, status, reason, answer, spent, forgeable in rows
        }
        return {idx: verdict for idx, verdict in verdicts.items() if verdict.status.counts}

    def add_completion(self, completion: Completion) -> Completion:
        """Keep a completion; returns what was kept: an earlier one where another run was faster."""
        kept = replace(completion, text=storable(completion.text))
        row = (
            self._ids[kept.stream], kept.index, kept.tokens, kept.finish_reason, kept.latency, kept.logprob,
            kept.first_token, kept.prompt_tokens, kept.text,
        )  # fmt: skip
        query = f"INSERT INTO samples (stream, {', '.join(SAMPLE)}) VALUES ({_marks(row)}) ON CONFLICT DO NOTHING"  # noqa: S608 - only names and marks
        with self._lock, explained(self.where):
            cursor = self._connection.execute(query, row)
        if cursor.rowcount:
            return kept
        return self.completions([completion.stream], completion.index + 1)[completion.stream][completion.index]

    def add_verdicts(self, verdicts: Iterable[tuple[str, int, str, Verdict]]) -> None:
        """Keep (stream, index, judge, verdict)s; a later verdict of the same judge replaces an earlier one."""
        rows = [
            (
                self._ids[stream], idx, judge, v.status, v.seconds, v.forgeable,
                None if v.answer is None else storable(v.answer), storable(v.reason),
            )
            for stream, idx, judge, v in verdicts
        ]  # fmt: skip
        with self._writing():
            self._connection.executemany(
                "INSERT OR REPLACE INTO verdicts (stream, idx, judge, status, seconds, forgeable, answer, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
