"""The store: what goes in comes out, whatever happens to the process, the file or the disk."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.errors import StoreError
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.store import SampleRow, SourceRow, Store, schema

MODEL = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none")
FINITE = st.floats(0, 1e6, allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=()))  # every code point: NUL and lone surrogates, too


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


def stream(store: Store, problem: str = "a", prompt: str = "What?") -> str:
    return store.add_streams([{"problem": problem, "prompt": prompt}])[0]


def completion(name: str, index: int, text: str = "text") -> Completion:
    return Completion(name, index, text, 3, FinishReason.STOP, 0.25, -1.5)


# What goes in comes out


@given(
    TEXT, st.integers(0, 2**40), st.sampled_from([FinishReason.STOP, FinishReason.LENGTH]), FINITE, FINITE | st.none()
)
def test_a_completion_comes_back_as_it_was_kept(
    text: str, tokens: int, finish: FinishReason, latency: float, logprob: float | None
) -> None:
    store = Store(None)
    name = stream(store)
    kept = store.add_completion(Completion(name, 5, text, tokens, finish, latency, logprob))
    assert store.completions([name], 6) == {name: {5: kept}}
    assert (kept.tokens, kept.finish_reason, kept.latency, kept.logprob) == (tokens, finish, latency, logprob)
    assert kept.text == text or "\ufffd" in kept.text
    store.close()


@given(
    st.dictionaries(
        st.integers(0, 50),
        st.builds(Verdict, st.sampled_from([Status.PASS, Status.FAIL, Status.TIMEOUT]), TEXT, TEXT | st.none(), FINITE),
    )
)
def test_verdicts_come_back_as_they_were_given(verdicts: dict[int, Verdict]) -> None:
    store = Store(None)
    name = stream(store)
    store.add_verdicts((name, index, "judge", verdict) for index, verdict in verdicts.items())
    found = store.verdicts(name, "judge")
    assert {index: (v.status, v.seconds, v.answer is None) for index, v in found.items()} == {
        index: (v.status, v.seconds, v.answer is None) for index, v in verdicts.items()
    }
    assert all(v.reason == verdicts[i].reason or "\ufffd" in v.reason for i, v in found.items())
    store.close()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("nul \0 inside\0", "nul \0 inside\0"),
        ("lone \ud800", "lone \ufffd"),
        ("\udc80 lone", "\ufffd lone"),
        ("pair \ud83d\ude00", "pair 😀"),
        ("\ufeffmark", "\ufeffmark"),
        ("", ""),
    ],
)
def test_only_lone_surrogates_are_replaced(store: Store, path: Path, text: str, kept: str) -> None:
    name = stream(store)
    assert store.add_completion(completion(name, 0, text)).text == kept, "what is judged now is what is judged later"
    store.add_verdicts([(name, 0, "judge", Verdict(Status.FAIL, text, text))])
    store.close()
    store = Store(path)
    assert stream(store) == name
    assert store.completions([name], 1)[name][0].text == kept
    assert store.verdicts(name, "judge")[0] == Verdict(Status.FAIL, kept, kept)
    store.close()


def test_ids_and_prompts_may_hold_any_text(store: Store) -> None:
    name = stream(store, "id \udc80 \0", "prompt \ud800 \0 ü")
    run = store.start_run(started="", command="pytest \udc80", seed=2**200, version="")
    suite = planned(["id \udc80 \0"])
    number = store.add_suite(run, suite, MODEL, [name], 0)
    assert store.runs()[0].seed == 2**200
    [problem] = store.problems(number, "id \udc80 \0")
    assert problem.prompt == "prompt \ud800 \0 ü"
    assert problem.id == "id \ufffd \0"


def test_the_first_completion_of_a_place_stays(store: Store) -> None:
    name = stream(store)
    first = store.add_completion(completion(name, 0, "first"))
    assert store.add_completion(completion(name, 0, "second")) == first
    assert store.completions([name], 1)[name][0].text == "first"


def test_a_longer_run_finds_what_a_shorter_one_left(store: Store) -> None:
    name = stream(store)
    for index in range(8):
        store.add_completion(completion(name, index))
    assert sorted(store.completions([name], 64)[name]) == list(range(8))
    assert sorted(store.completions([name], 3)[name]) == [0, 1, 2]


def test_other_settings_find_nothing(store: Store) -> None:
    name, other = stream(store), stream(store, prompt="What else?")
    store.add_completion(completion(name, 0))
    assert store.completions([name, other], 1)[other] == {}


def test_more_streams_than_one_statement_takes(store: Store) -> None:
    names = store.add_streams([{"problem": str(i)} for i in range(1201)])
    for name in names:
        store.add_completion(completion(name, 0))
    assert all(len(found) == 1 for found in store.completions(names, 1).values())


def test_the_later_verdict_of_a_judge_counts(store: Store) -> None:
    name = stream(store)
    store.add_verdicts([(name, 0, "judge", Verdict(Status.PASS))])
    store.add_verdicts([(name, 0, "judge", Verdict(Status.FAIL, "no"))])
    assert store.verdicts(name, "judge") == {0: Verdict(Status.FAIL, "no")}


def test_a_changed_judge_starts_anew(store: Store) -> None:
    name = stream(store)
    store.add_verdicts([(name, 0, "judge", Verdict(Status.PASS))])
    assert store.verdicts(name, "mended judge") == {}


@pytest.mark.parametrize("status", [Status.ERROR, Status.SKIP])
def test_verdicts_that_say_nothing_of_the_model_are_not_reused(store: Store, status: Status) -> None:
    name = stream(store)
    store.add_verdicts([(name, 0, "judge", Verdict(status, "why"))])
    assert store.verdicts(name, "judge") == {}


# Runs


def planned(problems: list[str], n: int = 4) -> PlannedSuite:
    plan = tuple(PlannedProblem(problem, f"What is {problem}?", "judge") for problem in problems)
    return PlannedSuite("t.py::test_quiz", "tiny", SamplingParams(), n, (1, 2), True, plan)


def test_a_run_is_listed_with_its_suites(store: Store) -> None:
    run = store.start_run(started="2026-01-01", command="pytest quiz", seed=7, version="0.1")
    assert store.runs()[0].exit is None
    suite = store.add_suite(run, planned(["a", "b"]), MODEL, [stream(store, "a"), stream(store, "b")], 3)
    assert (store.suites(run)[0].n, store.suites(run)[0].reused) == (4, 3)
    stopped = replace(planned(["a", "b"]), n=2, ks=(1,))
    store.finish_suite(suite, SuiteRecord(stopped, MODEL, (), 1, 3, 2.5, Usage()))
    store.finish_run(run, seconds=4.0, status=1)
    [listed] = store.runs()
    assert (listed.id, listed.command, listed.seed, listed.seconds, listed.exit) == (run, "pytest quiz", 7, 4.0, 1)
    [row] = store.suites(run)
    assert (row.title, row.n, row.ks, row.problems, row.reused, row.seconds) == ("quiz", 2, (1,), 2, 1, 2.5)
    assert (row.model["name"], row.sampling["temperature"]) == ("tiny", 1.0)


def test_outcomes_count_the_verdicts_of_a_run(store: Store) -> None:
    names = [stream(store, problem) for problem in "abc"]
    run = store.start_run(started="", command="", seed=0, version="")
    suite = store.add_suite(run, planned(["a", "b", "c"]), MODEL, names, 0)
    statuses = [Status.PASS, Status.TIMEOUT, Status.ERROR, Status.FAIL, Status.PASS]  # the last is not of this run
    store.add_verdicts((names[0], i, "judge", Verdict(status)) for i, status in enumerate(statuses))
    store.add_verdicts([(names[0], 3, "another judge", Verdict(Status.PASS))])
    store.add_verdicts([(names[1], 0, "judge", Verdict(Status.SKIP))])
    assert store.outcomes(suite) == [
        Outcomes("a", 4, passed=1, failed=1, timeouts=1, errors=(2,)),
        Outcomes("b", 4, skipped=True),
        Outcomes("c", 4),
    ]


def test_problems_come_with_what_there_is_of_their_samples(store: Store) -> None:
    names = [stream(store, problem, f"What is {problem}?") for problem in "ab"]
    run = store.start_run(started="", command="", seed=0, version="")
    suite = store.add_suite(run, planned(["a", "b"]), MODEL, names, 0)
    store.add_completion(replace(completion(names[0], 0), first_token=0.125, prompt_tokens=12))
    for index in (1, 4):  # the last is not of this run
        store.add_completion(completion(names[0], index))
    store.add_verdicts([(names[0], 0, "judge", Verdict(Status.PASS, "", "7", 0.5))])
    store.add_verdicts([(names[0], 2, "judge", Verdict(Status.ERROR, "lost"))])
    first, second = store.problems(suite)
    assert (first.id, first.prompt) == ("a", "What is a?")
    assert first.samples == (
        SampleRow(0, "text", 3, "stop", 0.25, -1.5, 0.125, 12, "pass", "", "7", 0.5, False),
        SampleRow(1, "text", 3, "stop", 0.25, -1.5, None, None, None, None, None, None, None),
        SampleRow(2, None, None, None, None, None, None, None, "error", "lost", None, 0.0, False),
    )
    assert (second.id, second.samples) == ("b", ())


def test_more_problems_than_one_page(store: Store) -> None:
    problems = [f"p{i}" for i in range(1101)]
    names = store.add_streams([{"problem": problem, "prompt": ""} for problem in problems])
    suite = store.add_suite(1, planned(problems), MODEL, names, 0)
    assert [problem.id for problem in store.problems(suite)] == problems
    assert [problem.id for problem in store.problems(suite, "p1100")] == ["p1100"]
    assert list(store.problems(suite, "p1101")) == []


def test_writing_goes_on_while_problems_are_read(store: Store, path: Path) -> None:
    names = [stream(store, problem) for problem in "ab"]
    suite = store.add_suite(1, planned(["a", "b"]), MODEL, names, 0)
    reading = store.problems(suite)
    next(reading)
    other = Store(path)
    other.start_run(started="", command="", seed=0, version="")
    other.close()
    store.add_verdicts([(names[1], 0, "judge", Verdict(Status.PASS))])
    assert [sample.status for sample in next(reading).samples] == ["pass"]


# Processes and threads

WRITER = """
import sys
from pathlib import Path
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.store import Store

path, problem, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(path)
name, shared = store.add_streams([{"problem": problem}, {"problem": "shared"}])
print("ready", flush=True)
sys.stdin.readline()
for index in range(count):
    store.add_completion(Completion(name, index, problem * 50, 1, FinishReason.STOP, 0.1))
    store.add_completion(Completion(shared, index, problem, 1, FinishReason.STOP, 0.1))
    store.add_verdicts([(name, index, "judge", Verdict(Status.PASS))])
    print(index, flush=True)
store.close()
"""


def writer(path: Path, problem: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), problem, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def start(*writers: subprocess.Popen[str]) -> None:
    """Let the writers go when all of them have opened the store."""
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def test_two_processes_may_make_and_fill_a_store_at_once(path: Path) -> None:
    with writer(path, "a", 200) as first, writer(path, "b", 200) as second:
        start(first, second)
        assert [process.wait() for process in (first, second)] == [0, 0]
    store = Store(path)
    names = [stream_of(store, problem) for problem in ("a", "b", "shared")]
    assert [len(found) for found in store.completions(names, 200).values()] == [200, 200, 200]
    assert {completion.text for completion in store.completions(names[2:], 200)[names[2]].values()} <= {"a", "b"}
    assert [len(store.verdicts(name, "judge")) for name in names] == [200, 200, 0]
    store.close()


def stream_of(store: Store, problem: str) -> str:
    return store.add_streams([{"problem": problem}])[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_loses_nothing_that_it_had_kept(path: Path) -> None:
    with writer(path, "a", 100_000) as process:
        start(process)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    store = Store(path)
    name = stream_of(store, "a")
    assert set(told) <= set(store.completions([name], 100_000)[name])
    assert set(told) <= set(store.verdicts(name, "judge"))
    store.close()


def test_threads_may_share_a_store(store: Store) -> None:
    names = [stream(store, problem) for problem in "abcd"]

    def fill(name: str) -> int:
        for index in range(100):
            store.add_completion(completion(name, index))
            store.add_verdicts([(name, index, "judge", Verdict(Status.PASS))])
        return len(store.completions(names, 100)[name])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fill, names)) == [100] * 4


def test_many_may_make_one_store_at_once(tmp_path: Path) -> None:
    together = Barrier(8)

    def make(path: Path) -> None:
        together.wait()
        Store(path).close()

    with ThreadPoolExecutor(8) as pool:
        for attempt in range(20):
            list(pool.map(make, [tmp_path / f"{attempt}.sqlite"] * 8))


def test_a_reader_does_not_stop_the_writers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    store = Store(path)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchall()
    store.start_run(started="", command="", seed=0, version="")
    reader.close()
    store.close()


def test_a_store_that_stays_locked_is_named(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    waiting = Store(path)
    with schema.transaction(store._connection), pytest.raises(StoreError, match=r"locked: another run holds the store"):
        waiting.start_run(started="", command="", seed=0, version="")
    waiting.close()


# Files that are no store, and disks that are full


def test_a_missing_store_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent.store\.sqlite: there is no store yet: run a suite with pytest first"):
        Store(tmp_path / "absent" / "store.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_a_store_to_write_and_none_to_read(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="an empty file"):
        Store(path, create=False)
    assert path.stat().st_size == 0
    store = Store(path)
    assert store.runs() == []
    store.close()


def test_a_newer_store_asks_for_a_newer_version(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=r"store\.sqlite: .*schema 6.*reads up to 5: upgrade pytest-passatk"):
        Store(path)


def test_a_store_of_schema_3_is_brought_up_and_keeps_its_runs(path: Path) -> None:
    store = Store(path)
    run = store.start_run(started="", command="", seed=0, version="")
    store.add_suite(run, replace(planned(["a"]), verifier="digest"), MODEL, [stream(store, "a")], 0)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE run_suites DROP COLUMN verifier")
        connection.execute("ALTER TABLE run_suites DROP COLUMN repeat")
        connection.execute("ALTER TABLE run_problems DROP COLUMN row")
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    store = Store(path)
    [suite] = store.suites(run)
    assert (suite.title, suite.verifier, suite.repeat) == ("quiz", None, 0)
    assert store.sources(suite.id) == [SourceRow("a", "What?", None)]
    plan = replace(planned(["b"]), verifier="of today")
    plan = replace(plan, problems=tuple(replace(problem, row="of b") for problem in plan.problems))
    number = store.add_suite(run, plan, MODEL, [stream(store, "b", "And?")], 0)
    assert [suite.verifier for suite in store.suites(run)] == [None, "of today"]
    assert store.sources(number) == [SourceRow("b", "And?", "of b")]
    store.close()


@pytest.mark.parametrize("version", [0, 1, 99])
def test_the_file_of_another_program_stays_untouched(path: Path, version: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (thing)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"store\.sqlite: an SQLite file, but no store of pytest-passatk: name another"
    ):
        Store(path)
    assert path.read_bytes() == before


def test_a_text_file_is_no_store(path: Path) -> None:
    path.write_text("Dear diary, " * 200)
    with pytest.raises(
        StoreError, match=r"store\.sqlite: not a readable store .*: move the file away, or name another"
    ):
        Store(path)
    assert path.read_text() == "Dear diary, " * 200


def test_a_corrupt_store_says_so(path: Path) -> None:
    store = Store(path)
    name = stream(store)
    for index in range(500):
        store.add_completion(completion(name, index, "text " * 50))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xa5" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    store = Store(path)
    with pytest.raises(StoreError, match=r"store\.sqlite: not a readable store \(.*malformed\): move the file away"):
        store.completions([stream(store)], 500)
    store.close()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a folder, not a store: name another file"):
        Store(tmp_path)


def test_a_store_below_a_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # a folder without permissions would not stop root
    with pytest.raises(StoreError, match=r"store\.sqlite: .*file.*: name another file"):
        Store(tmp_path / "file" / "store.sqlite")


def test_a_full_disk_keeps_what_was_kept(store: Store, path: Path) -> None:
    """The limit on the file's pages makes SQLite fail as a full disk does (SQLITE_FULL), on every system."""
    name = stream(store)
    store._connection.execute("PRAGMA max_page_count = 40")
    kept: list[int] = []

    def fill() -> None:
        while True:
            kept.append(store.add_completion(completion(name, len(kept), "x" * 500)).index)

    with pytest.raises(StoreError, match=r"store\.sqlite: .*disk is full: free some space and repeat the command"):
        fill()
    batch = [(name, index, "judge", Verdict(Status.FAIL, "y" * 500)) for index in range(1000)]
    with pytest.raises(StoreError, match="disk is full"):
        store.add_verdicts(batch)
    assert store.verdicts(name, "judge") == {}, "all of a batch, or nothing of it"
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.add_verdicts(batch)
    store.close()
    again = Store(path)
    assert sorted(again.completions([stream(again)], 10_000)[name]) == kept
    assert len(again.verdicts(name, "judge")) == 1000
    again.close()


def test_names_of_files_may_hold_what_uris_reserve(tmp_path: Path) -> None:
    path = tmp_path / "50% #1?.sqlite"
    Store(path).close()
    assert path.is_file()
    Store(path, create=False).close()
