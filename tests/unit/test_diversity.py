"""Entropy, distinct share, and the classes of answers."""

from collections import Counter
from collections.abc import Callable, Sequence
from math import isclose, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.diversity import answer_classes, distinct_share, entropy, mean_entropy

LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=30)


def test_entropy_of_known_shares() -> None:
    assert entropy("aabb") == pytest.approx(log(2), abs=1e-15)
    assert entropy("aaab") == pytest.approx(0.75 * log(4 / 3) + 0.25 * log(4), abs=1e-15)


@given(LABELS)
def test_entropy_lies_between_one_class_and_all_different(labels: list[str]) -> None:
    assert -1e-15 <= entropy(labels) <= log(len(labels)) + 1e-12
    assert (entropy(labels) == 0) == (len(set(labels)) == 1)
    assert isclose(entropy(range(len(labels))), log(len(labels)), abs_tol=1e-12)


@given(LABELS, st.randoms(use_true_random=False))
def test_diversity_knows_neither_the_order_nor_the_names(labels: list[str], random: Random) -> None:
    shuffled = [ord(label) for label in labels]
    random.shuffle(shuffled)
    assert entropy(labels) == entropy(shuffled)
    assert distinct_share(labels) == distinct_share(shuffled)


@given(LABELS)
def test_distinct_share_counts_the_distinct(labels: list[str]) -> None:
    assert distinct_share(labels) == len(Counter(labels)) / len(labels)


def test_the_mean_entropy_weighs_problems_equally_and_leaves_empty_ones_out() -> None:
    mean, most = mean_entropy(["ab", "aaaa", ""])
    assert mean == pytest.approx(log(2) / 2)
    assert most == pytest.approx((log(2) + log(4)) / 2)


@pytest.mark.parametrize("measure", [entropy, distinct_share])
def test_no_sample_has_no_diversity(measure: Callable[[Sequence[str]], float]) -> None:
    with pytest.raises(ValueError, match="no samples"):
        measure([])
    with pytest.raises(ValueError, match="no samples"):
        mean_entropy([[], []])


def test_equal_text_is_one_class_and_no_answer_another() -> None:
    assert answer_classes(["7", None, 7, "None", None, "8"]) == [0, 1, 0, 2, 1, 3]
    assert answer_classes([]) == []


def test_the_suite_may_say_when_two_answers_are_the_same() -> None:
    answers = ["1/2", "0.5", None, "2/4", "3"]
    values = {"1/2": 0.5, "0.5": 0.5, "2/4": 0.5, "3": 3.0}
    assert answer_classes(answers, lambda a, b: values[a] == values[b]) == [0, 0, 1, 0, 2]


def test_an_answer_is_compared_with_the_first_member_of_each_class() -> None:
    assert answer_classes([0, 2, 1, 3], lambda member, answer: abs(member - answer) <= 1) == [0, 1, 0, 1]
    assert answer_classes([1, 0, 2, 3], lambda member, answer: abs(member - answer) <= 1) == [0, 0, 0, 1]


@given(st.lists(st.none() | st.integers(0, 5), max_size=20))
def test_an_equality_gives_the_classes_of_the_text(answers: Sequence[int | None]) -> None:
    assert answer_classes(answers, lambda a, b: bool(a == b)) == answer_classes(answers)
