"""One-line functions mean what they mean in Python, and whatever else a model writes is a wrong answer, quickly."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.verifiers import RejectedError, call_function

NUMBERS = st.integers(-20, 20).map(str)


def define(expression: str, arguments: str = "x, xs, s") -> str:
    return f"def f({arguments}):\n    return {expression}\n"


def call(expression: str) -> Any:
    return call_function(define(expression), [5, [3, -4, 8, 3], "banana"])


@pytest.mark.parametrize(
    "expression",
    [
        "x + 3", "-x", "+x", "not x", "x ** 2 // 3 % 4", "x / 2", "2 ** -1", "abs(-x)", "x if x > 3 else 0",
        "x > 3 and s", "x < 3 and s", "x > 3 or s", "x < 3 or s", "1 < x < 9", "9 > x > 7", "x in xs", "x not in xs",
        "'an' in s", "x == 5 != 4", "None", "True", "1.5 * x", "[x, 2][0]", "(x, s)", "xs[-1]", "xs[1:]", "s[::-1]",
        "s[1:4:2]", "s.upper()", "s.replace('a', 'b').strip()", "s.count('a')", "s * 3", "3 * xs", "s + s", "len(s)",
        "sum(v * v for v in xs if v > 2 if v < 9)", "max((v for v in xs if v > 99), default=0)", "min(xs, default=0)",
        "sorted(xs, reverse=True)", "[v * x for v in xs]", "[w for w in [v for v in xs]]", "list(s)", "tuple(xs)",
        "any(v > 5 for v in xs)", "all(v > 5 for v in xs)", "[x for x in xs][0] + x",
    ],
)  # fmt: skip
def test_it_means_what_python_means(expression: str) -> None:
    scope: dict[str, Any] = {}
    exec(define(expression), scope)  # noqa: S102 - the expressions stand above
    expected = scope["f"](5, [3, -4, 8, 3], "banana")
    found = call(expression)
    assert found == expected
    assert type(found) is type(expected)


@given(st.recursive(NUMBERS | st.just("x"), lambda part: st.one_of(
    st.tuples(part, st.sampled_from(["+", "-", "*", "<", "==", "and", "or"]), part).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
    part.map(lambda inner: f"abs({inner})"),
    part.map(lambda inner: f"-{inner}"),
), max_leaves=12), st.integers(-9, 9))  # fmt: skip
def test_arithmetic_agrees_with_python(expression: str, x: int) -> None:
    scope: dict[str, Any] = {}
    exec(define(expression, "x"), scope)  # noqa: S102 - operators, numbers and x, made above
    assert call_function(define(expression, "x"), [x]) == scope["f"](x)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x + 1",
        "def f(x) return x",
        "def f(x):\n    y = x\n    return y",
        "def f(x):\n    pass",
        "def f(x):\n    return",
        "import os\ndef f(x):\n    return x",
        "def f(*x):\n    return x",
        "def f(x=1):\n    return x",
        "def f(x, y):\n    return x",
        "@f\ndef f(x):\n    return x",
        "async def f(x):\n    return x",
        "f = lambda x: x",
        "def f(x):\n    return x\0",
        "def f(x):\n    return " + "x + " * 600 + "x",
        "def f(x):\n    return " + "(" * 300 + "x" + ")" * 300,
        "def f(x):\n    return " + "-" * 900 + "x",
        "def f(x):\n    return " + "not " * 480 + "x",
    ],
)
def test_other_code_is_rejected(source: str) -> None:
    with pytest.raises(RejectedError):
        call_function(source, [1])


@pytest.mark.parametrize(
    "expression",
    [
        "y", "f(x, xs, s)", "print(x)", "open(s)", "eval(s)", "__import__('os')", "s.__class__", "s.join(xs)", "x.real",
        "s.format(x)", "'%d' % x", "f'{x}'", "lambda: x", "xs.append(1)", "{x: 1}", "{x}", "x is None", "x & 1", "~x",
        "b'a'", "...", "1j", "[*xs]", "max(*xs)", "sorted(xs, key=abs)", "max(xs, **{})", "[v for v, w in xs]",
        "(y := x)", "x[0]", "xs[99]", "xs['a']", "x // 0", "x + s", "len(x)", "len(v for v in xs)", "sum(s)",
        "abs(s)", "max([])",
        "s.upper(1)", "xs < 3", "(-8) ** 'a'", "s.strip", "await x", "abs", "x.upper()",
        "[v + w for v in xs for w in xs]", "max(xs, **{'default': 0})",
    ],
)  # fmt: skip
def test_other_expressions_are_rejected(expression: str) -> None:
    with pytest.raises(RejectedError):
        call(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9", "9 ** -(9 ** 9)",
        "2 ** 5000", "(2 ** 4000) * (2 ** 4000)", "s * 10 ** 9", "10 ** 9 * xs", "xs * 10 ** 300",
        "[v for v in s * 160 for w in s * 160]", "[[w for w in s * 160] for v in s * 160]",
        "sum(sum(1 for w in s * 100) for v in s * 100)",
        "(s * 100).replace('a', s * 100)", "(s * 166).replace('', s * 166)", "[[xs * 300] * 300] * 900",
        "[" * 90 + "xs" + "]" * 90 + " * 1001", "2.0 ** 9999", "1e308 * 10 ** 400",
    ],
)  # fmt: skip
def test_work_and_sizes_are_bounded(expression: str) -> None:
    with pytest.raises(RejectedError):
        call(expression)


def test_a_generator_is_no_list() -> None:
    assert call("(v for v in xs)") != [3, -4, 8, 3]


def test_a_docstring_may_stay() -> None:
    assert call_function('def f(x):\n    """Add 3."""\n    return x + 3\n', [4]) == 7


def test_arguments_are_left_as_they_were() -> None:
    argument = [3, 1, 2]
    assert call_function("def f(xs):\n    return sorted(xs) + xs", [argument]) == [1, 2, 3, 3, 1, 2]
    assert argument == [3, 1, 2]


FRAGMENTS = [
    "def f(x):\n    return ",
    "x",
    "s",
    "(",
    ")",
    "[",
    "]",
    ":",
    "**",
    "9",
    "%",
    " for v in ",
    " if ",
    "'a'",
    ".upper()",
    "\n",
]


@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=2))).map("".join))
def test_whatever_a_model_writes_is_a_value_or_a_rejection(text: str) -> None:
    for source in (text, f"def f(x):\n    return {text}"):
        with suppress(RejectedError):
            call_function(source, [3])


def test_what_the_parser_warns_of_changes_no_verdict() -> None:
    assert call("'\\d'") == "\\d"
    assert call("1or 7") == 1
