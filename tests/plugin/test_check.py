"""`--passatk-check`: a verifier proves itself without a model."""

import pytest
from sessions import HEADER, SUITE, MakeSessions, Sessions


def suite(body: str, arguments: str = "", rows: str = "[{'id': 'a', 'answer': 7}, {'id': 'b', 'answer': 8}]") -> str:
    return (
        f"{HEADER}import pytest\n"
        f"@suite({rows}, prompt='x', extract=lambda text: int(text) if text.isdigit() else None, {arguments})\n"
        f"def test_it(problem, completion):\n    {body}\n"
    )


SOUND = "assert completion.answer == problem.answer"


@pytest.mark.parametrize(
    ("workers", "how"),
    [(0, ()), (0, ("--passatk-judge-start", "spawn", "--passatk-judges", "1")), (0, ("--passatk-inline",)), (2, ())],
    ids=["fork", "spawn", "inline", "n2"],
)
def test_a_sound_verifier_passes_and_an_unsound_one_fails(
    make_sessions: MakeSessions, workers: int, how: tuple[str, ...]
) -> None:
    sessions = make_sessions(workers)
    sessions.write(suite(SOUND))
    sessions.write(suite("pass"), "test_open.py")
    result = sessions.run("--passatk-check", *how)
    assert result.ret == 1
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*test_open.py::test_it?a?: the empty completion should fail, the verdict is pass*"])
    assert not sessions.store.exists()
    assert sessions.log == []


def test_a_check_needs_neither_model_nor_store(alone: Sessions) -> None:
    path = alone.write(SUITE.replace("fake_model:load", "no_such_model:load"))
    result = alone.run("--passatk-check", "-p", "no:cacheprovider", "--model", "nor_this:one")
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*pass@*")
    assert {each.name for each in path.parent.iterdir()} <= {path.name, "__pycache__"}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("assert completion.answer == problem.answer + 1", "the gold completion should pass, the verdict is fail"),
        ("assert completion.text.isdigit()", "the corrupted completion should fail, the verdict is pass"),
        ("assert completion.answer in (None, problem.answer)", "the empty completion should fail, the verdict is pass"),
        ("assert 1 // completion.answer == 0", "the empty completion should fail, the verdict is error"),
        ("raise KeyError('gone')", "the gold completion should pass, the verdict is error"),
        ("pytest.skip('not today')", "the gold completion should pass, the verdict is skip"),
        ("import os; os._exit(1)", "the gold completion should pass, the verdict is error"),
        ("from time import sleep; sleep(60)", "the gold completion should pass, the verdict is timeout"),
    ],
)
def test_a_fault_of_the_verifier_is_named(alone: Sessions, body: str, fault: str) -> None:
    alone.write(suite(body, rows="[{'id': 'a', 'answer': 7}]"))
    result = alone.run("--passatk-check", "--passatk-judge-timeout", "0.3")
    assert result.ret == 1
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*test_suite.py::test_it?a?: {fault}"])


def test_a_fault_shows_completion_answer_and_reason(alone: Sessions) -> None:
    alone.write(suite("assert completion.answer == problem.answer + 1", rows="[{'id': 'a', 'answer': 7}]"))
    result = alone.run("--passatk-check")
    result.stdout.fnmatch_lines(["completion: '7'", "extracted answer: '7'", "assert 7 == (7 + 1)*"])


@pytest.mark.parametrize(
    "arguments",
    [
        "gold='{answer}', corrupt='{answer}0'",
        "gold=lambda problem: str(problem.answer), corrupt=lambda problem: '0'",
        "gold='{answer}', corrupt='nothing'",
    ],
)
def test_a_suite_gives_its_own_completions(alone: Sessions, arguments: str) -> None:
    alone.write(suite(SOUND, arguments))
    alone.run("--passatk-check").assert_outcomes(passed=2)


def test_a_column_of_any_name_is_corrupted(alone: Sessions) -> None:
    rows = "[{'id': 'a', 'solution': 7}, {'id': 'b', 'solution': 'Z'}, {'id': 'c', 'solution': 'two words'}]"
    source = suite("assert completion.text == f'= {problem.answer}'", "gold='= {solution}', answer='solution'", rows)
    alone.write(source)
    alone.run("--passatk-check").assert_outcomes(passed=3)


def test_a_corrupted_completion_that_is_the_gold_one_proves_nothing(alone: Sessions) -> None:
    alone.write(suite("assert completion.answer == 7", "gold='7', corrupt='{answer}'"))
    result = alone.run("--passatk-check")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_suite.py: test_it?a?: the corrupted completion is the gold one: *corrupt=*"])


def test_a_gold_template_with_an_unknown_column_is_named(alone: Sessions) -> None:
    alone.write(suite(SOUND, "gold='{solution}'"))
    result = alone.run("--passatk-check")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*test_it?a?: gold= uses the field 'solution', which the row lacks*"])


def test_every_faulty_problem_is_named(alone: Sessions) -> None:
    alone.write(suite(SOUND, "gold='7', corrupt='0'", "[{'id': i, 'answer': a} for i, a in zip('abc', (7, 8, 9))]"))
    alone.run("--passatk-check").assert_outcomes(passed=1, failed=2)


def test_only_selected_problems_are_checked(alone: Sessions) -> None:
    alone.write(suite("assert completion.answer == 7", "gold='7', corrupt='8'"))
    alone.run("--passatk-check", "-k", "test_it and a", "--limit", "1").assert_outcomes(passed=1)
