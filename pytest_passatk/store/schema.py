"""The tables, and opening a file that may not be one of ours.

streams       one row a problem under one set of settings; `settings` is the JSON whose digest is the name
samples       completions, by stream and index
verdicts      judgements, by stream, index and the judge's digest
runs          one row a session, with its suites (run_suites) and their problems (run_problems)

Long texts stand last in their rows, so that what is counted can be read without them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from pytest_passatk.core.errors import StoreError

VERSION = 5
APPLICATION = 0x70617373  # "pass" in SQLite's header, which tells a store from another program's file

TABLES = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, problem TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE samples (
    stream INTEGER NOT NULL REFERENCES streams(id), idx INTEGER NOT NULL, tokens INTEGER NOT NULL,
    finish TEXT NOT NULL, latency REAL NOT NULL, logprob REAL, first_token REAL, prompt_tokens INTEGER,
    text TEXT NOT NULL, PRIMARY KEY (stream, idx));
CREATE TABLE verdicts (
    stream INTEGER NOT NULL REFERENCES streams(id), idx INTEGER NOT NULL, judge TEXT NOT NULL, status TEXT NOT NULL,
    seconds REAL NOT NULL, forgeable INTEGER NOT NULL DEFAULT 0, answer TEXT, reason TEXT NOT NULL,
    PRIMARY KEY (stream, judge, idx)) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, seconds REAL, command TEXT NOT NULL, seed TEXT NOT NULL,
    version TEXT NOT NULL, exit INTEGER);
CREATE TABLE run_suites (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), name TEXT NOT NULL, title TEXT NOT NULL,
    n INTEGER NOT NULL, ks TEXT NOT NULL, extracts INTEGER NOT NULL, model TEXT NOT NULL, sampling TEXT NOT NULL,
    reused INTEGER NOT NULL, seconds REAL NOT NULL DEFAULT 0, arm TEXT NOT NULL DEFAULT '', verifier TEXT,
    repeat INTEGER NOT NULL DEFAULT 0);
CREATE INDEX suites_of_run ON run_suites (run);
CREATE TABLE run_problems (
    suite INTEGER NOT NULL REFERENCES run_suites(id), position INTEGER NOT NULL, problem TEXT NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams(id), judge TEXT NOT NULL, row TEXT,
    PRIMARY KEY (suite, position)) WITHOUT ROWID;
"""

# What brings a store from one version to the next.
UPGRADES = {
    1: "ALTER TABLE verdicts ADD COLUMN forgeable INTEGER NOT NULL DEFAULT 0",
    2: """
ALTER TABLE samples ADD COLUMN first_token REAL;
ALTER TABLE samples ADD COLUMN prompt_tokens INTEGER;
ALTER TABLE run_suites ADD COLUMN arm TEXT NOT NULL DEFAULT ''""",
    3: """
ALTER TABLE run_suites ADD COLUMN verifier TEXT;
ALTER TABLE run_problems ADD COLUMN row TEXT""",
    4: "ALTER TABLE run_suites ADD COLUMN repeat INTEGER NOT NULL DEFAULT 0",
}

BUSY_SECONDS = 60.0  # how long a write waits for another run on the same store
ANOTHER = "name another file (--passatk-store, or --store of passatk)"


def connect(path: Path | None, *, create: bool = True) -> sqlite3.Connection:
    """Open a store, and make it where it is absent and may be made; `None` keeps it in memory.

    Raises:
        StoreError: the file cannot be opened, is no store, or was written by a newer version.
    """
    where = str(path) if path else ":memory:"
    with explained(where):
        connection = sqlite3.connect(
            _uri(path, create=create) if path else where,
            timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True,
        )  # fmt: skip
        try:
            _prepare(connection, where, create=create)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it; waits for its turn to write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has already rolled back where the disk was full
            connection.execute("ROLLBACK")
        raise


def _uri(path: Path, *, create: bool) -> str:
    """The file's URI; a mode without `c` keeps SQLite from making a file where only reading was asked for."""
    if path.is_dir():
        raise StoreError(f"{path}: a folder, not a store: {ANOTHER}")
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise StoreError(f"{path}: there is no store yet: run a suite with pytest first, or {ANOTHER}")
    return f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"


def _prepare(connection: sqlite3.Connection, where: str, *, create: bool) -> None:
    """Look before touching: another program's file stays as it is."""
    fresh = _is_fresh(connection, where)
    if fresh and not create:
        raise StoreError(f"{where}: an empty file, no store of pytest-passatk: {ANOTHER}")
    _write_ahead(connection)
    # NORMAL: a commit survives the death of the process at any moment, though not a power failure.
    connection.execute("PRAGMA synchronous = NORMAL")
    if fresh or _number(connection, "PRAGMA user_version") < VERSION:
        with transaction(connection):
            if _is_fresh(connection, where):  # else another run was faster
                _create(connection)
            _upgrade(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL; where two runs make it at once, SQLite does not wait here by itself."""
    deadline = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > deadline:
                raise
            sleep(0.01)
        else:
            return


def _is_fresh(connection: sqlite3.Connection, where: str) -> bool:
    """Whether there is nothing in the file yet. Raises StoreError where there is something that cannot be used."""
    if not _number(connection, "SELECT count(*) FROM sqlite_master"):  # asked first: tables and mark come together
        return True
    if _number(connection, "PRAGMA application_id") != APPLICATION:
        raise StoreError(f"{where}: an SQLite file, but no store of pytest-passatk: {ANOTHER}")
    version = _number(connection, "PRAGMA user_version")
    if version > VERSION:
        raise StoreError(
            f"{where}: the store has schema {version}, this version of pytest-passatk reads up to {VERSION}: "
            f"upgrade pytest-passatk, or {ANOTHER}"
        )
    return False


def _create(connection: sqlite3.Connection) -> None:
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _upgrade(connection: sqlite3.Connection) -> None:
    for version in range(_number(connection, "PRAGMA user_version"), VERSION):
        for statement in UPGRADES[version].split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into one error that names the file and the remedy."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(f"{where}: {error}: {_remedy(str(error))}") from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a mistake of this project, which no other file would mend
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{where}: not a readable store ({error}): move the file away, or {ANOTHER}") from error
    except OSError as error:
        raise StoreError(f"{where}: {error.strerror} ({error.filename}): {ANOTHER}") from error


def _remedy(message: str) -> str:
    if "full" in message:
        return "free some space and repeat the command; every finished sample that was stored is kept"
    if "locked" in message:
        return "another run holds the store; repeat the command when it is done"
    return f"check the folder and its permissions, or {ANOTHER}"
