"""The canonical solutions of HumanEval and MBPP, apart from their tests and beside them, and wrong ones."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pytest_passatk import Problem, VerifierTimeout
from pytest_passatk.core.rows import load_rows
from pytest_passatk.core.source import RowRequest
from pytest_passatk.core.suite import suite_of
from pytest_passatk.sandbox import Limits, Sandbox
from suites.humaneval import test_humaneval as humaneval
from suites.mbpp import test_mbpp as mbpp

DATA = os.environ.get("PASSATK_DATA")
MATCHES = {"mbpp/737", "mbpp/787", "mbpp/794"}  # their gold returns re.Match objects, which cannot cross
PATIENCE = 30.0  # seconds; no gold is given here by which a busy machine's limit could be scaled

pytestmark = pytest.mark.skipif(not DATA, reason="needs PASSATK_DATA, a folder with the published rows")


@pytest.fixture(scope="module")
def problems() -> dict[str, Problem]:
    found: dict[str, Problem] = {}
    for body, parameters in ((humaneval.test_humaneval, {}), (mbpp.test_mbpp, {"split": "all"})):
        stated = suite_of(body)
        assert stated is not None
        name = stated.body.__name__.removeprefix("test_")
        loaded = load_rows(stated, RowRequest(DATA, parameters)).problems
        found |= {f"{name}/{problem.id.rpartition('/')[2]}": problem for problem in loaded}
    return found


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(Limits(seconds=PATIENCE)) as made:
        yield made


def failing(sandbox: Sandbox, programs: dict[str, tuple[str, Problem]], *, beside: bool) -> set[str]:
    """The programs that do not pass."""
    found = set()
    for name, (program, problem) in programs.items():
        try:
            sandbox.check(program, replace(problem.tests, beside=beside, gold=""))
        except (AssertionError, VerifierTimeout):
            found.add(name)
    return found


def test_canonical_solutions_pass_in_both_modes(box: Sandbox, problems: dict[str, Problem]) -> None:
    gold = {name: (str(problem.tests.gold), problem) for name, problem in problems.items()}
    assert len(gold) == 164 + 427
    assert failing(box, gold, beside=True) == set()
    assert failing(box, gold, beside=False) == MATCHES


def test_empty_and_wrong_programs_fail_in_both_modes(box: Sandbox, problems: dict[str, Problem]) -> None:
    empty = {name: ("", problem) for name, problem in problems.items()}
    wrong = {
        name: (f"def {problem.tests.names[0]}(*args, **kwargs): return 'wrong'", problem)
        for name, problem in problems.items()
    }
    for programs in (empty, wrong):
        for beside in (False, True):
            assert failing(box, programs, beside=beside) == programs.keys()
