"""Suites whose rows come from elsewhere: the user's files reach every process, and so do parameters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import HEADER, MakeSessions, Sessions

ROOT = Path(__file__).parents[2]
ROWS = [{"id": f"p{number}", "says": f"{number}", "answer": str(number)} for number in range(1, 6)]
SUITE = f"""{HEADER}
from dataclasses import replace
from pytest_passatk.datasets import HubRows

SOURCE = HubRows("org/name", "numbers", ("says", "answer"), commit={"0" * 40!r})

def rows(parameters):
    return replace(SOURCE, reshape=lambda row, number: row | {{"says": row["says"] + parameters["tail"]}})

@suite(rows, prompt="{{says}}", extract=lambda text: text or None, n=2, model="fake_model:load",
       parameters={{"tail": "", "mood": "plain"}}, stop=lambda parameters: [parameters["mood"]])
def test_numbers(problem, completion):
    assert completion.answer == problem.answer
    assert problem["mood"] in ("plain", "other")
"""
SPAWN = ("--passatk-judge-start", "spawn", "--passatk-judges", "1")


@pytest.fixture
def data(sessions: Sessions) -> Path:
    return prepare(sessions)


def prepare(sessions: Sessions) -> Path:
    """The suite, and a folder with its rows."""
    sessions.write(SUITE)
    folder = sessions.pytester.mkdir("data")
    (folder / "numbers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


def test_rows_come_from_a_folder_or_a_file(sessions: Sessions, data: Path) -> None:
    for place in (data, data / "numbers.jsonl"):
        sessions.run("--passatk-data", str(place)).assert_outcomes(passed=5)
        assert sessions.counts() == {row["id"]: (2, 2) for row in ROWS}
        revision = sessions.report["suites"][0]["revision"]
        assert revision.startswith("numbers.jsonl sha256:")
        assert revision.endswith(" tail= mood=plain")
    assert len(sessions.log) == 10  # the same rows, so that the samples are, too


def test_rows_come_from_the_folder_that_a_variable_names(
    sessions: Sessions, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSATK_DATA", str(data))
    monkeypatch.setenv("PASSATK_PARAM", "tail=|0\nmood=other\n")
    sessions.run().assert_outcomes(passed=5)
    assert sessions.counts() == {row["id"]: (2, 1) for row in ROWS}
    assert sessions.report["suites"][0]["revision"].endswith(" tail=|0 mood=other")
    assert sessions.report["suites"][0]["sampling"]["stop"] == ["other"]


@pytest.mark.parametrize(
    ("limit", "ids"), [("2", ["p1", "p2"]), ("2-4", ["p2", "p3", "p4"]), ("5-9", ["p5"]), ("3-3", ["p3"])]
)
def test_a_limit_is_a_number_or_a_span(sessions: Sessions, data: Path, limit: str, ids: list[str]) -> None:
    sessions.run("--passatk-data", str(data), "--limit", limit).assert_outcomes(passed=len(ids))
    assert list(sessions.counts()) == ids


@pytest.mark.parametrize("how", [SPAWN, ("--passatk-inline",)], ids=["spawn", "inline"])
def test_judges_get_the_rows_and_parameters_of_the_session(
    make_sessions: MakeSessions, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = make_sessions(0)
    prepare(alone)
    monkeypatch.setenv("PASSATK_DATA", "nowhere")  # the command line wins in a judge's process, too
    arguments = ("--passatk-data", "data", "--passatk-param", "tail=|0", "--passatk-param", "mood=other")
    alone.run(*arguments, "--limit", "2-3", *how).assert_outcomes(passed=2)
    assert alone.counts() == {"p2": (2, 1), "p3": (2, 1)}


def test_spawned_judges_take_changed_rows_where_the_session_does(alone: Sessions) -> None:
    folder = prepare(alone)
    alone.write(SUITE.replace("commit=", "digest='sha256:0', commit="))
    assert alone.run("--passatk-data", str(folder), *SPAWN).ret == 4
    changed = ("--passatk-allow-change", "rows")
    alone.run("--passatk-data", str(folder), *changed, *SPAWN).assert_outcomes(passed=5)
    assert alone.counts() == {row["id"]: (2, 2) for row in ROWS}


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "parameter": (
        ("--passatk-param", "year=1"),
        "test_suite.py: test_numbers: the suite has no parameter 'year'; it has tail=, mood=plain",
    ),
    "no value": (("--passatk-param", "tail"), "--passatk-param=tail: must be name=value"),
    "no name": (("--passatk-param", "=1"), "--passatk-param==1: must be name=value"),
    "beyond": (("--limit", "6-9"), "test_suite.py: test_numbers: the suite has no rows from the 6th on: give --limit"),
    "down": (("--limit", "4-2"), "--limit=4-2: must go up, 2 comes before 4"),
    "from 0": (("--limit", "0-2"), "--limit=0-2: must be at least 1"),
    "word": (("--limit", "a-2"), "--limit=a-2: "),
    "change": (("--passatk-allow-change", "words"), "--passatk-allow-change=words: must be one of rows, prompt, "),
    "column": (("--passatk-data", "bad.csv"), "bad.csv: row 1 lacks the columns says; it has id, answer"),
    "torn": (("--passatk-data", "torn.jsonl"), "torn.jsonl:2: not JSON"),
    "digest": ((), "data/numbers.jsonl: these are not the rows that the suite was made for: 1 are missing (p6);"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_one_message(sessions: Sessions, data: Path, case: str) -> None:
    arguments, message = REFUSED[case]
    sessions.write("id,answer\np1,1\n", "bad.csv")
    sessions.write(json.dumps(ROWS[0]) + '\n{"id": ', "torn.jsonl")
    if case == "digest":
        ids = tuple(f"p{number}" for number in range(1, 7))
        sessions.write(SUITE.replace("commit=", f"digest='sha256:0', ids={ids}, commit="))
    result = sessions.run(*(() if "--passatk-data" in arguments else ("--passatk-data", str(data))), *arguments)
    output = "\n".join(result.outlines + result.errlines)
    assert output.count(message) == 1, output
    assert "Traceback" not in output
    assert result.ret == 4
    assert sessions.log == []


def test_a_parameter_may_not_hide_a_column(alone: Sessions) -> None:
    alone.write(f"{HEADER}@suite([{{'a': 1}}], prompt='x', parameters={{'a': '2'}}, model='tiny')\n"
                "def test_it(problem, completion):\n    pass\n")  # fmt: skip
    result = alone.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*test_it: row 0 has a column 'a', and so is a parameter called: rename one"])


def offline(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PASSATK_", "HF_"))}
    return {**kept, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}


def test_rows_that_nobody_has_are_one_error_and_other_suites_are_still_collected(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--passatk-check", "-p", "no:cacheprovider", "suites"],
        cwd=ROOT, env=offline(tmp_path), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 4, done.stdout
    assert "suites/arithmetic/test_arithmetic.py::test_arithmetic[add-1-001]" in done.stdout
    assert "Traceback" not in done.stdout
    for name, place, file in (
        ("aime", "math-ai/aime25@563bb", "aime_2025.jsonl"),
        ("math500", "HuggingFaceH4/MATH-500@main", "math_500.jsonl"),
        ("gsm8k", "openai/gsm8k@cc7b0", "gsm8k_test.jsonl"),
        ("gpqa", "Idavidrein/gpqa@5233c", "gpqa_diamond.jsonl"),
    ):
        [message] = [line for line in done.stdout.splitlines() if f"test_{name}.py: test_{name}: {place}" in line]
        assert "neither from the Hub nor from its cache" in message
        for remedy in (f"Put {file}", "PASSATK_DATA", "HF_HOME", "HF_ENDPOINT"):
            assert remedy in message
    assert "test_custom.py: test_custom: prompt, answer, verifier must be given" in done.stdout


def test_rows_that_could_not_be_judged_are_refused_before_anything_is_sampled(
    alone: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_passatk.verifiers.workers.LIBRARY", "no_such_library")
    file = alone.pytester.path / "rows.jsonl"
    file.write_text('{"question": "1", "answer": "1"}\n')
    chosen = [f"--passatk-param={name}" for name in ("prompt={question}", "answer=answer", "verifier=math")]
    result = alone.run(
        str(ROOT / "suites" / "custom"), "--passatk-data", str(file), *chosen, "--model", "fake_model:load"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*needs no_such_library*pytest-passatk[[]math[]]*"])
    assert alone.log == []
