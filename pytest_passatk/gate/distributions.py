"""Upper tails of the χ² and the t distribution, and the latter's quantiles."""

from math import atan, cos, exp, inf, lgamma, log, pi, sin, sqrt


def chi_square_survival(statistic: float, df: int) -> float:
    """The chance that χ² with df >= 1 degrees of freedom exceeds `statistic` >= 0: Q(df/2, statistic/2).

    By the series of the lower incomplete gamma function where that converges fast, and by the continued fraction of the
    upper one elsewhere (Abramowitz and Stegun 1964, 6.5.29 and 6.5.31).
    """
    a, x = df / 2, statistic / 2
    if x <= 0:
        return 1.0
    front = exp(a * log(x) - x - lgamma(a))
    return max(0.0, 1 - front * _series(a, x)) if x < a + 1 else front * _fraction(a, x)


def t_survival(statistic: float, df: int) -> float:
    """The chance that Student's t with df >= 1 degrees of freedom exceeds `statistic` >= 0.

    By the finite sums for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    angle = atan(statistic / sqrt(df))
    odd = df % 2
    term = total = cos(angle) if odd and df > 1 else 0.0 if odd else 1.0
    for i in range(2 + odd, df, 2):
        term *= cos(angle) ** 2 * (i - 1) / i
        total += term
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return (1 - inside) / 2


def t_quantile(share: float, df: int) -> float:
    """The value below which Student's t with df >= 1 degrees of freedom stays with a chance of 0.5 <= `share` < 1.

    By bisection of `t_survival`, down to the precision of a float.
    """
    low, high = 0.0, 1.0
    while t_survival(high, df) > 1 - share:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_survival(middle, df) > 1 - share else (low, middle)
    return high


def _series(a: float, x: float) -> float:
    """Σ_i x^i / (a (a+1) … (a+i)), the lower incomplete gamma function over e^−x x^a."""
    term = total = 1 / a
    while term > total * 1e-17:
        a += 1
        term *= x / a
        total += term
    return total


def _fraction(a: float, x: float) -> float:
    """1 / (x+1−a − 1(1−a) / (x+3−a − 2(2−a) / …)), the upper one over e^−x x^a; from the front, after Lentz 1976."""
    base = x + 1 - a
    upper, lower = inf, 1 / base
    value, step, i = lower, 0.0, 0
    while abs(step - 1) > 1e-15:  # noqa: PLR2004 - the precision of a float
        i += 1
        base += 2
        part = i * (a - i)
        lower = 1 / (base + part * lower)
        upper = base + part / upper
        step = upper * lower
        value *= step
    return value
