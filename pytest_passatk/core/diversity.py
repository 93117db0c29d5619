"""How different the samples of a problem are: entropy in nats, and the share of distinct ones."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import fsum, log
from typing import Any


def entropy(labels: Sequence[Hashable]) -> float:
    """The plug-in entropy of the labels in nats, 0 (all equal) … ln n (all different).

    Plug-in: the shares of the n labels stand for their probabilities, which is too low by about (classes − 1) / 2n for
    few samples (Miller 1955); compare values only at equal n. Raises ValueError where there is no label.
    """
    _require(labels)
    n = len(labels)
    return fsum(times / n * log(n / times) for times in Counter(labels).values())


def distinct_share(labels: Sequence[Hashable]) -> float:
    """Distinct labels / labels, 1/n … 1. Raises ValueError where there is no label."""
    _require(labels)
    return len(set(labels)) / len(labels)


def mean_entropy(groups: Iterable[Sequence[Hashable]]) -> tuple[float, float]:
    """The mean over problems of the entropy of their labels, and of its maximum ln n; both in nats.

    An empty group, a problem without a sample, says nothing and is left out. Raises ValueError where none is left.
    """
    filled = [group for group in groups if len(group)]
    if not filled:
        raise ValueError("entropy of no samples: at least one problem needs at least one sample")
    return fsum(map(entropy, filled)) / len(filled), fsum(log(len(group)) for group in filled) / len(filled)


def answer_classes(answers: Sequence[object | None], same: Callable[[Any, Any], bool] | None = None) -> list[int]:
    """The class of each answer, numbered from 0 in the order of appearance.

    `None`, no answer found, is a class of its own and is never given to `same`. Without `same`, answers with equal text
    are one class. With it, an answer joins the first class for whose first member `same(member, answer)` holds; where
    `same` is not transitive, the order of the answers matters.
    """
    if same is None:
        numbers: dict[str | None, int] = {}
        return [numbers.setdefault(None if answer is None else str(answer), len(numbers)) for answer in answers]
    members: list[object | None] = []
    return [_place(answer, members, same) for answer in answers]


def _place(answer: object | None, members: list[object | None], same: Callable[[Any, Any], bool]) -> int:
    """The number of the answer's class; `members` holds the first of each class, and grows by one for a new class."""
    for number, member in enumerate(members):
        if _agree(member, answer, same):
            return number
    members.append(answer)
    return len(members) - 1


def _agree(member: object | None, answer: object | None, same: Callable[[Any, Any], bool]) -> bool:
    if member is None or answer is None:
        return member is answer
    return same(member, answer)


def _require(labels: Sequence[Hashable]) -> None:
    if not len(labels):
        raise ValueError("diversity of no samples: at least one is needed")
