"""Records of runs that never happened, spelled with one letter a sample."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import pytest

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import Judged, ProblemRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.verdict import Status, Verdict

MakeRecord: TypeAlias = Callable[..., SuiteRecord]

# Lower case: like upper case, but the completion was truncated and holds no answer.
STATUSES = {"P": Status.PASS, "F": Status.FAIL, "T": Status.TIMEOUT, "E": Status.ERROR, "S": Status.SKIP}


def judged(problem: str, index: int, letter: str, *, told: bool) -> Judged:
    """A sample; the ones that pass answer 7, the others their index, in 10 tokens and `index` + 1 seconds.

    Where it is told, 5 tokens were read for it, and its first came after a tenth of its time.
    """
    status, lost = STATUSES[letter.upper()], letter.islower()
    answer = None if lost else "7" if status is Status.PASS else str(index)
    finish = FinishReason.LENGTH if lost else FinishReason.STOP
    completion = Completion(f"stream-{problem}", index, f"It is {answer}.", 10, finish, index + 1.0)
    if told:
        completion = replace(completion, prompt_tokens=5, first_token=(index + 1) / 10)
    return Judged(completion, Verdict(status, f"{status} of {problem}", answer, 0.5))


def suite_record(
    problems: Mapping[str, str],
    *,
    n: int = 4,
    ks: tuple[int, ...] = (1, 2),
    extracts: bool = True,
    sampled: int = 0,
    told: bool = False,
) -> SuiteRecord:
    """The record of `arithmetic` on `tiny`: ids with one letter a sample, a space for one that is missing."""
    records = [
        ProblemRecord(
            name,
            f"stream-{name}",
            n,
            tuple(judged(name, index, letter, told=told) for index, letter in enumerate(letters) if letter != " "),
        )
        for name, letters in problems.items()
    ]
    plan = tuple(PlannedProblem(name, f"What is {name}?", "judge") for name in problems)
    planned = PlannedSuite("suites/arithmetic.py::test_arithmetic", "tiny", SamplingParams(), n, ks, extracts, plan)
    model = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none", {"numpy": "2.0"})
    total, drawn = n * len(problems), Usage(5 * sampled * told, 10 * sampled, sampled * (not told))
    return SuiteRecord(planned, model, tuple(records), total - sampled, sampled, 2.0 if sampled else 0.0, drawn)


@pytest.fixture
def make_record() -> MakeRecord:
    return suite_record
