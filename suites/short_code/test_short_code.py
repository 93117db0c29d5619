"""One-line functions, judged by their own unit tests in a restricted evaluator, which is no sandbox."""

from pathlib import Path

from pytest_passatk import Completion, Problem, suite
from pytest_passatk.verifiers import call_function, fenced_code


@suite(
    Path(__file__).with_name("rows.jsonl"),
    prompt='Complete the function with a single return.\n```python\ndef f({argument}):\n    """{description}"""\n```',
    extract=fenced_code,
    gold="```python\ndef f({argument}):\n    return {solution}\n```",
    corrupt="```python\ndef f({argument}):\n    return None\n```",
    model="tiny",
    max_tokens=128,
)
def test_short_code(problem: Problem, completion: Completion) -> None:
    """The function gives the right result for every input."""
    assert completion.answer is not None, "no block of code"
    for arguments, expected in problem.tests:
        assert call_function(completion.answer, arguments) == expected
