"""Sums, products, chains of steps and word problems, from one step to more than the embedded model has ever seen."""

from pathlib import Path

from pytest_passatk import Completion, Problem, suite
from pytest_passatk.verifiers import boxed_integer


@suite(
    Path(__file__).with_name("rows.jsonl"),
    prompt="{question} Put the result in \\boxed{{}}.",
    extract=boxed_integer,
    gold="{working}. \\boxed{{{answer}}}",
    model="tiny",
    max_tokens=128,
)
def test_arithmetic(problem: Problem, completion: Completion) -> None:
    """The last box holds the answer."""
    assert completion.answer == problem.answer
