"""Baseline files: what is written is read, and what is damaged is refused with its place."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.baselines.file import read, write
from pytest_passatk.baselines.names import check_name, file_of
from pytest_passatk.baselines.places import Places
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.gate.comparability import find_differences
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement, Pace
from pytest_passatk.gate.measuring import measure
from pytest_passatk.store import Store

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates, too
FIGURES = st.dictionaries(st.sampled_from(["tokens/s", "latency_p50"]), st.floats(0, 1e6, allow_nan=False))
PLAIN = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2), max_size=3)


def as_json_has_it(text: str) -> str:
    """Two surrogates that make a pair are one sign in JSON, in whatever way they came together."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    seeds = draw(st.lists(st.integers(), min_size=1, max_size=3, unique=True))
    pace = st.none() | st.builds(Pace, TEXT, FIGURES)
    runs = tuple(
        MeasuredRun(draw(TEXT), seed, draw(TEXT), draw(st.dictionaries(TEXT, TEXT, max_size=2)), draw(pace))
        for seed in seeds
    )
    names = sorted(set(map(as_json_has_it, draw(st.lists(TEXT, max_size=5)))))
    problems = tuple(draw(_problem(name, len(runs))) for name in names)
    note = st.none() | TEXT
    return Measurement("it", draw(TEXT), draw(PLAIN), draw(PLAIN), draw(note), draw(note), runs, problems)


@st.composite
def _problem(draw: st.DrawFn, name: str, runs: int) -> Measured:
    sizes = [draw(st.integers(1 if i == 0 else 0, 9)) for i in range(runs)]
    counts = tuple((n, draw(st.integers(0, n))) for n in sizes)
    n, c = (sum(side) for side in zip(*counts, strict=True))
    return Measured(name, n, c, draw(st.none() | TEXT), draw(st.none() | TEXT), counts if runs > 1 else ())


RUN = MeasuredRun("key", 11, "2026-01-01T00:00:00+00:00", {"pytest-passatk": "0.1"})
MEASUREMENT = Measurement(
    "main", "quiz", {"name": "tiny"}, {"temperature": 1.0}, "abc", None, (RUN,),
    (Measured("a", 8, 3, "r1", "p1"), Measured("b", 8, 8, "r2", "p2"), Measured("c", 4, 0, "r3", "p3")),
)  # fmt: skip
POOLED = replace(
    MEASUREMENT,
    runs=(RUN, replace(RUN, seed=12)),
    problems=(Measured("a", 32, 9, "r1", "p1", ((8, 3), (24, 6))), Measured("b", 8, 8, "r2", "p2", ((0, 0), (8, 8)))),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quiz.jsonl"


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(path, "main")
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# What goes in comes out


@given(measurements())
def test_what_is_written_is_read(measurement: Measurement) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.jsonl")
        write(path, measurement)
        found = read(path, "it")
        content = path.read_bytes()
        write(path, found)
        assert path.read_bytes() == content
    assert found.problems == tuple(
        replace(p, row=p.row and as_json_has_it(p.row), prompt=p.prompt and as_json_has_it(p.prompt))
        for p in measurement.problems
    )
    assert [(run.seed, run.pace and dict(run.pace.figures)) for run in found.runs] == [
        (run.seed, run.pace and dict(run.pace.figures)) for run in measurement.runs
    ]


@pytest.mark.parametrize("measurement", [MEASUREMENT, POOLED, replace(MEASUREMENT, problems=())])
def test_all_of_a_measurement_is_kept(path: Path, measurement: Measurement) -> None:
    write(path, measurement)
    assert read(path, "main") == measurement


def test_a_file_is_lines_that_a_person_can_review(path: Path) -> None:
    write(path, POOLED)
    header, *lines = path.read_bytes().decode().split("\n")
    assert list(json.loads(header)) == [
        "schema", "title", "problems", "model", "sampling", "verifier", "revision", "runs",
    ]  # fmt: skip
    assert lines == [
        '{"id": "a", "n": 32, "c": 9, "row": "r1", "prompt": "p1", "runs": [[8, 3], [24, 6]]}',
        '{"id": "b", "n": 8, "c": 8, "row": "r2", "prompt": "p2", "runs": [[0, 0], [8, 8]]}',
        "",
    ]


def test_one_count_changes_one_line(path: Path) -> None:
    write(path, MEASUREMENT)
    before = path.read_text().splitlines()
    write(path, replace(MEASUREMENT, problems=(replace(MEASUREMENT.problems[0], c=4), *MEASUREMENT.problems[1:])))
    assert [i for i, (a, b) in enumerate(zip(before, path.read_text().splitlines(), strict=True)) if a != b] == [1]


@pytest.mark.parametrize("name", ["lone \ud800", "nul \0", "two\nlines", "sep \u2028 \x85", "ü 😀", '"quoted" \\ud800'])
def test_ids_may_hold_any_text(path: Path, name: str) -> None:
    write(path, replace(MEASUREMENT, problems=(Measured(name, 8, 1, "r", "p"),)))
    assert [problem.id for problem in read(path, "main").problems] == [name]


def test_line_ends_of_windows_are_read(path: Path) -> None:
    write(path, MEASUREMENT)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(path, "main") == MEASUREMENT


def test_what_a_later_version_adds_is_left_alone(path: Path) -> None:
    write(path, MEASUREMENT)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header[:-1] + ', "later": 1}', *(f'{line[:-1]}, "more": []}}' for line in lines), ""]))
    assert read(path, "main") == MEASUREMENT


# What is damaged


@pytest.mark.parametrize("measurement", [MEASUREMENT, POOLED])
def test_a_file_cut_anywhere_is_refused(path: Path, measurement: Measurement) -> None:
    write(path, measurement)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        refused(path, "version control again, or make it anew with --passatk-save")


def edited(path: Path, line: int, old: str, new: str) -> None:
    write(path, MEASUREMENT)
    lines = path.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("line", "old", "new", "words"),
    [
        (1, '"schema": 1', '"schema": 2', ["schema 2", "reads up to 1", "upgrade pytest-passatk"]),
        (1, '"schema": 1', '"schema": "1"', ['schema is "1"', "no whole number"]),
        (1, '"schema": 1, ', "", ["schema is missing"]),
        (1, '"runs": [', '"runs": [], "was": [', ["runs is empty"]),
        (1, '"seed": 11', '"seed": 11.5', ["seed is 11.5"]),
        (1, '"problems": 3', '"problems": 4', [":4: the file has 3 problems, and its header promises 4"]),
        (1, '"temperature": 1.0', '"temperature": NaN', ["not JSON (NaN"]),
        (2, '"id": "a"', '"id": 7', ["id is 7, which is no text"]),
        (2, '"n": 8', '"n": 0', ["problem a: n is 0"]),
        (2, '"n": 8', '"n": true', ["problem a: n is true"]),
        (3, '"c": 8', '"c": 9', ["problem b: c=9 right of n=8"]),
        (3, '"c": 8', '"c": -1', ["problem b: c is -1"]),
        (3, '"id": "b"', '"id": "a"', ["problem a: there twice"]),
        (4, '"id": "c"', '"id": "aa"', ["problem aa: out of order", "before b"]),
        (3, '"prompt"', '"runs": [[4, 4], [4, 4]], "prompt"', ["problem b: counts of 2 runs", "header has 1"]),
        (3, '"prompt"', '"runs": [[8, 7]], "prompt"', ["problem b: the counts of its runs do not add up to n=8, c=8"]),
        (3, '"prompt"', '"runs": [[8]], "prompt"', ["problem b: the counts of a run are [8]"]),
        (3, '{"id"', '<<<<<<< HEAD {"id"', ["an unresolved merge conflict"]),
        (3, '{"id"', '[{"id"', ["not JSON"]),
    ],
)
def test_a_damaged_line_is_named(path: Path, line: int, old: str, new: str, words: list[str]) -> None:
    edited(path, line, old, new)
    refused(path, *([] if words[0].startswith(":") else [f":{line}: "]), *words)


def test_runs_of_one_seed_are_refused(path: Path) -> None:
    write(path, replace(POOLED, runs=(RUN, RUN)))
    refused(path, "two runs have one seed", "11, 11")


def test_a_problem_without_counts_of_runs_is_all_of_the_first(path: Path) -> None:
    write(path, replace(POOLED, problems=(Measured("a", 8, 3, "r1", "p1", ((8, 3), (0, 0))),)))
    assert path.read_text().splitlines()[1] == '{"id": "a", "n": 8, "c": 3, "row": "r1", "prompt": "p1"}'
    assert [problem.runs for problem in read(path, "main").problems] == [((8, 3), (0, 0))]


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    refused(path, "not UTF-8")


def test_a_file_that_is_not_there_is_refused(path: Path) -> None:
    refused(path, "No such file")


def test_a_failed_write_leaves_the_file_as_it_was(path: Path) -> None:
    write(path, MEASUREMENT)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(path, replace(MEASUREMENT, problems=(), sampling={"temperature": float("nan")}))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


# Names and places


@pytest.mark.parametrize("name", ["main", "7B-instruct", "v1.2", "größe", "a b"])
def test_names_that_folders_can_have(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "..", ".main", "12", "last", "x.jsonl", "a\nb", "a:b", " a"])
def test_names_that_mean_something_else(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a baseline"):
        check_name(name)


def test_titles_become_names_of_files() -> None:
    assert [file_of("aime"), file_of("aime@a/lora"), file_of("50%")] == [
        "aime.jsonl",
        "aime@a%2Flora.jsonl",
        "50%25.jsonl",
    ]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "baselines", None)
    places.write("main", MEASUREMENT)
    places.write("main", replace(MEASUREMENT, title="other@a/lora"))
    places.write("nightly", POOLED)
    return places


def test_a_baseline_is_found_by_name_folder_and_file(places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "baselines" / "main"
    for place in ("main", str(folder), str(folder / "quiz.jsonl")):
        assert places.find(place, "quiz") == replace(MEASUREMENT, label=place)
    assert places.titles("main") == ("other@a/lora", "quiz")
    assert places.names() == ["main", "nightly"]


def test_an_arm_takes_the_baseline_of_its_suite(places: Places) -> None:
    assert places.get("main", "quiz@epoch-1") == replace(MEASUREMENT, title="quiz@epoch-1")
    assert places.get("main", "other@a/lora").title == "other@a/lora"
    assert places.read("main", "quiz@epoch-1") is None


def test_what_is_not_there_is_named_with_what_is(places: Places, tmp_path: Path) -> None:
    for place, title, words in (
        ("mian", "quiz", "no baseline 'mian' in .*near to it: main; make it with --passatk-save mian"),
        ("main", "quit", "baseline main has no suite 'quit': near to it: quiz; .*--passatk-save main"),
        ("zzz", "quiz", "there is main, nightly"),
        (str(tmp_path / "none"), "quiz", "there is no baseline file"),
        ("last", "quiz", "there is no store"),
    ):
        with pytest.raises(UsageError, match=words):
            places.find(place, title)
    assert places.find("new", "quiz", required=False) is None
    with pytest.raises(UsageError, match="to be updated is a baseline, by its name"):
        places.find("3", "quiz", required=False)


def test_a_file_of_another_suite_is_not_taken(places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "baselines" / "main"
    (folder / "third.jsonl").write_bytes((folder / "quiz.jsonl").read_bytes())
    with pytest.raises(UsageError, match=r"third\.jsonl:1: it is of suite quiz"):
        places.find("main", "third")
    with pytest.raises(UsageError, match="has no suite 'third'"):
        places.find(str(folder / "quiz.jsonl"), "third")


# Runs of the store

MODEL = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none", {"numpy": "2"})


def add_run(store: Store, planned: PlannedSuite, letters: dict[str, str], status: int | None = 0) -> int:
    streams = store.add_streams(
        [{"problem": p.id, "prompt": p.prompt, "run": planned.verifier} for p in planned.problems]
    )
    run = store.start_run(started="2026-01-01", command="pytest", seed=11, version="0.1")
    store.add_suite(run, planned, MODEL, streams, 0)
    for name, problem in zip(streams, planned.problems, strict=True):
        for index, letter in enumerate(letters[problem.id]):
            verdict = Verdict({"P": Status.PASS, "F": Status.FAIL, "E": Status.ERROR, "S": Status.SKIP}[letter])
            store.add_completion(Completion(name, index, "text", 3, FinishReason.STOP, 0.1))
            store.add_verdicts([(name, index, problem.judge, verdict)])
    if status is not None:
        store.finish_run(run, seconds=1.0, status=status)
    return run


def planned(*names: str, title: str = "quiz") -> PlannedSuite:
    problems = tuple(PlannedProblem(name, f"What is {name}?", f"judge {name}", f"{name}{'0' * 31}") for name in names)
    return PlannedSuite(
        f"t.py::test_{title}", "tiny", SamplingParams(stop=("\n",)), 2, (1, 2), True, problems, verifier="f" * 32
    )


def test_a_stored_run_measures_what_it_measured_when_it_ran(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    suite = planned("b", "a", "e", "s", "m")
    run = add_run(store, suite, {"a": "PF", "b": "PP", "e": "PE", "s": "S", "m": "P"})
    places = Places(tmp_path, store)
    found = places.get(str(run), "quiz")
    assert [(p.id, p.n, p.c) for p in found.problems] == [("a", 2, 1), ("b", 2, 2)]
    assert places.unmeasured(str(run), "quiz") == ("e", "m")
    live = measure(
        SuiteRecord(suite, MODEL, (), 0, 0, 0.0, drawn=None),  # type: ignore[arg-type]  # no problem, no usage
        label=found.label, seed=11, started="2026-01-01", version="0.1",
    )  # fmt: skip
    assert replace(found, problems=()) == live
    assert find_differences(found, found).incomparable == ()
    store.close()


def test_the_last_run_is_the_last_that_finished_with_the_suite(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    places = Places(tmp_path, store)
    with pytest.raises(UsageError, match="no finished run of quiz"):
        places.get("last", "quiz")
    add_run(store, planned("a"), {"a": "PF"}, status=1)
    add_run(store, planned("a", title="other"), {"a": "PF"})
    add_run(store, planned("a"), {"a": "PP"}, status=2)  # interrupted
    add_run(store, planned("a"), {"a": "PP"}, status=None)  # still going on
    assert places.get("last", "quiz").label == "run 1"
    assert places.get("last", "quiz@epoch-1").label == "run 1"
    assert places.titles("last") == ("other",)
    with pytest.raises(UsageError, match=r"no run 9 in .*it has runs 1 to 4"):
        places.get("9", "quiz")
    with pytest.raises(UsageError, match="run 2 has no suite 'quiz': there is other"):
        places.get("2", "quiz")
    store.close()


def test_a_run_of_an_older_store_notes_nothing_and_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    suite = planned("a")
    old = replace(suite, verifier="", problems=tuple(replace(problem, row="") for problem in suite.problems))
    add_run(store, old, {"a": "PF"})
    add_run(store, suite, {"a": "PF"})
    places = Places(tmp_path, store)
    reasons = "\n".join(find_differences(places.get("1", "quiz"), places.get("2", "quiz")).incomparable)
    assert "the row of 1 problem (a)" in reasons
    assert "the verifier is not noted in run 1 and ffffffffffff in run 2" in reasons
    store.close()
