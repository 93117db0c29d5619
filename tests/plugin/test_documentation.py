"""The code of the documentation runs as printed."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_suite_of_the_page_proves_itself_and_runs(pytester: pytest.Pytester) -> None:
    source = code_blocks("write-a-suite.md", "python")[0]
    assert len(source.splitlines()) <= 30
    (pytester.path / "test_capitals.py").write_text(source)
    check = pytester.runpytest("test_capitals.py", "--passatk-check")
    check.assert_outcomes(passed=3)
    run = pytester.runpytest("test_capitals.py", "--model", "tiny", "--passatk-json", "report.json")
    run.assert_outcomes(passed=3)
    estimates = json.loads((pytester.path / "report.json").read_text())["suites"][0]["estimates"]
    assert [estimate["k"] for estimate in estimates] == [1, 4, 8]


def test_the_fixture_of_the_page_reaches_the_body(pytester: pytest.Pytester) -> None:
    fixture = code_blocks("write-a-suite.md", "python")[1]
    header = """
from pathlib import Path
import pytest
from pytest_passatk import suite
ROWS = [{"id": "greeting", "answer": "hello"}]
PROMPT = "Say a word."
"""
    (pytester.path / "words.txt").write_text("hello world")
    (pytester.path / "test_words.py").write_text(header + fixture)
    pytester.runpytest("test_words.py", "--passatk-check").assert_outcomes(passed=1)
