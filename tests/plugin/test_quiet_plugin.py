"""A session without suites: nothing imported, nothing written, nothing said."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import LEAN, SUITE, MakeSessions, Sessions

PLAIN = "def test_plain():\n    assert True\n\ndef test_wrong():\n    assert 1 == 2\n"
ENGINES = {"torch", "transformers", "vllm", "openai"}
HEAVY = ENGINES | {"numpy", "rich", "jinja2", "tokenizers"}
REST = {"sqlite3", "multiprocessing"}
SPY = """
import json, os, sys

def pytest_unconfigure(config):
    name = getattr(config, "workerinput", {}).get("workerid", "main")
    with open(f"modules-{name}.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def imported(sessions: Sessions, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, set[str]]:
    """The modules that each process of a session has at its end, with no plugins but pytest-xdist and this one."""
    sessions.write(SPY, "conftest.py")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "xdist", "-p", "pytest_passatk.plugin")
    command = [sys.executable, "-m", "pytest", *plugins, "-n", str(sessions.workers), *arguments]
    done = subprocess.run(command, cwd=sessions.pytester.path, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return {path.stem: set(json.loads(path.read_text())) for path in sessions.pytester.path.glob("modules-*.json")}


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--collect-only",)], ids=["run", "help", "collect"])
def test_the_plugin_alone_imports_nothing_heavy(
    alone: Sessions, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    alone.write(PLAIN)
    found = imported(alone, monkeypatch, *arguments)["modules-main"]
    assert "pytest_passatk.plugin" in found
    assert found & (HEAVY | REST) == set()


def test_workers_without_suites_import_nothing_heavy(
    make_sessions: MakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = make_sessions(2)
    sessions.write(PLAIN)
    found = imported(sessions, monkeypatch)
    assert set(found) == {"modules-main", "modules-gw0", "modules-gw1"}
    assert all("pytest_passatk.plugin" in modules for modules in found.values())
    for name, modules in found.items():
        assert modules & HEAVY == set()
        assert modules & REST == set() or name == "modules-main"  # which is there for workers that may find a suite


@pytest.mark.parametrize("arguments", [(), ("--collect-only",), ("--passatk-check",)], ids=["run", "collect", "check"])
def test_a_suite_imports_no_engine_that_it_does_not_ask_for(
    alone: Sessions, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    alone.write()
    found = imported(alone, monkeypatch, *arguments)["modules-main"]
    assert "pytest_passatk.harness.session" in found
    assert found & ENGINES == set()


def lasting(result: pytest.RunResult) -> list[str]:
    """What a session said, without its plugins and times."""
    lines = [line for line in result.outlines if not line.startswith("plugins:")]
    return [re.sub(r"in [\d.]+s|gw\d", "", line).replace("=", "").strip() for line in lines]


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_a_session_without_suites_is_the_same_with_and_without_the_plugin(sessions: Sessions) -> None:
    sessions.write(PLAIN)
    before = files(sessions.pytester.path)
    how = ("-n", str(sessions.workers), "-p", "no:cacheprovider", *LEAN)
    result = sessions.pytester.runpytest(*how)
    result.assert_outcomes(passed=1, failed=1)
    assert files(sessions.pytester.path) == before
    assert lasting(result) == lasting(sessions.pytester.runpytest(*how, "-p", "no:passatk"))


def test_options_for_suites_do_no_harm_without_one(alone: Sessions) -> None:
    alone.write(PLAIN)
    result = alone.run("--n", "2", "--model", "no_such:thing")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*passatk:*")
    assert not alone.store.exists()


def test_the_plugin_can_be_left_out(alone: Sessions) -> None:
    alone.write(PLAIN)
    result = alone.pytester.runpytest("-p", "no:passatk", "--passatk-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --passatk-n*"])
    alone.write(SUITE)
    alone.pytester.runpytest("-p", "no:passatk").assert_outcomes(errors=1)
