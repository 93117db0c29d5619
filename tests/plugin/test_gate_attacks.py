"""What users, machines and merges do to a gate: it is never green by accident, and red only with a cause."""

import pytest
from sessions import HEADER, Sessions

ROWS = 'ROWS = [{"id": f"p{i:02}", "says": "7|8" if i % 2 else "7", "answer": "7"} for i in range(16)]\n'
BODY = """
@suite(ROWS, prompt="{says}", n=8, model="fake_arms:load")
def test_fake(problem, completion):
    assert completion.text == problem.answer
"""
FAKE = HEADER + ROWS + BODY
FIXTURE = """
import pytest
@pytest.fixture(scope="session")
def service():
    return 1
"""
SERVED = HEADER + ROWS + FIXTURE + BODY.replace("completion)", "completion, service)")
OTHER = BODY.replace("test_fake", "test_other")
COMPARE = ("--passatk-compare", "main")


def save(sessions: Sessions, source: str) -> None:
    sessions.write(source)
    assert sessions.run("--passatk-save", "main").ret == 0


def test_a_gate_without_a_name_is_refused(sessions: Sessions) -> None:
    sessions.write(FAKE)
    assert sessions.run("--passatk-compare", "").ret == pytest.ExitCode.USAGE_ERROR
    assert sessions.log == []


@pytest.mark.parametrize("gate", [("--passatk-compare-fail", "pass@1:3pp"), ("--passatk-strict",)])
def test_a_gate_on_nothing_is_refused(alone: Sessions, gate: tuple[str, ...]) -> None:
    alone.write(FAKE)
    assert alone.run(*gate).ret == pytest.ExitCode.USAGE_ERROR
    assert alone.run(*gate, "--adapter", "base,+").ret == pytest.ExitCode.OK, "arms compare with each other"


def test_a_gate_in_an_ini_file_waits_for_a_baseline(alone: Sessions) -> None:
    alone.pytester.makeini("[pytest]\npassatk_compare_fail = pass@1:3pp")
    alone.write(FAKE)
    assert alone.run().ret == pytest.ExitCode.OK


def test_a_fixture_that_skips_the_suite_is_refused(sessions: Sessions) -> None:
    save(sessions, SERVED + OTHER)
    sessions.write(SERVED.replace("return 1", "pytest.skip('no service')") + OTHER)
    result = sessions.run(*COMPARE, "--passatk-allow-change", "verifier")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stdout if sessions.workers else result.stderr).fnmatch_lines(["*a fixture skips*no service*"])


def test_a_fixture_beside_the_suite_is_a_part_of_the_verifier(sessions: Sessions) -> None:
    save(sessions, SERVED)
    sessions.write(SERVED.replace("return 1", "return 2"))
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.USAGE_ERROR


def test_suites_that_are_not_compared_are_named(alone: Sessions) -> None:
    save(alone, FAKE + OTHER)
    alone.write(FAKE)
    result = alone.run(*COMPARE)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*not compared: other of main*"])
    alone.write(FAKE + OTHER)
    alone.run(*COMPARE).stdout.no_fnmatch_line("*not compared*")


def test_functions_in_rows_are_what_they_say(sessions: Sessions) -> None:
    source = FAKE.replace('"answer": "7"', '"answer": "7", "accepts": lambda text: text == "7"')
    save(sessions, source)
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.OK
    sessions.write(source.replace('text == "7"', 'text == "8"'))
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.USAGE_ERROR
