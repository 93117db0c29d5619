"""Countdown: combine all the numbers into the target; every expression that does is right."""

from pathlib import Path

from pytest_passatk import Completion, Problem, suite
from pytest_passatk.verifiers import tagged, work_out


@suite(
    Path(__file__).with_name("rows.jsonl"),
    prompt="Use each of {numbers} once with + - * to make {target}. Give <answer>expression</answer>.",
    extract=tagged,
    gold="{working}. <answer>{answer}</answer>",
    corrupt="<answer>{target}</answer>",
    model="tiny",
    max_tokens=128,
)
def test_countdown(problem: Problem, completion: Completion) -> None:
    """The expression uses each number once and has the target's value."""
    assert completion.answer is not None, "no <answer>…</answer>"
    value, numbers = work_out(completion.answer)
    assert sorted(numbers) == sorted(map(int, problem["numbers"].split(",")))
    assert value == problem["target"]
