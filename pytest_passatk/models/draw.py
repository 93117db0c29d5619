"""The next token of every row of a batch, in NumPy: filters, then the inverse of the distribution function.

Shapes: B rows, V tokens of vocabulary. The order of the filters is transformers' own, that of `hf:`.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.sample import SamplingParams

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


def settings_of(params: Sequence[SamplingParams]) -> Floats:
    """One row (temperature, top-p, top-k, min-p, repetition penalty) a sample; B × 5."""
    rows = [(each.temperature, each.top_p, each.top_k, each.min_p, each.repetition_penalty) for each in params]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def draw_tokens(logits: Floats, settings: Floats, uniforms: Floats, seen: Flags) -> tuple[Integers, Floats]:
    """A token for each row, and its log-probability (nats) under the plain softmax of the logits.

    Args:
        logits: B × V.
        settings: B × 5, as `settings_of` gives them.
        uniforms: B numbers in [0, 1), which alone decide among the tokens that are left.
        seen: B × V, the tokens in prompt and completion; B × 0 where nobody asks for a repetition penalty.
    """
    penalised = penalise(logits, seen, settings[:, 4:]) if seen.size else logits
    cumulative = distribution(penalised, settings).cumsum(axis=1)
    drawn = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
    tokens = np.where(settings[:, 0] == 0, penalised.argmax(axis=1), np.minimum(drawn, logits.shape[1] - 1))
    chosen = np.take_along_axis(logits, tokens[:, None], axis=1)
    return tokens, (chosen - _log_sum_exp(logits))[:, 0]


def distribution(logits: Floats, settings: Floats) -> Floats:
    """The probabilities (B × V) from which a token is drawn; a row at temperature 0 is left at temperature 1."""
    temperature, top_p, top_k, min_p, _ = np.split(settings, 5, axis=1)
    scaled = logits / np.where(temperature > 0, temperature, 1.0)
    if top_k.any():
        scaled = keep_top_k(scaled, top_k)
    if (top_p < 1).any():
        scaled = keep_top_p(scaled, top_p)
    if min_p.any():
        scaled = keep_min_p(scaled, min_p)
    return _softmax(scaled)


def penalise(logits: Floats, seen: Flags, penalty: Floats) -> Floats:
    """Divide the positive and multiply the negative logits of seen tokens (Keskar et al. 2019, arXiv:1909.05858)."""
    return np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)


def keep_top_k(logits: Floats, top_k: Floats) -> Floats:
    """Drop all below each row's k-th largest; ties with it stay, and k = 0 keeps all."""
    size = logits.shape[1]
    place = size - np.where(top_k > 0, np.minimum(top_k, size), size).astype(np.int64)
    kth = np.take_along_axis(np.sort(logits, axis=1), place, axis=1)
    return np.where(logits >= kth, logits, -np.inf)


def keep_top_p(logits: Floats, top_p: Floats) -> Floats:
    """Keep the smallest set of likeliest tokens whose probability reaches p, at least one; p = 1 keeps all."""
    order = np.argsort(-logits, axis=1, kind="stable")
    ordered = np.take_along_axis(_softmax(logits), order, axis=1)
    drop = (ordered.cumsum(axis=1) - ordered >= top_p) & (top_p < 1)
    drop[:, 0] = False
    dropped = np.empty_like(drop)
    np.put_along_axis(dropped, order, drop, axis=1)
    return np.where(dropped, -np.inf, logits)


def keep_min_p(logits: Floats, min_p: Floats) -> Floats:
    """Drop tokens less likely than min-p times the likeliest; 0 keeps all."""
    with np.errstate(divide="ignore"):
        least = logits.max(axis=1, keepdims=True) + np.log(min_p)
    return np.where(logits >= least, logits, -np.inf)


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _log_sum_exp(logits: Floats) -> Floats:
    largest = logits.max(axis=1, keepdims=True)
    return np.asarray(largest + np.log(np.exp(logits - largest).sum(axis=1, keepdims=True)))
