"""Extractors find the answer where it stands, and never raise; expressions are worked out without being run."""

import pickle
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_passatk.verifiers import (
    RejectedError,
    boxed_integer,
    choice_letter,
    fenced_code,
    last_integer,
    tagged,
    work_out,
)

EXTRACTORS: list[Callable[[str], object]] = [boxed_integer, choice_letter, fenced_code, last_integer, tagged]
FRAGMENTS = [
    "\\boxed{",
    "}",
    "<answer>",
    "</answer>",
    "Answer: ",
    "```python\n",
    "```",
    "\n",
    "-",
    "7",
    ",",
    "000",
    "A",
]
texts = st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3))).map("".join))


@pytest.mark.parametrize("extract", EXTRACTORS)
@given(text=texts)
@example(text="\\boxed{" + "9" * 5000 + "} Answer: ")
@example(text="9" * 5000)
def test_extractors_are_total(extract: Callable[[str], object], text: str) -> None:
    assert extract(text) is None or isinstance(extract(text), int | str)


@pytest.mark.parametrize("extract", [*EXTRACTORS, partial(tagged, tag="result")])
def test_extractors_cross_process_boundaries(extract: Callable[[str], object]) -> None:
    assert pickle.loads(pickle.dumps(extract))("") is None  # noqa: S301 - it was pickled on this line


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3+4=7. \\boxed{7}", 7),
        ("\\boxed{1} no, \\boxed{-12}", -12),
        ("\\boxed{ 1,234 }", 1234),
        ("\\boxed{−5}", -5),
        ("\\boxed{x}", None),
        ("\\boxed{3.5}", None),
        ("\\boxed{}", None),
        ("7", None),
    ],
)
def test_boxed_integer(text: str, answer: int | None) -> None:
    assert boxed_integer(text) == answer


@given(st.integers(-(10**30), 10**30), st.text())
def test_boxed_integer_reads_back_what_was_boxed(number: int, before: str) -> None:
    assert boxed_integer(f"{before} \\boxed{{{number}}}.") == number


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so it is 42.", 42),
        ("first 3, then 1,250!", 1250),
        ("-7", -7),
        ("x = 5 of x2", 5),
        ("it is 3.14", None),
        ("none", None),
    ],
)
def test_last_integer(text: str, answer: int | None) -> None:
    assert last_integer(text) == answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: B", "B"),
        ("the answer is C.", "C"),
        ("ANSWER: (D)", "D"),
        ("**Answer: **A**", "A"),
        ("Answer: A. Wait. Answer: C", "C"),
        ("Answer: b", None),
        ("Answer: Because", None),
        ("B", None),
    ],
)
def test_choice_letter(text: str, letter: str | None) -> None:
    assert choice_letter(text) == letter


def test_tagged_takes_the_last_closed_tag() -> None:
    assert tagged("<answer>1</answer> <answer> 2 * 3\n</answer> <answer>4") == "2 * 3"
    assert tagged("<result>5</result>", tag="result") == "5"
    assert tagged("<answer>5") is None


def test_fenced_code_takes_the_last_closed_block() -> None:
    assert fenced_code("```python\na = 1\n```\n```py\nb = 2\n```\n```python\nc") == "b = 2\n"
    assert fenced_code("```\nc\n```") == "c\n"
    assert fenced_code("def f(): ...") is None


@pytest.mark.parametrize(
    ("expression", "value", "numbers"),
    [("7", 7, [7]), ("(11 + 3)*2", 28, [11, 3, 2]), ("2-3-4", -5, [2, 3, 4]), (" 2 * (3 - 4) ", -2, [2, 3, 4])],
)
def test_work_out(expression: str, value: int, numbers: list[int]) -> None:
    assert work_out(expression) == (value, numbers)


@given(st.recursive(st.integers(0, 99).map(str), lambda part: st.tuples(part, st.sampled_from("+-*"), part).map(
    lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"), max_leaves=8))  # fmt: skip
def test_work_out_agrees_with_python(expression: str) -> None:
    if len(expression) <= 200:
        assert work_out(expression)[0] == eval(expression)  # noqa: S307 - digits, signs and parentheses made above


@pytest.mark.parametrize(
    "expression",
    [
        "", "1 +", "2 ** 9", "8 / 2", "8 // 2", "-3 + 5", "True + 1", "1.5 * 2", "x", "f(1)", "[1]", "(1, 2)",
        "1_0 + x", "'a' * 3", "1 if 2 else 3", "1\0", "9" * 201, "(" * 100 + "1" + ")" * 100,
        "1\n2", "0x1f + y", "a := 1",
    ],
)  # fmt: skip
def test_work_out_rejects_all_else(expression: str) -> None:
    with pytest.raises(RejectedError):
        work_out(expression)


@given(texts)
def test_work_out_rejects_with_its_own_error_alone(expression: str) -> None:
    try:
        value, numbers = work_out(expression)
    except RejectedError:
        return
    assert isinstance(value, int)
    assert numbers
