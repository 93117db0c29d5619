"""Prompts and probes that a suite derives from its rows."""

from typing import Any

import pytest

from pytest_passatk.core.check import probes, wrong_answer
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.prompt import render_prompt
from pytest_passatk.core.suite import Suite, suite, suite_of

ROW = Problem("p1", answer="5", fields={"question": "2 + 3?", "answer": "5"})


def suite_with(**arguments: Any) -> Suite:
    def body(problem: Problem, completion: object) -> None: ...

    stated = suite_of(suite([ROW], **{"prompt": "{question}", **arguments})(body))
    assert stated
    return stated


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("Q: {question} in \\boxed{{}}", "Q: 2 + 3? in \\boxed{}"),
        ("{id} {answer}", "p1 5"),
        (lambda problem: problem["question"].upper(), "2 + 3?"),
        ([{"role": "user", "content": "{question}"}], ({"role": "user", "content": "2 + 3?"},)),
        (lambda _: [{"role": "user", "content": "{raw}"}], ({"role": "user", "content": "{raw}"},)),
    ],
)
def test_prompts_are_rendered_from_the_row(source: Any, prompt: Any) -> None:
    assert render_prompt(suite_with(prompt=source), ROW) == prompt


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{level}", ["p1", "'level'", "answer, question", "braces"]),
        ("{", ["p1", "no valid template", "doubled"]),
        ("{0}", ["p1", "no valid template"]),
    ],
)
def test_a_template_that_does_not_fit_is_named(source: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        render_prompt(suite_with(prompt=source), ROW)
    assert [word for word in [__file__, *words] if word not in str(error.value)] == []


def test_probes_are_gold_empty_and_corrupted() -> None:
    found = [(probe.name, probe.completion.text, probe.right) for probe in probes(suite_with(gold="A: {answer}"), ROW)]
    assert found == [("gold", "A: 5", True), ("empty", "", False), ("corrupted", "A: 6", False)]


def test_gold_and_corrupt_may_be_functions() -> None:
    stated = suite_with(gold=lambda problem: f"<{problem.answer}>", corrupt=lambda problem: f"<not {problem.answer}>")
    assert [probe.completion.text for probe in probes(stated, ROW)] == ["<5>", "", "<not 5>"]


def test_a_corrupted_text_that_is_gold_proves_nothing() -> None:
    with pytest.raises(UsageError, match=r"p1.*corrupt="):
        list(probes(suite_with(gold="constant"), ROW))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("5", "6"),
        (5, 6),
        (2.5, 3.5),
        ("2.5", "3.5"),
        ("-0.10", "0.90"),
        ("-1", "0"),
        ("A", "B"),
        ("Z", "A"),
        ("cat", "something else"),
        ("nan", "something else"),
        (True, "something else"),
    ],
)
def test_a_wrong_answer_is_another_one_of_the_same_kind(right: Any, wrong: Any) -> None:
    assert wrong_answer(right) == wrong
    assert type(wrong_answer(right)) is type(wrong)


@pytest.mark.parametrize(("answer", "texts"), [(5, ["5.00", "6.00"]), (2.5, ["2.50", "3.50"])])
def test_a_gold_template_may_format_a_number(answer: float, texts: list[str]) -> None:
    row = Problem("p1", answer=answer, fields={"answer": answer})
    gold, _, corrupted = probes(suite_with(gold="{answer:.2f}"), row)
    assert [gold.completion.text, corrupted.completion.text] == texts
