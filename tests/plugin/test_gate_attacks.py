"""What users, machines and merges do to a gate: it is never green by accident, and red only with a cause."""

import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest
from sessions import HEADER, Sessions

from pytest_passatk.harness import verifier

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


@pytest.mark.parametrize("ends", ["pytest.skip('no service')", "pytest.xfail('no service')"])
def test_a_fixture_that_skips_the_suite_is_refused(sessions: Sessions, ends: str) -> None:
    save(sessions, SERVED + OTHER)
    sessions.write(SERVED.replace("return 1", ends) + OTHER)
    result = sessions.run(*COMPARE, "--passatk-allow-change", "verifier")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stdout if sessions.workers else result.stderr).fnmatch_lines(["*a fixture skips*no service*"])


def test_a_broken_fixture_of_a_suite_that_may_fail_is_refused(alone: Sessions) -> None:
    save(alone, SERVED)
    alone.write(SERVED.replace("return 1", "return 1 / 0").replace("@suite", "@pytest.mark.xfail\n@suite"))
    assert alone.run(*COMPARE, "--passatk-allow-change", "verifier").ret == pytest.ExitCode.USAGE_ERROR


def test_a_fixture_beside_the_suite_is_a_part_of_the_verifier(sessions: Sessions) -> None:
    save(sessions, SERVED)
    sessions.write(SERVED.replace("return 1", "return 2"))
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.USAGE_ERROR


CONFTEST = """
import os
import pytest
from rules import RIGHT
@pytest.fixture(scope="session", autouse=True)
def environment():
    os.environ["FAKE_RIGHT"] = RIGHT
"""


def test_a_fixture_that_applies_by_itself_is_a_part_of_the_verifier(sessions: Sessions) -> None:
    sessions.write(CONFTEST, "conftest.py")
    sessions.write('RIGHT = "7"', "rules.py")
    save(sessions, FAKE)
    sessions.write("# Rules.\n" + CONFTEST.replace("\n", "\r\n"), "conftest.py")
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.OK
    sessions.write('RIGHT = "8"', "rules.py")
    assert sessions.run(*COMPARE).ret == pytest.ExitCode.USAGE_ERROR


def test_where_this_package_is_installed_changes_no_verifier(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    save(alone, SERVED.replace("service)", "service, sandbox)"))
    monkeypatch.setattr(verifier, "INSTALLED", (*verifier.INSTALLED, Path(verifier.__file__).parents[1]))
    assert alone.run(*COMPARE).ret == pytest.ExitCode.OK


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


def test_a_gate_that_passes_again_is_no_last_failure(sessions: Sessions) -> None:
    save(sessions, FAKE)
    assert sessions.run(*COMPARE, "--adapter", "+7").ret == pytest.ExitCode.TESTS_FAILED
    assert sessions.run(*COMPARE, "--adapter", "+7", "--lf").ret == pytest.ExitCode.TESTS_FAILED
    assert sessions.run(*COMPARE, "--lf").ret == pytest.ExitCode.OK
    sessions.run(*COMPARE, "--lf").stdout.no_fnmatch_line("*known failure*")
    cached = sessions.pytester.path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    assert not cached.exists() or cached.read_text() == "{}"


SLOW = FAKE + OTHER.replace("{says}", "{says}|{says}")  # other prompts, so that their samples are drawn, too


def wait_for(condition: Callable[[], bool]) -> None:
    end = monotonic() + 60
    while not condition():
        assert monotonic() < end
        sleep(0.02)


def test_an_interrupted_run_keeps_nothing_of_suites_that_were_done(sessions: Sessions) -> None:
    sessions.write(SLOW)
    process = sessions.start("--passatk-save", "main", FAKE_DELAY="0.02")
    wait_for(lambda: len(sessions.log) > 160)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert not (sessions.pytester.path / "baselines").exists()


def test_a_run_that_breaks_in_one_suite_keeps_nothing_of_the_others(sessions: Sessions) -> None:
    sessions.write(FAKE + OTHER.replace("assert", "assert 1 / 0 and"))
    assert sessions.run("--passatk-save", "main").ret == pytest.ExitCode.TESTS_FAILED
    assert not (sessions.pytester.path / "baselines").exists()


def test_a_place_that_cannot_be_looked_at_is_refused(alone: Sessions) -> None:
    alone.write(FAKE)
    alone.pytester.mkdir("baselines")
    for place in ("--passatk-compare", "--passatk-save"):
        result = alone.run(place, "x" * 300)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*xxx*: cannot be read: *"])
    assert alone.log == []
