"""Prompts and other texts that a suite derives from a row."""

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.sample import Message, Prompt
from pytest_passatk.core.suite import PromptSource, Suite, TextSource


def render_prompt(suite: Suite, problem: Problem) -> Prompt:
    """What the model is asked: text, or chat messages. Raises UsageError where the row lacks a field."""
    prompt = render(suite, suite.prompt, problem, "prompt")
    if isinstance(prompt, str):
        return prompt
    return tuple(Message(role=message["role"], content=message["content"]) for message in prompt)


def render_text(suite: Suite, source: TextSource, problem: Problem, what: str) -> str:
    """A text of a suite for one problem. Raises UsageError where the row lacks a field."""
    text = render(suite, source, problem, what)
    if not isinstance(text, str):
        raise UsageError(f"{_where(suite, problem)}: {what}= gave a {type(text).__name__}: text is wanted")
    return text


def render(suite: Suite, source: PromptSource, problem: Problem, what: str) -> Prompt | Sequence[Message]:
    """A source of text for one problem: functions are called, templates filled in.

    Args:
        suite: named in errors.
        source: text or chat messages with `str.format` fields, or a function of the problem.
        problem: its fields fill the templates, with `id`, `answer` and `tests` under these names, too.
        what: the argument of @suite that holds the source, for errors.
    """
    if callable(source):
        return source(problem)
    fields = {"id": problem.id, "answer": problem.answer, "tests": problem.tests, **problem.fields}
    try:
        if isinstance(source, str):
            return source.format_map(fields)
        return [Message(role=each["role"], content=each["content"].format_map(fields)) for each in source]
    except KeyError as error:
        raise UsageError(_missing(suite, problem, what, error.args[0], problem.fields)) from error
    except (IndexError, ValueError) as error:
        raise UsageError(
            f"{_where(suite, problem)}: {what}= is no valid template ({error}): "
            "fields are written {column}, and braces that stay are doubled"
        ) from error


def _missing(suite: Suite, problem: Problem, what: str, column: str, fields: Mapping[str, Any]) -> str:
    has = ", ".join(sorted(fields)) or "none"
    return (
        f"{_where(suite, problem)}: {what}= uses the field {column!r}, which the row lacks (it has {has}): "
        "name one of these, or double braces that are part of the text"
    )


def _where(suite: Suite, problem: Problem) -> str:
    return f"{suite.file}: {suite.body.__name__}[{problem.id}]"
