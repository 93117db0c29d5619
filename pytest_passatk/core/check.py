"""The completions by which a verifier proves itself: the gold one passes, an empty and a corrupted one fail."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from numbers import Real
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.prompt import render_text
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.suite import Suite


@dataclass(frozen=True, slots=True)
class Probe:
    """A completion whose verdict is known beforehand."""

    name: str
    completion: Completion
    right: bool


def probes(suite: Suite, problem: Problem) -> Iterator[Probe]:
    """The gold, the empty and the corrupted completion of a problem.

    Raises:
        UsageError: the corrupted text is the gold one, so that it proves nothing.
    """
    gold = render_text(suite, suite.gold, problem, "gold")
    wrong = _corrupted(suite, problem)
    if wrong == gold:
        raise UsageError(
            f"{suite.file}: {suite.body.__name__}[{problem.id}]: the corrupted completion is the gold one: "
            "give @suite a corrupt= that is wrong for this problem"
        )
    for index, (name, text) in enumerate((("gold", gold), ("empty", ""), ("corrupted", wrong))):
        yield Probe(name, Completion(name, index, text, 0, FinishReason.STOP, 0.0), right=name == "gold")


def _corrupted(suite: Suite, problem: Problem) -> str:
    if suite.corrupt is not None:
        return render_text(suite, suite.corrupt, problem, "corrupt")
    wrong = wrong_answer(problem.answer)
    fields = {**problem.fields, suite.answer: wrong}
    return render_text(suite, suite.gold, replace(problem, answer=wrong, fields=fields), "gold")


def wrong_answer(answer: Any) -> Any:
    """An answer of the same kind that is another one: the next number, the next letter, or other words.

    Numbers stay numbers and text stays text, so that a format of the template fits both answers.
    """
    if isinstance(answer, Real) and not isinstance(answer, bool):
        return answer + 1
    text = str(answer).strip()
    number = _parse(text)
    if number is not None:
        return str(number + 1)
    if len(text) == 1 and text.isalpha():
        return "A" if text in "Zz" else chr(ord(text) + 1)
    return "something else"


def _parse(text: str) -> int | Decimal | None:
    """The number that a text is, with the decimal places written, or `None`."""
    for kind in (int, Decimal):
        try:
            number: int | Decimal = kind(text)
        except (ValueError, InvalidOperation):
            continue
        return number if math.isfinite(number) else None
    return None
