"""Multiple choice, the chance control: the embedded model guesses, so that its pass@k must be 1 − 0.75^k."""

from pathlib import Path

from pytest_passatk import Completion, Problem, suite
from pytest_passatk.verifiers import choice_letter


@suite(
    Path(__file__).with_name("rows.jsonl"),
    prompt="{question}\nA) {A}\nB) {B}\nC) {C}\nD) {D}\nReply with Answer: and the letter.",
    extract=choice_letter,
    gold="Answer: {answer}",
    model="tiny",
    max_tokens=32,
)
def test_multiple_choice(problem: Problem, completion: Completion) -> None:
    """The last letter given is that of the right option."""
    assert completion.answer == problem.answer
