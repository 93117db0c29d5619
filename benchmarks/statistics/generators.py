"""Distributions of the problems' pass rates that simulations draw from, and the changes that they put to them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Floats]

HALVINGS = 30
CROWD = 100_000  # problems that stand for all of a distribution
HALF_AT_8 = 1 - 0.5 ** (1 / 8)  # the pass rate whose pass@8 is one half: .083


@dataclass(frozen=True, slots=True)
class Generator:
    """A distribution of pass rates: its letter in the tables, what it is, and how to draw an array of them."""

    letter: str
    words: str
    draw: Draw


def beta(a: float, b: float) -> Draw:
    """Pass rates from one Beta distribution."""
    return lambda draw, shape: draw.beta(a, b, shape)


def beta_of(first: float, eighth: float) -> Draw:
    """The Beta distribution with that pass@1 and pass@8."""

    def missing(log_total: float) -> float:
        total = exp(log_total)
        fails = [((1 - first) * total + i) / (total + i) for i in range(8)]
        return 1 - float(np.prod(fails)) - eighth

    total = exp(root(missing, -6.0, 6.0))
    return beta(first * total, (1 - first) * total)


def mixture(rates: list[float], weights: list[float]) -> Draw:
    """Pass rates from a few values."""
    return lambda draw, shape: draw.choice(rates, size=shape, p=weights)


def either(share: float, rate: float, otherwise: Draw) -> Draw:
    """A share of the problems at one rate, the rest from a distribution."""
    return lambda draw, shape: np.where(draw.random(shape) < share, rate, otherwise(draw, shape))


def root(of: Callable[[float], float], low: float, high: float) -> float:
    """Where an increasing function is 0."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) < 0 else (low, middle)
    return (low + high) / 2


HUMANEVAL, AIME_WEAK, AIME = (0.7027, 0.8476), (0.1125, 0.2000), (0.3667, 0.6000)  # published pass@1, pass@8
THIRD = 1 / 3

GENERATORS = {
    each.letter: each
    for each in (
        Generator("A", "Beta(.3, .5)", beta(0.3, 0.5)),
        Generator("B", "like HumanEval: Beta, pass@1 .70, pass@8 .85", beta_of(*HUMANEVAL)),
        Generator("C", "like AIME, weak model: Beta, .11, .20", beta_of(*AIME_WEAK)),
        Generator("D", "like AIME, strong model: Beta, .37, .60", beta_of(*AIME)),
        Generator("E", "40 % at 0, else Beta(2, 2)", either(0.4, 0.0, beta(2, 2))),
        Generator("F", "all at .083", mixture([HALF_AT_8], [1.0])),
        Generator("G", "half at .083, half at 1", mixture([HALF_AT_8, 1.0], [0.5, 0.5])),
        Generator("H", "thirds at 0, .083, 1", mixture([0.0, HALF_AT_8, 1.0], [THIRD] * 3)),
        Generator("I", "30 % at .02, 40 % at .15, 30 % at .9", mixture([0.02, 0.15, 0.9], [0.3, 0.4, 0.3])),
        Generator("J", "Beta(.15, .15)", beta(0.15, 0.15)),
        Generator("K", "40 % at 1, else Beta(20, 180)", either(0.4, 1.0, beta(20, 180))),
        Generator("L", "half at .2, half at .95", mixture([0.2, 0.95], [0.5, 0.5])),
    )
}
MATH = Generator("M", "like MATH: Beta, pass@1 .75, pass@8 .93", beta_of(0.75, 0.93))


@cache
def crowd(generator: Generator) -> Floats:
    """The same many rates each time, to work out what is true of the distribution."""
    return generator.draw(np.random.default_rng(1), (CROWD,))


def mean_pass(rates: Floats, k: int) -> Floats:
    """pass@k of each row of problems with these rates."""
    return np.asarray(1 - ((1 - rates) ** k).mean(axis=-1))


def shifted(rates: Floats, by: float | Floats) -> Floats:
    """The rates with the logit of each lowered; 0 and 1 stay."""
    odds = np.exp(-np.asarray(by))
    return np.asarray(rates * odds / (1 - rates + rates * odds))


def broken(draw: np.random.Generator, rates: Floats, share: float) -> Floats:
    """The rates with each problem lost by that chance."""
    return np.where(draw.random(rates.shape) < share, 0.0, rates)


def churned(draw: np.random.Generator, rates: Floats, k: int, spread: float) -> Floats:
    """The rates with each logit moved by a normal amount, and pass@k of each row exactly as it was."""
    if not spread:
        return rates
    noise = draw.normal(0, spread, rates.shape)
    return _settled(rates, lambda level: shifted(rates, noise + level[:, None]), k)


def stretched(rates: Floats, factor: float) -> Floats:
    """The rates with each logit multiplied, and pass@1 of each row exactly as it was: factor < 1 evens them out."""
    inner = rates.clip(1e-9, 1 - 1e-9)
    logits = factor * np.log(inner / (1 - inner))
    return _settled(rates, lambda level: np.asarray(1 / (1 + np.exp(level[:, None] - logits))), 1)


def _settled(rates: Floats, moved: Callable[[Floats], Floats], k: int) -> Floats:
    """`moved` at the level of each row that keeps its pass@k; the higher the level, the lower the rates."""
    goal = mean_pass(rates, k)
    low, high = np.full(len(rates), -30.0), np.full(len(rates), 30.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = mean_pass(moved(middle), k) > goal
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return moved((low + high) / 2)


@cache
def shift_for(generator: Generator, k: int, drop: float) -> float:
    """The shift of all logits that lowers the distribution's pass@k by `drop`; a negative one raises it."""
    if not drop:
        return 0.0
    rates = crowd(generator)
    goal = float(mean_pass(rates, k)) - drop
    return root(lambda by: goal - float(mean_pass(shifted(rates, by), k)), -12.0, 12.0)


def share_for(generator: Generator, k: int, drop: float) -> float:
    """The share of problems to break that lowers the distribution's pass@k by `drop`."""
    return drop / float(mean_pass(crowd(generator), k))
