"""Each filter keeps what its definition says, token by token; the draw is the inverse of the distribution function."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_passatk import SamplingParams
from pytest_passatk.models.draw import Flags, Floats, distribution, draw_tokens, penalise, settings_of

PLAIN = SamplingParams()
rows = st.lists(st.integers(-40, 40).map(lambda tenths: tenths / 10), min_size=1, max_size=12)
shares = st.integers(1, 99).map(lambda percent: percent / 100)
uniforms = st.integers(0, 2**20 - 1).map(lambda number: number / 2**20)


def matrix(*logits: list[float]) -> Floats:
    return np.array(logits, dtype=np.float64)


def nothing_seen(logits: Floats) -> Flags:
    return np.zeros((len(logits), 0), dtype=np.bool_)


def softmax(logits: list[float]) -> list[float]:
    weights = [exp(logit) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def kept(logits: list[float], params: SamplingParams) -> set[int]:
    return set(np.flatnonzero(distribution(matrix(logits), settings_of([params]))[0]).tolist())


@given(rows, st.integers(0, 15))
def test_top_k_keeps_all_that_fewer_than_k_exceed(logits: list[float], k: int) -> None:
    expected = {at for at, logit in enumerate(logits) if k == 0 or sum(other > logit for other in logits) < k}
    assert kept(logits, replace(PLAIN, top_k=k)) == expected


@given(rows, shares)
def test_top_p_keeps_the_smallest_likeliest_set_that_reaches_p(logits: list[float], p: float) -> None:
    chances = softmax(logits)
    order = sorted(range(len(logits)), key=lambda at: -logits[at])  # stable: the first of equals comes first
    reached = [sum(chances[at] for at in order[:size]) for size in range(1, len(order) + 1)]
    assume(all(abs(total - p) > 1e-9 for total in reached))  # there, rounding decides
    assert kept(logits, replace(PLAIN, top_p=p)) == set(order[: 1 + sum(total < p for total in reached)])


@given(rows, shares)
def test_min_p_drops_what_is_less_likely_than_its_share_of_the_likeliest(logits: list[float], p: float) -> None:
    expected = {at for at, logit in enumerate(logits) if logit >= max(logits) + log(p)}
    assert kept(logits, replace(PLAIN, min_p=p)) == expected


@given(rows, st.sampled_from([0.3, 0.7, 1.0, 1.5]))
def test_the_distribution_is_a_softmax_at_the_temperature(logits: list[float], temperature: float) -> None:
    expected = softmax([logit / temperature for logit in logits])
    found = distribution(matrix(logits), settings_of([replace(PLAIN, temperature=temperature)]))
    assert found[0] == pytest.approx(expected)


@given(rows, shares, st.integers(1, 5), shares)
def test_filters_see_what_those_before_them_left(logits: list[float], p: float, k: int, min_p: float) -> None:
    together = kept(logits, replace(PLAIN, top_p=p, top_k=k, min_p=min_p))
    left = sorted(kept(logits, replace(PLAIN, top_k=k)))
    left = [left[at] for at in sorted(kept([logits[at] for at in left], replace(PLAIN, top_p=p)))]
    assert together == {left[at] for at in kept([logits[at] for at in left], replace(PLAIN, min_p=min_p))}


@given(st.lists(rows.filter(lambda row: len(row) > 3).map(lambda row: row[:4]), min_size=2, max_size=4), st.data())
def test_a_row_does_not_depend_on_its_batch_mates(logits: list[list[float]], data: st.DataObject) -> None:
    params = [
        SamplingParams(
            temperature=data.draw(st.sampled_from([0.0, 0.7, 1.0])),
            top_p=data.draw(st.sampled_from([0.5, 1.0])),
            top_k=data.draw(st.integers(0, 3)),
            min_p=data.draw(st.sampled_from([0.0, 0.2])),
        )
        for _ in logits
    ]
    draws = np.array([data.draw(uniforms) for _ in logits])
    together = draw_tokens(matrix(*logits), settings_of(params), draws, nothing_seen(matrix(*logits)))
    for at, (row, setting) in enumerate(zip(logits, params, strict=True)):
        alone = draw_tokens(matrix(row), settings_of([setting]), draws[at : at + 1], nothing_seen(matrix(row)))
        assert (together[0][at], together[1][at]) == (alone[0][0], alone[1][0])


@given(rows, st.floats(1.1, 3.0), st.sets(st.integers(0, 11)))
def test_the_penalty_divides_positive_and_multiplies_negative_logits_of_seen_tokens(
    logits: list[float], penalty: float, tokens: set[int]
) -> None:
    seen = np.array([[at in tokens for at in range(len(logits))]])
    expected = [
        logit if at not in tokens else logit / penalty if logit > 0 else logit * penalty
        for at, logit in enumerate(logits)
    ]
    assert penalise(matrix(logits), seen, matrix([penalty])).tolist() == [expected]


@given(rows, uniforms)
def test_the_token_is_the_first_whose_cumulative_probability_exceeds_the_uniform(
    logits: list[float], uniform: float
) -> None:
    found, _ = draw_tokens(matrix(logits), settings_of([PLAIN]), np.array([uniform]), nothing_seen(matrix(logits)))
    chances = softmax(logits)
    token = int(found[0])
    assert sum(chances[:token]) <= uniform + 1e-12
    assert uniform <= sum(chances[: token + 1]) + 1e-12


@given(rows)
def test_temperature_zero_takes_the_likeliest_whatever_the_uniform(logits: list[float]) -> None:
    greedy = settings_of([replace(PLAIN, temperature=0.0)])
    tokens = {
        int(draw_tokens(matrix(logits), greedy, np.array([uniform]), nothing_seen(matrix(logits)))[0][0])
        for uniform in (0.0, 0.5, 0.999)
    }
    assert tokens == {logits.index(max(logits))}


def test_a_draw_never_falls_on_a_token_that_was_filtered_out() -> None:
    settings = settings_of([replace(PLAIN, top_k=1)])
    for logits in (matrix([5.0, 0.0, 0.0]), matrix([0.0, 5.0, 0.0]), matrix([0.0, 0.0, 5.0])):
        for uniform in (0.0, 1 - 2**-53):
            token, _ = draw_tokens(logits, settings, np.array([uniform]), nothing_seen(logits))
            assert token[0] == logits.argmax()


@given(rows, uniforms)
def test_the_log_probability_is_that_of_the_unmodified_model(logits: list[float], uniform: float) -> None:
    params = replace(PLAIN, temperature=0.5, top_k=2, repetition_penalty=2.0)
    seen = np.ones((1, len(logits)), dtype=np.bool_)
    token, logprob = draw_tokens(matrix(logits), settings_of([params]), np.array([uniform]), seen)
    assert logprob[0] == pytest.approx(log(softmax(logits)[int(token[0])]))
