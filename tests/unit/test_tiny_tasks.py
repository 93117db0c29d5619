"""The tasks of the embedded model: right by construction, and split so that training never sees a suite's problem."""

import doctest
from collections import Counter
from itertools import islice
from random import Random
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fixtures.tiny.measure import suite_named
from fixtures.tiny.packing import IGNORED, Packer
from fixtures.tiny.rows import PLANS, file_of, rows_of, to_lines
from fixtures.tiny.tasks import arithmetic, countdown, multiple_choice, short_code, stream
from fixtures.tiny.tasks.task import Task, is_held_out
from fixtures.tiny.vocabulary import END, TEMPLATE, token_id
from pytest_passatk import Completion, FinishReason, Problem, Status
from pytest_passatk.core.prompt import render_prompt
from pytest_passatk.core.rows import load_problems
from pytest_passatk.judging.judge import BodyJudge
from pytest_passatk.models import chat
from pytest_passatk.models.embedded import embedded_folder

KINDS = [(name, kind, level) for name, plan in PLANS.items() for kind, level in plan.counts]


SUITES = {name: suite_named(name) for name in PLANS}


def judge(name: str, task: Task, text: str) -> Status:
    tests = short_code.tests_of(task) if name == "short_code" else None
    problem = Problem("p", task.row.get("answer"), tests, task.row)
    suite = SUITES[name]
    return BodyJudge(suite.body, suite.extract)(problem, Completion("p", 0, text, 0, FinishReason.STOP, 0.0)).status


def prompts_of(name: str) -> list[str]:
    return [str(render_prompt(SUITES[name], problem)) for problem in load_problems(SUITES[name])]


@pytest.mark.parametrize("name", PLANS)
def test_the_rows_are_those_that_the_seed_gives(name: str) -> None:
    assert file_of(name).read_text(encoding="utf-8") == to_lines(rows_of(name))


@pytest.mark.parametrize("name", PLANS)
def test_a_suite_has_sixty_problems_or_more_and_no_prompt_twice(name: str) -> None:
    prompts = prompts_of(name)
    assert len(set(prompts)) == len(prompts) >= 60


@pytest.mark.parametrize("name", PLANS)
def test_every_prompt_of_a_suite_is_held_out(name: str) -> None:
    assert all(is_held_out(prompt) for prompt in prompts_of(name))


@pytest.mark.parametrize("name", PLANS)
def test_levels_go_from_easy_to_hard(name: str) -> None:
    levels = [int(problem["level"]) for problem in load_problems(SUITES[name])]
    assert levels == sorted(levels)
    assert len(set(levels)) >= 4


def test_training_sees_no_problem_of_a_suite() -> None:
    suites = {prompt for name in PLANS for prompt in prompts_of(name)}
    tasks = list(islice(stream.training_tasks(Random(0)), 30_000))
    assert not suites & {task.prompt for task in tasks}
    kinds = {(kind, level) for family, _ in stream.FAMILIES.values() for kind, level in family.weights}
    assert {(task.kind, task.level) for task in tasks} == kinds


def test_training_states_no_result_that_a_suite_asks_for() -> None:
    asked = set(prompts_of("arithmetic"))
    steps = {step for task in islice(stream.training_tasks(Random(1)), 30_000) for step in task.steps}
    facts = set(islice(stream.training_facts(Random(2)), 100_000))
    assert not asked & {arithmetic.ask(step) for step in steps}
    stated = {fact.partition("=")[0] for fact in facts}
    for prompt in asked:
        expression = prompt.removeprefix("Compute ").partition(".")[0]
        assert expression.replace(" ", "") not in stated


def test_a_held_out_step_keeps_a_task_out_of_training() -> None:
    held = next(f"{a} + 1" for a in range(1000) if is_held_out(arithmetic.ask(f"{a} + 1")))
    task = Task("chain", 1, "unused", "unused", {}, ("1 + 1", held))
    assert not is_held_out(task.prompt)
    assert not stream.is_trainable(task)


def test_about_a_sixteenth_of_the_prompts_is_held_out() -> None:
    rng = Random(0)
    prompts = {arithmetic.draw(rng, "word", 3).prompt for _ in range(20_000)}
    assert 0.055 < sum(map(is_held_out, prompts)) / len(prompts) < 0.07


@pytest.mark.parametrize(("name", "kind", "level"), KINDS)
@given(seed=st.integers(0, 10_000))
def test_the_gold_completion_is_right_and_fits_the_suite(name: str, kind: str, level: int, seed: int) -> None:
    task = PLANS[name].draw(Random(seed), kind, level)
    assert judge(name, task, task.gold) is Status.PASS
    assert judge(name, task, "") is Status.FAIL
    assert render_prompt(SUITES[name], Problem("p", fields=task.row)) == task.prompt
    assert (task.kind, task.level) == (kind, level)


@given(st.integers(0, 10_000), st.sampled_from(["add", "sub", "mul", "chain", "word"]), st.integers(1, 5))
def test_the_working_is_right_step_by_step(seed: int, kind: str, level: int) -> None:
    task = arithmetic.draw(Random(seed), kind, level)
    steps = [step.split() for step in task.steps]
    assert task.row["working"] == ", ".join(
        f"{a}{sign}{b}={arithmetic.apply(int(a), sign, int(b))}" for a, sign, b in steps
    )
    a, sign, b = steps[-1]
    assert task.row["answer"] == arithmetic.apply(int(a), sign, int(b))


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_chain_is_worth_what_python_makes_of_it(seed: int, level: int) -> None:
    row = arithmetic.draw(Random(seed), "chain", level).row
    expression = row["question"].removeprefix("Compute ").removesuffix(".")
    assert eval(expression) == row["answer"]  # noqa: S307 - digits, signs and parentheses made above


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_countdown_solution_uses_the_numbers_and_a_target_alone_is_wrong(seed: int, level: int) -> None:
    task = countdown.draw(Random(seed), "make", level)
    assert judge("countdown", task, f"<answer>{task.row['target']}</answer>") is Status.FAIL
    assert judge("countdown", task, f"<answer>{task.row['answer']} + 0</answer>") is Status.FAIL


@given(st.integers(0, 10_000), st.sampled_from(multiple_choice.KINDS), st.integers(1, 4))
def test_one_option_alone_is_right(seed: int, kind: str, level: int) -> None:
    row = multiple_choice.draw(Random(seed), kind, level).row
    options = [row[letter] for letter in multiple_choice.LETTERS]
    assert len(set(options)) == 4
    words = row["question"].removesuffix("?").split()
    if kind in {"total", "product"}:
        right = [arithmetic.apply(int(words[2]), words[3], int(words[4])) == option for option in options]
    elif kind == "multiple":
        right = [option % int(words[-1]) == 0 for option in options]
    else:
        right = [any(root * root == option for root in range(2001)) for option in options]
    assert right == [letter == row["answer"] for letter in multiple_choice.LETTERS]


def test_the_right_letters_of_the_suite_are_balanced() -> None:
    letters = Counter(problem.answer for problem in load_problems(SUITES["multiple_choice"]))
    assert set(letters.values()) == {16}


@given(st.integers(0, 10_000), st.sampled_from(["numbers", "strings", "lists", "examples"]), st.integers(1, 5))
def test_unit_tests_hold_what_python_makes_of_the_solution(seed: int, kind: str, level: int) -> None:
    task = short_code.draw(Random(seed), kind, level)
    function = eval(f"lambda {task.row['argument']}: {task.row['solution']}")  # noqa: S307 - made by the generator
    assert [function(*arguments) for arguments, _ in short_code.tests_of(task)] == [
        expected for _, expected in short_code.tests_of(task)
    ]


def test_the_model_has_the_template_that_it_was_trained_with() -> None:
    assert chat.load_template(embedded_folder(), "auto") == TEMPLATE
    assert chat.render(TEMPLATE, "Hi", {}) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("facts", [0.0, 1.0])
def test_a_batch_bears_loss_on_completions_alone(facts: float) -> None:
    tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
    batch = Packer(tokenizer, Random(0)).batch(facts)
    shapes = {part.shape for part in (batch.tokens, batch.labels, batch.positions, batch.documents)}
    assert shapes == {batch.tokens.shape}
    bears = batch.labels[:, :-1] != IGNORED
    assert np.array_equal(batch.labels[:, :-1][bears], batch.tokens[:, 1:][bears])  # the next token
    text = tokenizer.decode(batch.tokens[0].tolist(), skip_special_tokens=False)
    predicted = tokenizer.decode(batch.labels[0][batch.labels[0] != IGNORED].tolist(), skip_special_tokens=False)
    if facts:
        lines = text.partition("<|endoftext|>")[0].splitlines()
        assert predicted.split() == [line.partition("=")[2] for line in lines if line]
        assert batch.documents[0].max() == 1
    else:
        assert "user" not in predicted
        assert predicted.count(END) * 2 == text.count(END)
        starts = [at for at in range(1, 256) if batch.documents[0, at] != batch.documents[0, at - 1]]
        assert all(batch.positions[0, at] == 0 for at in starts)
        assert batch.documents[0].max() == predicted.count(END) > 1
    assert token_id(tokenizer, END) == 2


@pytest.mark.parametrize(
    "module", [arithmetic, countdown, multiple_choice, short_code], ids=lambda module: module.__name__
)
def test_the_rows_in_the_docstrings_are_real(module: ModuleType) -> None:
    assert doctest.testmod(module) == (0, 1)


def test_the_model_is_small() -> None:
    assert (embedded_folder() / "model.safetensors").stat().st_size < 2_000_000
