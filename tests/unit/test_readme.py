"""The README names what there is."""

from pathlib import Path

import pytest

from pytest_passatk.harness.options import OPTIONS, Option

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_listed_with_its_words(option: Option) -> None:
    row = next((line for line in README.splitlines() if f"`{option.flags[0]}`" in line and line.startswith("|")), "")
    assert option.help in row
    assert (f"`--{option.name}`" in row) == option.bare


def test_the_commands_are_those_that_ci_runs() -> None:
    ci = (Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -c constraints.txt -e '.[dev]' && pytest" in README
    assert "pip install -q -c constraints.txt -e '.[dev]'" in ci
    assert "pip install -e . && pytest suites/arithmetic --n 8" in README
    assert "pip install -q -e . && pytest suites/arithmetic --n 8" in ci
