"""Judges that are spawned collect the suites again, whatever shaped the session's own collection."""

import os

import pytest
from sessions import SUITE, Sessions

SPAWN = ("--passatk-judge-start", "spawn", "--passatk-judges", "1")
COUNTS = {"always": (4, 4), "half": (4, 2), "never": (4, 0)}


def test_what_selects_problems_does_not_reach_the_judges(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.write("def pytest_collection_modifyitems(items):\n    del items[0]\n", "conftest.py")
    alone.write()
    monkeypatch.setenv("PASSATK_LIMIT", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 0 -k half")
    result = alone.run("--limit", "3", *SPAWN)
    result.assert_outcomes(passed=1, deselected=1)
    assert alone.counts() == {"half": (4, 2)}


def test_plugins_of_the_command_line_reach_the_judges(alone: Sessions) -> None:
    alone.write("import pytest\n@pytest.fixture(scope='session')\ndef gold():\n    return '7'\n", "given.py")
    alone.pytester.syspathinsert()
    alone.write(SUITE.replace("completion):", "completion, gold):").replace("== problem.answer", "== gold"))
    assert alone.run("-p", "given", *SPAWN).ret == 0
    assert alone.counts() == COUNTS


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_files_of_one_name_are_told_apart(alone: Sessions, mode: str) -> None:
    for folder in ("one", "two"):
        place = alone.pytester.mkdir(folder)
        (place / "__init__.py").touch()
        (place / "test_suite.py").write_text(SUITE.replace('"7|8"', "'7'") if folder == "two" else SUITE)
    assert alone.run("--import-mode", mode, *SPAWN).ret == 0
    assert alone.counts(0) == COUNTS
    assert alone.counts(1) == COUNTS | {"half": (4, 4)}


def test_the_session_may_start_anywhere(alone: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = alone.pytester.mkdir("suites")
    (folder / "pytest.ini").write_text("[pytest]\npython_files = bench_*.py\npython_functions = test_*\n")
    (folder / "bench_fake.py").write_text(SUITE)
    elsewhere = alone.pytester.mkdir("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert alone.run("../suites", *SPAWN).ret == 0
    assert (elsewhere / "report.json").exists()


def test_rows_that_change_with_the_process_are_named(alone: Sessions) -> None:
    alone.write("import os\n" + SUITE.replace('"id": "half"', '"id": f"half-{os.getpid()}"'))
    result = alone.run(*SPAWN)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*half-*: not among the rows that this judge loaded*"])


def test_a_file_that_the_judges_cannot_load_ends_the_run(alone: Sessions) -> None:
    alone.write(f"import os\nassert os.getpid() == {os.getpid()}, 'only at home'\n{SUITE}")
    result = alone.run(*SPAWN)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the judges did not start*", "*only at home*"])
