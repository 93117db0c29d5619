"""The tables, and opening a file that may not be one of ours.

streams       one row a problem under one set of settings; `settings` is the JSON whose digest is the name
samples       completions, by stream and index
verdicts      judgements, by stream, index and the judge's digest
runs          one row a session, with its suites (run_suites) and their problems (run_problems)
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_passatk.core.errors import StoreError

VERSION = 1

TABLES = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, problem TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE samples (
    stream INTEGER NOT NULL REFERENCES streams(id), idx INTEGER NOT NULL, text TEXT NOT NULL, tokens INTEGER NOT NULL,
    finish TEXT NOT NULL, latency REAL NOT NULL, logprob REAL, PRIMARY KEY (stream, idx));
CREATE TABLE verdicts (
    stream INTEGER NOT NULL REFERENCES streams(id), idx INTEGER NOT NULL, judge TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT NOT NULL, answer TEXT, seconds REAL NOT NULL, PRIMARY KEY (stream, judge, idx)) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, seconds REAL, command TEXT NOT NULL, seed INTEGER NOT NULL,
    version TEXT NOT NULL, exit INTEGER);
CREATE TABLE run_suites (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), name TEXT NOT NULL, title TEXT NOT NULL,
    n INTEGER NOT NULL, ks TEXT NOT NULL, extracts INTEGER NOT NULL, model TEXT NOT NULL, sampling TEXT NOT NULL,
    reused INTEGER NOT NULL, seconds REAL NOT NULL DEFAULT 0);
CREATE INDEX suites_of_run ON run_suites (run);
CREATE TABLE run_problems (
    suite INTEGER NOT NULL REFERENCES run_suites(id), position INTEGER NOT NULL, problem TEXT NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams(id), judge TEXT NOT NULL, PRIMARY KEY (suite, position)) WITHOUT ROWID;
"""

BUSY_SECONDS = 60.0  # how long a write waits for another run on the same store


def connect(path: Path | None) -> sqlite3.Connection:
    """Open or create a store; `None` keeps it in memory.

    Raises:
        StoreError: the file cannot be opened, is no store, or was written by a newer version.
    """
    where = str(path) if path else ":memory:"
    with explained(where):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(where, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit survives the death of the process at any moment, though not a power failure.
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection, where)
    return connection


def _prepare(connection: sqlite3.Connection, where: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _create(connection, where)
        elif version > VERSION:
            raise StoreError(
                f"{where}: the store has schema {version}, this version of pytest-passatk reads up to {VERSION}: "
                "upgrade pytest-passatk, or name another file with --passatk-store"
            )
    finally:
        connection.execute("COMMIT")


def _create(connection: sqlite3.Connection, where: str) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{where}: an SQLite file, but no store of pytest-passatk: name another with --passatk-store")
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into one error that names the file and the remedy."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(f"{where}: {error}: {_remedy(str(error))}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{where}: not a readable store ({error}): move the file away, or name another with --passatk-store"
        ) from error
    except OSError as error:
        raise StoreError(f"{where}: {error.strerror or error}: name another file with --passatk-store") from error


def _remedy(message: str) -> str:
    if "full" in message:
        return "free some space and repeat the command; every finished sample that was stored is kept"
    if "locked" in message:
        return "another run holds the store; repeat the command when it is done"
    return "check the folder and its permissions, or name another file with --passatk-store"
